"""Python values <-> JSON, so that a process can take them from another one that it does not trust.

What arrives is rebuilt from plain data, in exactly the types named here: it runs no code of the sender's. Lists and
other things that can change are numbered, so that what a function did to its arguments can be told its caller. What is
of no type here stays with its owner (`exchange`). It imports no part of the package.
"""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

# type -> (its plain parts, the type made of such parts)
_FIXED: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "builtins.tuple": (list, lambda kind, parts: kind(parts)),
    "builtins.frozenset": (list, lambda kind, parts: kind(parts)),
    "builtins.bytes": (lambda value: value.hex(), lambda kind, parts: kind.fromhex(parts)),
    "builtins.complex": (lambda value: [value.real, value.imag], lambda kind, parts: kind(*parts)),
    "builtins.range": (lambda value: [value.start, value.stop, value.step], lambda kind, parts: kind(*parts)),
    "builtins.slice": (lambda value: [value.start, value.stop, value.step], lambda kind, parts: kind(*parts)),
    "builtins.ellipsis": (lambda _: None, lambda _kind, _parts: ...),
    "builtins.NotImplementedType": (lambda _: None, lambda _kind, _parts: NotImplemented),
    "decimal.Decimal": (str, lambda kind, parts: kind(parts)),
    "fractions.Fraction": (lambda value: [value.numerator, value.denominator], lambda kind, parts: kind(*parts)),
    "datetime.datetime": (lambda value: value.isoformat(), lambda kind, parts: kind.fromisoformat(parts)),
    "datetime.date": (lambda value: value.isoformat(), lambda kind, parts: kind.fromisoformat(parts)),
    "datetime.time": (lambda value: value.isoformat(), lambda kind, parts: kind.fromisoformat(parts)),
    "datetime.timedelta": (
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda kind, parts: kind(*parts),
    ),
    "uuid.UUID": (str, lambda kind, parts: kind(parts)),
    "pathlib.PosixPath": (str, lambda kind, parts: kind(parts)),
    "numpy.ndarray": (
        lambda value: [value.dtype.str, value.tolist()],
        lambda _, parts: import_module("numpy").array(parts[1], dtype=parts[0]),
    ),
}
_PAIRS = ("builtins.dict", "collections.Counter", "collections.OrderedDict", "collections.defaultdict")
_CHANGING = (*_PAIRS, "builtins.list", "builtins.set", "builtins.bytearray", "collections.deque")
_SHORT = 63  # bits of a whole number that any reader of JSON takes


class Broken(Exception):
    """What arrived is nothing that the other side's program sends."""


class Memo:
    """The changeable values of one exchange: both sides number them in the order in which they are met."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[int, int] = {}

    def add(self, value: Any) -> int:
        """Number a value."""
        self._numbers[id(value)] = len(self.values)
        self.values.append(value)
        return len(self.values) - 1

    def number_of(self, value: Any) -> int | None:
        """Give a value's number; None where it has none yet."""
        return self._numbers.get(id(value))


class Values:
    """Writes values and reads them; `handle` and `resolve` stand for what is no plain value."""

    def __init__(self, handle: Callable[[Any], list[Any]], resolve: Callable[[list[Any]], Any]) -> None:
        """`handle`: something -> a list beginning with a text, `resolve`: back; both are asked for nothing plain."""
        self._handle, self._resolve = handle, resolve

    def write(self, value: Any, memo: Memo) -> Any:
        """Give a value as JSON has it: plain, or a list that begins with what it is."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if value.bit_length() <= _SHORT else ["int", hex(value)]
        if kind is float:
            return value if math.isfinite(value) else ["float", repr(value)]
        name = _name_of(kind)
        if name in _CHANGING:
            return self._write_changing(name, value, memo)
        if name in _FIXED:
            return ["fixed", name, self._inside(_FIXED[name][0](value), memo)]
        if kind.__module__ == "numpy" and not kind.__name__.startswith("nd") and hasattr(value, "item"):
            return self.write(value.item(), memo)
        return self._handle(value)

    def _write_changing(self, name: str, value: Any, memo: Memo) -> Any:
        number = memo.number_of(value)
        if number is not None:
            return ["seen", number]
        memo.add(value)
        return ["new", name, self.contents(value, memo)]

    def contents(self, value: Any, memo: Memo) -> Any:
        """Write what is in a changeable value."""
        name = _name_of(type(value))
        if name in _PAIRS:
            return [[self.write(key, memo), self.write(item, memo)] for key, item in value.items()]
        if name == "builtins.bytearray":
            return bytes(value).hex()
        limit = [value.maxlen] if name == "collections.deque" else []
        return [*limit, *(self.write(item, memo) for item in value)]

    def _inside(self, parts: Any, memo: Memo) -> Any:
        return [self.write(part, memo) for part in parts] if isinstance(parts, list) else parts

    def read(self, given: Any, memo: Memo) -> Any:
        """Rebuild a value; raises Broken."""
        if not isinstance(given, list):
            if isinstance(given, dict):
                raise Broken("an object")
            return given
        try:
            return self._read(given, memo)
        except (ArithmeticError, AttributeError, ImportError, LookupError, TypeError, ValueError) as error:
            raise Broken(f"{type(error).__name__}: {error}") from None

    def _read(self, given: list[Any], memo: Memo) -> Any:
        what = given[0]
        if what == "int":
            return int(given[1], 16)
        if what == "float":
            return float(given[1])
        if what == "seen":
            return memo.values[given[1]]
        if what == "fixed":
            parts = given[2]
            whole = [self.read(part, memo) for part in parts] if isinstance(parts, list) else parts
            return _FIXED[given[1]][1](_type_of(given[1]), whole)
        if what == "new" and given[1] in _CHANGING:
            fresh = _type_of(given[1])()
            if given[1] == "collections.deque":
                fresh = type(fresh)(maxlen=given[2][0])
            memo.add(fresh)
            self.fill(fresh, given[2], memo)
            return fresh
        return self._resolve(given)

    def fill(self, value: Any, contents: Any, memo: Memo) -> None:
        """Put contents in a changeable value, in place of its own."""
        name = _name_of(type(value))
        if name in _PAIRS:
            pairs = [(self.read(key, memo), self.read(item, memo)) for key, item in contents]
            value.clear()
            for key, item in pairs:  # as plain items: a Counter's own `update` would add
                value[key] = item
        elif name == "builtins.bytearray":
            value[:] = bytes.fromhex(contents)
        else:
            items = [self.read(item, memo) for item in (contents[1:] if name == "collections.deque" else contents)]
            value.clear()
            value.update(items) if name == "builtins.set" else value.extend(items)


def _name_of(kind: type) -> str:
    module = "pathlib" if kind.__module__ == "pathlib._local" else kind.__module__
    return f"{module}.{kind.__qualname__}"


def _type_of(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    special = {"ellipsis": type(...), "NotImplementedType": type(NotImplemented)}
    return special.get(attribute) or getattr(sys.modules.get(module) or import_module(module), attribute)


def plain_class(name: Any) -> Any:
    """Give a class of Python's own, for what another process calls by its name; raises Broken for one of power."""
    found = getattr(builtins, name, None) if isinstance(name, str) else None
    if not is_plain_class(found):
        raise Broken(f"no plain class {name!r}")
    return found


def is_plain_class(value: Any) -> bool:
    """Tell whether something is a class of Python's own that makes plain values or exceptions."""
    powers = (type, super, property, object, classmethod, staticmethod, memoryview)
    return isinstance(value, type) and getattr(builtins, value.__name__, None) is value and value not in powers
