"""A reply's code and test code -> what went wrong, in words.

It runs in a limited child and imports no part of the package. The audit hook stops accidents (deleting a home folder,
calling a web service), not malice: Python code can undo anything done in its own process.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from typing import Any

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


def run(job: dict[str, Any]) -> dict[str, str | None]:
    """Run `code`, then `tests` in the same namespace; `problem` is None where both ran to their end."""
    module = types.ModuleType("reply")  # not __main__: a demonstration under `if __name__ == "__main__"` must not run
    sys.modules["reply"] = module  # dataclasses and pickle look their module up there
    sys.addaudithook(_guard(os.path.realpath(os.getcwd())))  # noqa: PTH109 - pathlib would be imported for two calls
    for source, name in ((job["code"], "the reply"), (job["tests"], "the tests")):
        if problem := _execute(source, name, module.__dict__):
            return {"problem": problem}
    return {"problem": None}


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
    """Make the audit hook: no processes, no network, no change outside the temporary folder."""
    prefix = folder + os.sep
    # The reply may replace these names in their modules, by accident too.
    realpath, fspath = os.path.realpath, os.fsdecode

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REFUSED:
            raise PermissionError(f"{event} is not allowed here")
        if event in _WRITES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            paths = arguments[:2] if event in ("os.rename", "os.link", "shutil.move") else arguments[:1]
            for path in paths:
                if isinstance(path, int) or path == os.devnull:  # an open file was checked when it was opened
                    continue
                place = realpath(fspath(path))
                if place != folder and not place.startswith(prefix):
                    raise PermissionError(f"{event} outside the temporary folder is not allowed here")

    return refuse
