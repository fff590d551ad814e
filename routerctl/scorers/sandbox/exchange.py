"""Two processes that call each other's functions: the one with the tests, and the one with the reply's code.

Plain values are copied (`values`); whatever else a side gives away stays with it, and the other one holds a `Far`
object, which asks for everything that is done with it. The side with the tests is `wary`: it does what is `allowed`
with the very objects that the tests handed over, and nothing else; an exception is made anew on either side, from its
class and its plain arguments; and nothing of the other side ever decides how it compares with a plain value, so no
object can claim to be equal to what is expected. It imports nothing of the package but its neighbours.
"""

from __future__ import annotations

import builtins
import json
import os
import struct
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from routerctl.scorers.sandbox.far import DOES, OF_TWO, PLAIN_BASES, Far, FarCallable, is_far, number_of, peer_of
from routerctl.scorers.sandbox.given import allowed
from routerctl.scorers.sandbox.streams import Printed
from routerctl.scorers.sandbox.values import Broken, Memo, Values, is_plain_class, plain_class

MOST_BYTES = 2**27  # of one message; the memory limit is lower still
_NUMBER, _TEXT = "_routerctl_number", "_routerctl_text"  # of a far exception's class, and what it says of itself


class Gone(BaseException):  # tests that expect an exception do not expect this
    """The other process has ended."""


