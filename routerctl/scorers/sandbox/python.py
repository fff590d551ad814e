"""A reply's code and test code -> what went wrong, in words.

Two processes: one runs the reply's code and has never seen the tests; the other runs the tests, calls the first one's
functions (`exchange`) and alone can write the verdict. `confine` holds both from files, processes and the network; the
audit hook refuses the same in words, and is all there is where the kernel cannot hold it: it stops accidents (deleting
a home folder, calling a web service), not malice. It runs in a limited child and imports what stands beside it.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from routerctl.scorers.sandbox.confine import confine_calls, readable
from routerctl.scorers.sandbox.exchange import Gone, Peer
from routerctl.scorers.sandbox.streams import Lines
from routerctl.scorers.sandbox.values import Broken

# Audit events of the standard library: https://docs.python.org/3/library/audit_events.html
_REFUSED = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.kill",
    "os.killpg",
    "os.posix_spawn",
    "os.startfile",
    "os.system",
    "pty.spawn",
    "subprocess.Popen",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.sendmsg",
    "socket.sendto",
}  # fmt: skip - by kind: processes, then the network
_WRITES = {
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.removexattr",
    "os.rename",
    "os.rmdir",
    "os.setxattr",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "shutil.chown",
    "shutil.move",
    "shutil.rmtree",
    "sqlite3.connect",
}  # fmt: skip - one list, not fifteen lines
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


_ONLY_AST = 0x400  # ast.PyCF_ONLY_AST, without importing ast
_tested: list[tuple[Peer, int]] = []  # the process with the reply's code and its id; empty: there is none


def divide(nowhere: int) -> None:
    """Start the process that will run the reply's code; this one has not read the job yet, so that one never has it."""
    to_reply, to_tests = os.pipe(), os.pipe()
    child = os.fork()
    if child:
        os.close(to_reply[0])
        os.close(to_tests[1])
        _tested.append((Peer(to_tests[0], to_reply[1], wary=True), child))
        return
    try:
        _serve(to_reply[0], to_tests[1], nowhere)
    finally:
        os._exit(0)


def _serve(reading: int, writing: int, nowhere: int) -> None:
    """Do what the tests ask, until they end."""
    os.dup2(nowhere, 0)
    first, last = sorted((reading, writing))
    for low, high in ((3, first), (first + 1, last), (last + 1, 1024)):  # the verdict's descriptor among them
        os.closerange(low, high)
    confine_calls()
    module = _module()
    peer = Peer(
        reading,
        writing,
        wary=False,
        does={"load": lambda code: _execute(code, "the reply", module.__dict__), "module": lambda: module},
    )
    sys.stdin, sys.stdout = Lines(lambda: str(peer.ask("line"))), peer.printed
    sys.addaudithook(_guard(os.path.realpath(os.getcwd())))  # noqa: PTH109 - pathlib would be imported for two calls
    with contextlib.suppress(Gone):
        while True:
            peer.serve(peer.receive())


def run(job: dict[str, Any]) -> dict[str, str | None]:
    """Run `code`, then `tests` with its names; `problem` is None where both ran to their end."""
    sys.addaudithook(_guard(os.path.realpath(os.getcwd())))  # noqa: PTH109 - likewise
    if _tested:
        return {"problem": _run_apart(*_tested[0], job)}
    module = _module()
    for source, name in ((job["code"], "the reply"), (job["tests"], "the tests")):
        if problem := _execute(source, name, module.__dict__):
            return {"problem": problem}
    return {"problem": None}


def _module() -> types.ModuleType:
    module = types.ModuleType("reply")  # not __main__: a demonstration under `if __name__ == "__main__"` must not run
    sys.modules["reply"] = module  # dataclasses and pickle look their module up there
    return module


def _run_apart(peer: Peer, child: int, job: dict[str, Any]) -> str | None:
    try:
        problem = peer.ask("load", job["code"])
        if problem is not None:
            return str(problem)[:500]
        names = _Names(peer, job["tests"])
        sys.modules["reply"] = names.module
        problem = _execute(job["tests"], "the tests", names)
    except (Gone, Broken):  # `gone` and `broken` say so, also where the tests caught it
        pass
    if peer.gone:
        _end_like(child)
    if peer.broken:
        return f"the process with the reply's code sent what it should not: {peer.broken}"[:500]
    return f"{problem}; {peer.note}" if problem and peer.note else problem


