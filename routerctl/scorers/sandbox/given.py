"""What the tests handed to the reply's code -> what that code may do with it.

A list of what is allowed, by kind: the tests' own functions, classes and objects, what their classes define, and the
public ways of some kinds of Python's own (files, iterators, queues). Whatever is of no kind here can be held and given
back, and no more: exceptions, frames and code above all, which lead to the tests. It imports its neighbour alone.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Iterator
from typing import Any

from routerctl.scorers.sandbox.far import PLAIN_BASES
from routerctl.scorers.sandbox.values import is_plain_class

_TESTS = "reply"  # the `__module__` of what the tests define: they see the reply's names as their own
_ENDS = ("_", "gi_", "cr_", "ag_", "f_", "tb_", "co_", "func_")  # begins of names that lead to frames and code
_FIELDS = ("format", "format_map")  # a field "{0.__globals__}" would walk any attribute
_WRITES = ("setattr", "delattr")
_OF_ANY = ("eq", "ne", "hash", "bool")  # what says no more than which object it is
_OF_CLASSES = ("call", "instancecheck", "subclasscheck", "iter", "len", "contains", "getitem", "str", "repr")
_OF_FUNCTIONS = ("call", "str", "repr", "format")
_NAMES = {
    "_io._IOBase": "close closed encoding fileno flush getvalue isatty mode name read read1 readable readall readinto "
    "readline readlines seek seekable tell truncate writable write writelines",
    "tempfile._TemporaryFileWrapper": "close flush name read readline readlines seek tell truncate write writelines",
    "builtins.generator": "close send throw",
    "builtins.coroutine": "",
    "builtins.async_generator": "",
    "builtins.dict_keys": "isdisjoint",
    "builtins.dict_values": "",
    "builtins.dict_items": "isdisjoint",
    "builtins.mappingproxy": "get items keys values",
    "builtins.memoryview": "tobytes tolist",
    "array.array": "append count extend index insert pop remove reverse tobytes tolist typecode",
    "collections.abc.Mapping": "get items keys values",
    "collections.abc.MutableMapping": "clear pop popitem setdefault update",
    "collections.abc.Sequence": "count index",
    "collections.abc.MutableSequence": "append clear extend insert pop remove reverse",
    "collections.abc.Set": "isdisjoint",
    "collections.abc.MutableSet": "add clear discard pop remove",
    "collections.UserDict": "copy get",
    "collections.UserList": "append clear copy count extend index insert pop remove reverse sort",
    "collections.ChainMap": "copy get maps new_child parents pop popitem clear",
    "contextlib._GeneratorContextManager": "",
    "contextlib._AsyncGeneratorContextManager": "",
    "contextlib.ExitStack": "close",
    "contextlib.nullcontext": "",
    "enum.Enum": "name value",
    "queue.Queue": "empty full get get_nowait join put put_nowait qsize task_done",
    "_queue.SimpleQueue": "empty get get_nowait put put_nowait qsize",
    "random.Random": "betavariate choice choices expovariate gauss getrandbits normalvariate paretovariate randbytes "
    "randint random randrange sample seed shuffle triangular uniform",
    "_random.Random": "getrandbits random seed",
    "re.Pattern": "findall finditer flags fullmatch groupindex groups match pattern search split sub subn",
    "re.Match": "end endpos group groupdict groups lastgroup lastindex pos span start string",
    "logging.Logger": "critical debug error exception info isEnabledFor log warning",
    "sqlite3.Connection": "close commit cursor execute executemany executescript rollback total_changes",
    "sqlite3.Cursor": "close description execute executemany executescript fetchall fetchmany fetchone lastrowid "
    "rowcount",
    "_csv.writer": "writerow writerows",
    "_csv.reader": "line_num",
    "csv.DictWriter": "fieldnames writeheader writerow writerows",
    "csv.DictReader": "fieldnames line_num",
    "_thread.lock": "acquire locked release",
    "_thread.RLock": "acquire release",
    "threading.Event": "clear is_set set wait",
    "threading.Condition": "acquire notify notify_all release wait",
    "threading.Semaphore": "acquire release",
}  # class of Python's own -> what can be read of it and of its subclasses
_BAGS = ("types.SimpleNamespace", "argparse.Namespace")  # nothing but their attributes
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinMethodType, type(functools.cache(len)))
_PLAIN_FUNCTIONS = (abs, all, any, divmod, len, max, min, pow, print, round, sorted, sum)


def allowed(what: str, args: list[Any]) -> bool:
    """Tell whether the reply's code may have that done with an object that the tests handed over, `args[0]`."""
    value = args[0]
    if what in ("getattr", *_WRITES):
        name = args[1] if len(args) > 1 else None
        return type(name) is str and public(name) and (_writable if what in _WRITES else _readable)(value, name)
    if issubclass(type(value), BaseException):
        return False
    if what in _OF_ANY:
        return True
    if issubclass(type(value), type):
        return what in _OF_CLASSES and _own_class(value)
    if what == "call":
        return _callable(value)
    if type(value) in _FUNCTIONS:
        return what in _OF_FUNCTIONS
    return _own(type(value)) or _known(type(value))


