"""Something that another process has -> an object that asks for everything that is done with it.

What the other side says never decides how its object compares with a plain value: only a plain value equals one. It
imports nothing of the package but its neighbour.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable
from typing import Any

from routerctl.scorers.sandbox.values import Broken, plain_class

_OF_BUILTINS = [
    "len",
    "iter",
    "next",
    "str",
    "repr",
    "bool",
    "int",
    "float",
    "complex",
    "round",
    "hash",
    "reversed",
    "format",
    "bytes",
    "divmod",
    "aiter",
]
_OF_OPERATOR = ["getitem", "setitem", "delitem", "index", "abs", "neg", "pos", "invert"]
_OF_MATH = ["trunc", "floor", "ceil"]
_OWN = ["enter", "exit", "aiter", "anext", "aenter", "aexit", "instancecheck", "subclasscheck"]
_COMPARING = ["eq", "ne", "lt", "le", "gt", "ge", "contains"]
_BINARY = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "lshift",
    "rshift",
    "and",
    "or",
    "xor",
    "divmod",
]
OF_TWO = (*_COMPARING, *_BINARY)  # either of them may be the far one
PLAIN_BASES = (int, float, str, bytes, tuple, list, dict, set, frozenset)
_ASYNC = ("anext", "aenter", "aexit")


class Far:
    """Something of the other side's."""

    __slots__ = ("__base", "__name", "__number", "__peer")

    def __init__(self, peer: Any, number: int, name: str, base: str) -> None:
        put = object.__setattr__
        for slot, value in (("peer", peer), ("number", number), ("name", name), ("base", base)):
            put(self, f"_Far__{slot}", value)

    def __getattr__(self, name: str) -> Any:
        return peer_of(self).ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        peer_of(self).ask("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        peer_of(self).ask("delattr", self, name)

    def __dir__(self) -> list[str]:
        return list(peer_of(self).ask("dir", self))

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        raise TypeError("a class of the reply cannot be subclassed by the tests (see same_process)")

    @property  # type: ignore[misc]  # mypy has it read-only; Python asks the property
    def __class__(self) -> type:  # what `isinstance` sees of a subclass of a plain type
        return plain_class(_base(self)) if _base(self) else type(self)


class FarCallable(Far):
    """Something of the other side's that can be called."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Let it be called."""
        return peer_of(self).ask("call", self, *args, **kwargs)


def _part(name: str) -> Callable[[Any], Any]:
    return lambda far: object.__getattribute__(far, f"_Far__{name}")


peer_of, number_of, _class_name, _base = (_part(name) for name in ("peer", "number", "name", "base"))


def is_far(value: Any) -> bool:
    """Tell whether something is the other side's; not by `isinstance`, which asks it."""
    return type(value) in (Far, FarCallable)


def _forwarding(name: str) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: peer_of(self).ask(name, self, *args, **kwargs)


def _async_forwarding(name: str) -> Callable[..., Any]:
    async def ask(self: Far, *args: Any) -> Any:
        return peer_of(self).ask(name, self, *args)

    return ask


def _comparing(name: str, *, swapped: bool = False) -> Callable[[Far, Any], Any]:
    def ask(self: Far, other: Any) -> Any:
        peer = peer_of(self)
        if is_far(other) or not peer.wary:
            return peer.ask(name, *((other, self) if swapped else (self, other)))
        if _base(self):
            plain = peer.ask("plain", self)
            if is_far(plain):
                raise Broken("no plain value")
            return DOES[name](*((other, plain) if swapped else (plain, other)))
        peer.note = f"a plain value met an object of the reply's class {_class_name(self)}, which is never equal to one"
        if name in ("eq", "ne"):
            return name == "ne"
        raise TypeError(f"{name}: {peer.note}")

    return ask


for _name in dict.fromkeys((*_OF_BUILTINS, *_OF_OPERATOR, *_OF_MATH, *_OWN)):
    setattr(Far, f"__{_name}__", (_async_forwarding if _name in _ASYNC else _forwarding)(_name))
for _name in OF_TWO:
    setattr(Far, f"__{_name}__", _comparing(_name))
for _name in _BINARY:
    setattr(Far, f"__r{_name}__", _comparing(_name, swapped=True))
Far.__doc__ = property(lambda far: peer_of(far).ask("getattr", far, "__doc__"))  # type: ignore[assignment]  # a text to mypy


def _plain(value: Any) -> Any:
    return next(base for base in PLAIN_BASES if isinstance(value, base))(value)


def _awaited(value: Any) -> Any:
    import asyncio

    async def wait() -> Any:
        return await value

    if not _loops:
        _loops.append(asyncio.new_event_loop())  # one for all: an asynchronous generator belongs to its loop
    return _loops[0].run_until_complete(wait())


_loops: list[Any] = []


DOES: dict[str, Callable[..., Any]] = {
    **{name: getattr(builtins, name) for name in (*_OF_BUILTINS, "getattr", "setattr", "delattr", "dir")},
    **{name: getattr(operator, name) for name in (*_OF_OPERATOR, *_COMPARING)},
    **{name: getattr(operator, f"__{name}__") for name in _BINARY if name != "divmod"},
    **{name: getattr(math, name) for name in _OF_MATH},
    "call": lambda what, *args, **kwargs: what(*args, **kwargs),
    "enter": lambda what: type(what).__enter__(what),
    "exit": lambda what, *args: type(what).__exit__(what, *args),
    "aenter": lambda what: _awaited(type(what).__aenter__(what)),
    "aexit": lambda what, *args: _awaited(type(what).__aexit__(what, *args)),
    "anext": lambda what: _awaited(type(what).__anext__(what)),
    "await": _awaited,
    "instancecheck": lambda what, value: isinstance(value, what),
    "subclasscheck": lambda what, value: issubclass(value, what),
    "plain": _plain,
}  # what can be asked of an object's owner