def _end_like(child: int) -> None:
    """End as the other process did: the parent says why, and no verdict is a failed test."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        signal.raise_signal(-status)
    os._exit(max(status, 0))


class _Names(dict[str, Any]):
    """The tests' global names; those that are none of their own are asked of the reply, each time."""

    def __init__(self, peer: Peer, tests: str) -> None:
        super().__init__({"__name__": "reply", **_modules_of(tests)})
        self._peer, self._called = peer, dict[str, Any]()
        self.module = peer.ask("module")

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):  # a reply must not redefine what `len` means to the tests; `reply.len` is its own
            raise KeyError(name)
        if name not in self._called:
            try:
                found = getattr(self.module, name)
            except AttributeError:
                if name != "reply":
                    raise KeyError(name) from None
                return self.module
            if not callable(found):
                return found
            self._called[name] = found
        return self._called[name]


def _modules_of(tests: str) -> dict[str, types.ModuleType]:
    """Give the modules of the standard library that tests use without importing them: not as the reply defines them."""
    used: dict[str, set[str]] = {}
    for node in _nodes(compile(tests, "the tests", "exec", _ONLY_AST)):
        if type(node).__name__ == "Attribute" and type(node.value).__name__ == "Name":
            used.setdefault(node.value.id, set()).add(node.attr)
    found: dict[str, types.ModuleType] = {}
    for name in used.keys() & sys.stdlib_module_names - {"antigravity", "this"}:
        with contextlib.suppress(Exception):
            module = import_module(name)
            found |= {name: module} if all(hasattr(module, attribute) for attribute in used[name]) else {}
    return found


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for field in node._fields:
        value = getattr(node, field, None)
        for part in value if isinstance(value, list) else [value]:
            if hasattr(part, "_fields"):
                yield from _nodes(part)


def _execute(source: str, name: str, namespace: dict[str, Any]) -> str | None:
    try:
        exec(compile(source, name, "exec", dont_inherit=True), namespace)  # noqa: S102 - the scorer's very job
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt too: the tests did not end
        return f"in {name}{_place(error, name, source)}: {_said(error)}"
    return None


def _place(error: BaseException, name: str, source: str) -> str:
    """Give ", line n: `source line`" of the innermost frame in that source."""
    number, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            number = trace.tb_lineno
        trace = trace.tb_next
    lines = source.splitlines()
    return f", line {number} ({lines[number - 1].strip()[:120]})" if 0 < number <= len(lines) else ""


def _said(error: BaseException) -> str:
    try:
        text = str(error)[:200]
    except BaseException:  # noqa: BLE001 - the reply may have written this __str__
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _guard(folder: str) -> Callable[[str, tuple[Any, ...]], None]:
    """Make the audit hook: no processes, no network, no change and no look outside the temporary folder."""
    prefix = folder + os.sep
    seen = tuple(os.path.realpath(path) for path in readable())
    seen_below = tuple(f"{path}{os.sep}" for path in seen)
    # The reply may replace these names in their modules, by accident too.
    realpath, fspath = os.path.realpath, os.fsdecode

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REFUSED:
            raise PermissionError(f"{event} is not allowed here")
        if event in _WRITES or event in ("open", "os.listdir", "os.scandir"):
            looks = event not in _WRITES and not (
                event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
            )
            paths = arguments[:2] if event in ("os.rename", "os.link", "shutil.move") else arguments[:1]
            for path in paths:
                if isinstance(path, int) or path == os.devnull:  # an open file was checked when it was opened
                    continue
                place = realpath(fspath(path))
                if looks and (place in seen or place.startswith(seen_below)):
                    continue
                if place != folder and not place.startswith(prefix):
                    raise PermissionError(f"{event} outside the temporary folder is not allowed here")

    return refuse