def public(name: str) -> bool:
    """Tell whether a name may be asked for at all."""
    return not name.startswith(_ENDS) and name not in _FIELDS


def _full(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _own(kind: type) -> bool:
    return kind.__module__ == _TESTS and not issubclass(kind, (BaseException, type))


def _own_class(value: type) -> bool:
    return _own(value) and type(value).__module__ in ("builtins", "abc", "enum", _TESTS)


def _known(kind: type) -> bool:
    iterates = kind.__module__ in ("builtins", "itertools", "collections", "_collections") and hasattr(kind, "__next__")
    return iterates or _mock(kind) or any(_full(one) in (*_NAMES, *_BAGS) for one in kind.__mro__)


def _mock(kind: type) -> bool:
    return any(_full(one) == "unittest.mock.NonCallableMock" for one in kind.__mro__)


def _defined(mro: tuple[type, ...], name: str) -> Iterator[tuple[type, Any]]:
    return ((one, vars(one)[name]) for one in mro if name in vars(one))


def _readable(value: Any, name: str) -> bool:
    kind = type(value)
    is_class = issubclass(kind, type)
    if issubclass(kind, BaseException) or (is_class and not _own_class(value)):
        return False
    if kind is types.FunctionType:
        return name in vars(value)
    mro = value.__mro__ if is_class else kind.__mro__
    for owner, _ in _defined(mro, name):
        named = (_NAMES.get(_full(one), "").split() for one in mro)
        return owner.__module__ == _TESTS or owner in PLAIN_BASES or any(name in names for names in named)
    return not is_class and (_own(kind) or _mock(kind) or _full(kind) in _BAGS)


def _writable(value: Any, name: str) -> bool:
    """Tell whether an attribute may be set: of an object, and no method, which is the tests' to say."""
    kind = type(value)
    if kind is types.FunctionType:
        return True
    for owner, found in _defined(kind.__mro__, name):
        return _own(owner) and not (callable(found) or isinstance(found, (classmethod, staticmethod)))
    return _own(kind) or _full(kind) in _BAGS


def _callable(value: Any) -> bool:
    kind = type(value)
    if kind is functools.partial:
        return _callable(value.func) or value.func in _PLAIN_FUNCTIONS or _plain(value.func)
    if kind is operator.itemgetter:
        return True
    if kind in (operator.attrgetter, operator.methodcaller):
        return _asks_for_public(value)
    if kind is types.BuiltinMethodType:
        return not isinstance(value.__self__, types.ModuleType | None) and value.__name__ != "format_map"
    if kind is types.MethodWrapperType:
        return value.__name__ in ("__next__", "__getitem__", "__contains__")
    return kind in _FUNCTIONS or _own(kind) or _mock(kind)


def _plain(function: Any) -> bool:
    """Tell whether it computes values from values: `partial(int, base=2)`, `partial(operator.mul, 2)`."""
    getters = (operator.attrgetter, operator.itemgetter, operator.methodcaller)
    module = getattr(function, "__module__", None)
    return is_plain_class(function) or (module in ("math", "_operator") and function not in getters)


def _asks_for_public(getter: Any) -> bool:
    made, args = getter.__reduce__()
    names = args if made is operator.attrgetter else args[:1] if made is operator.methodcaller else made.args[:1]
    return all(public(part) for name in names for part in name.split("."))