class Peer:
    """One end of the exchange."""

    def __init__(
        self, reading: int, writing: int, *, wary: bool, does: dict[str, Callable[..., Any]] | None = None
    ) -> None:
        """`reading`, `writing`: descriptors of two pipes; `wary`: the other side is not to be trusted.

        `does`: what this side does beside what can be done with any object, by name.
        """
        self.wary, self.note = wary, ""
        self.gone = False
        self.broken = ""  # what arrived that the other side's program does not send
        self._does = DOES | (does or {})
        self._in, self._out = reading, writing
        self._mine: list[Any] = []  # what was given away, by number
        self._numbers: dict[int, int] = {}
        self._theirs: dict[int, Any] = {}
        self._values = Values(self._handle, self._resolve)
        self._lock = threading.RLock()
        self.printed = Printed()

    def ask(self, what: str, *args: Any, **kwargs: Any) -> Any:
        """Let the other side do something, and give the result; raises what it raised."""
        with self._lock:
            if not self.wary and threading.current_thread() is not threading.main_thread():
                raise RuntimeError("the tests can be called from the main thread alone")
            memo = Memo()
            request = [self._values.write(list(args), memo), self._values.write(kwargs, memo)]
            self.send(["do", what, *request, self.wary and sys.stdout is not sys.__stdout__])
            while (answer := self.receive())[0] == "do":
                self.serve(answer)
            return self._result(answer, memo)

    def _result(self, answer: list[Any], memo: Memo) -> Any:
        try:
            kind, value, changed, printed = answer
            result = self._raised(value) if kind == "raise" else self._values.read(value, memo)
            for number, contents in changed:
                self._values.fill(memo.values[number], contents, memo)
        except (Broken, ValueError, TypeError, LookupError, AttributeError) as error:
            raise self._broke(f"{type(error).__name__}: {error}") from None
        if printed:
            sys.stdout.write(str(printed))
        if kind == "raise":
            raise result
        return result

    def serve(self, request: list[Any]) -> None:
        """Do one thing for the other side."""
        memo = Memo()
        try:
            _, what, args, kwargs, printing = request
            given, named = self._values.read(args, memo), self._values.read(kwargs, memo)
            asked = len(memo.values)
            try:
                done = ["give", self._values.write(self._do(what, given, named), memo)]
            except BaseException as error:  # noqa: BLE001 - it is the caller's to handle, SystemExit too
                done = ["raise", self._error(error)]
            own = [n for n in range(asked) if memo.values[n] is not given and memo.values[n] is not named]
            changed = [[n, self._values.contents(memo.values[n], memo)] for n in own]
        except Exception as error:  # noqa: BLE001 - the caller must hear something
            done, changed, printing = ["raise", self._error(error)], [], False
        self.send([*done, changed, self.printed.take() if printing else ""])

    def _do(self, what: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if what == "line":
            return sys.stdin.readline() if builtins.input is _input else f"{builtins.input()}\n"
        if self.wary:
            self._check(what, args)
        return self._does[what](*args, **kwargs)

    def _check(self, what: str, args: list[Any]) -> None:
        """Refuse what is not done with objects that the tests handed over, in this call or an earlier one."""
        given = [one for one in args[: 2 if what in OF_TWO else 1] if id(one) in self._numbers]
        if not given or not all(allowed(what, [one, *args[1:]]) for one in given):
            name = args[1] if what.endswith("attr") and type(args[1]) is str else what
            raise AttributeError(f"the tests' object does not give {name!r} to the reply's code")

    # --- what is no plain value --------------------------------------------------------------------------------------

    def _handle(self, value: Any) -> list[Any]:
        if is_far(value) and peer_of(value) is self:
            return ["yours", number_of(value)]
        mark = vars(value).get(_NUMBER) if isinstance(value, type) else None
        if type(mark) is int and mark in self._theirs:
            return ["yours", mark]
        if isinstance(value, type) and is_plain_class(value):
            return ["plain class", value.__name__]
        if not self.wary:
            return self._given_away(value)
        if issubclass(type(value), BaseException):
            return self._error(value)
        return _by_name(value) or self._given_away(value)

    def _given_away(self, value: Any) -> list[Any]:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._mine)
            self._mine.append(value)
        kind = type(value)
        if isinstance(value, type) and issubclass(value, BaseException):
            return ["error class", number, value.__name__, [self._handle(base) for base in value.__bases__]]
        if kind is types.CoroutineType:
            return ["coroutine", number]
        base = next((one.__name__ for one in PLAIN_BASES if isinstance(value, one)), "")
        return ["theirs", number, kind.__name__, base, callable(value)]

    def _resolve(self, given: list[Any]) -> Any:
        what, number = given[:2]
        if what == "yours":
            return self._mine[number]
        if what == "plain class":
            return plain_class(number)
        if what == "by name" and not self.wary:
            return _named(*given[1:])
        if what == "error" and not self.wary:
            return self._remade(*given[1:])
        if type(number) is not int or what not in ("theirs", "error class", "coroutine"):
            raise Broken(str(what))
        if number not in self._theirs:
            made: Any = {"theirs": self._far, "error class": self._error_class, "coroutine": self._coroutine}[what]
            self._theirs[number] = made(*given[1:])
        return self._theirs[number]

    def _far(self, number: int, name: str, base: str, is_callable: Any) -> Far:
        if base:
            plain_class(base)
        return (FarCallable if is_callable else Far)(self, number, str(name)[:60], base)

    def _error_class(self, number: int, name: str, bases: list[Any]) -> Any:
        ours = tuple(self._resolve(base) for base in bases)
        ours = tuple(base for base in ours if type(base) is type and issubclass(base, BaseException))
        return type(str(name)[:60], ours or (Exception,), {_NUMBER: number, "__str__": _error_text})

    async def _coroutine(self, number: int) -> Any:
        return self.ask("await", Far(self, number, "coroutine", ""))

    # --- exceptions --------------------------------------------------------------------------------------------------

    def _error(self, error: BaseException) -> list[Any]:
        memo = Memo()
        try:
            text = str(error)[:2000]
        except BaseException:  # noqa: BLE001 - the reply may have written this __str__
            text = ""
        args = [one if type(one) in (str, int, float, bool, type(None)) else str(type(one)) for one in error.args[:20]]
        return ["error", self._handle(type(error)), self._values.write(args, memo), text]

    def _raised(self, given: Any) -> BaseException:
        if not isinstance(given, list) or given[0] != "error":
            raise Broken("no exception")
        return self._remade(*given[1:])

    def _remade(self, kind: list[Any], args: Any, text: Any) -> BaseException:
        found = self._resolve(kind)
        if not (type(found) is type and issubclass(found, BaseException)):
            raise Broken("no exception")
        given = self._values.read(args, Memo())
        try:
            error: BaseException = found(*given)
        except Exception:  # noqa: BLE001 - UnicodeError wants its five
            error = found.__new__(found)
            error.args = (str(text),)
        if hasattr(found, _NUMBER):
            setattr(error, _TEXT, str(text))
        return error

    # --- bytes -------------------------------------------------------------------------------------------------------

    def send(self, message: Any) -> None:
        """Send one message; raises Gone."""
        data = json.dumps(message).encode()
        data = struct.pack(">I", len(data)) + data
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError:
            self.gone = True
            raise Gone from None

    def receive(self) -> list[Any]:
        """Wait for a message; raises Gone, Broken."""
        (size,) = struct.unpack(">I", self._bytes(4))
        if size > MOST_BYTES:
            raise self._broke("a message that is too long")
        try:
            message = json.loads(self._bytes(size))
        except ValueError as error:
            raise self._broke(f"no JSON: {error}") from None
        if not isinstance(message, list) or not message:
            raise self._broke("no list")
        return message

    def _broke(self, how: str) -> Broken:
        self.broken = how
        return Broken(how)

    def _bytes(self, size: int) -> bytes:
        parts, left = [], size
        while left:
            part = os.read(self._in, min(left, 2**20))
            if not part:
                self.gone = True
                raise Gone
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


_input = builtins.input


def _error_text(error: Any) -> str:
    text = getattr(error, _TEXT, None)
    return text if isinstance(text, str) else BaseException.__str__(error)


def _by_name(value: Any) -> list[Any] | None:
    """Name what the other side can import as well: a module, or a function or class of one."""
    if isinstance(value, types.ModuleType):
        return ["by name", value.__name__, ""]
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str) and module in sys.stdlib_module_names | {"builtins"}:
        try:
            return ["by name", module, name] if _named(module, name) is value else None
        except (AttributeError, ImportError):
            return None
    return None


def _named(module: str, name: str) -> Any:
    from importlib import import_module

    found: Any = import_module(module)
    for part in filter(None, name.split(".")):
        found = getattr(found, part)
    return found
