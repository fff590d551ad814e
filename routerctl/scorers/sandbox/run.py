"""A task's name, a job (JSON) and limits -> a process that runs the task, and its verdict (JSON) or why there is none.

For scorers that compute with what a model wrote (regex, json_schema, sql, python): what hangs or eats memory cannot be
stopped inside our own process, a child can. It knows nothing of the tasks.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Literal

from routerctl.redaction import redacted
from routerctl.scorers.sandbox.child import STARTED
from routerctl.types import Json

_HERE = Path(__file__).parent
_FILES = {
    "python": ("values", "far", "given", "streams", "exchange", "python")
}  # of a task, in the order of their imports; else its own alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one child may use."""

    cpu_s: int  # processor time, which a busy machine does not shorten
    wall_s: float  # for a child that waits instead of computing
    memory_mb: int  # address space, in units of 2**20 bytes
    file_mb: int = 16  # each file it writes, the verdict included
    open_files: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a child ended: with a verdict, or for a cause that `why` puts in words.

    `cpu` and `clock`: a limit was reached (the clock may be a busy machine's doing); `died`: the task ended its own
    process; `fault`: our side of it failed.
    """

    verdict: Json | None = None
    cause: Literal["", "cpu", "clock", "died", "fault"] = ""
    why: str = ""


def run_limited(task: str, job: Json, limits: Limits, *, packages: bool = False, divide: bool = False) -> Ended:
    """Run `run(job)` of `<task>.py` in a fresh process with an empty temporary folder and almost no environment.

    Only the standard library can be imported there, unless `packages` asks for the installed ones too (slower).
    `divide`: the task runs what it is given in a second process, which never sees the job.
    """
    head = {"files": _compiled(task), "limits": asdict(limits), "divide": divide}
    with (
        tempfile.TemporaryDirectory(prefix="routerctl-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as order,  # both have no name that a child could open
        tempfile.TemporaryFile() as verdict,
    ):
        order.write(json.dumps(job).encode())
        order.seek(0)
        status = _run(_command(head, packages), folder, order, verdict, limits.wall_s)
        verdict.seek(0)
        written = verdict.read()
    return _ended(written, status, limits)


@cache
def _compiled(task: str) -> tuple[str, ...]:
    """Name a task's files once they are compiled: a child, which may write nowhere, would compile them each time."""
    files = _FILES.get(task, (task,))
    with contextlib.suppress(ImportError):  # the child says it better
        for name in files:
            import_module(f"routerctl.scorers.sandbox.{name}")
    return files


def _command(head: Json, packages: bool) -> list[str]:
    # -I would also drop PYTHONHASHSEED, without which the order of sets, and so a score, differs from run to run.
    options = ["-P", "-s", "-B", "-X", "utf8", *([] if packages else ["-S"])]
    return [sys.executable, *options, str(_HERE / "child.py"), json.dumps(head)]


def _run(command: list[str], folder: str, order: IO[bytes], verdict: IO[bytes], wall_s: float) -> int | None:
    """Give the exit status, negative for a signal, None if time ran out."""
    environment = {"PYTHONHASHSEED": "0", "TMPDIR": folder, "HOME": folder}
    if os.name == "nt":
        environment["SYSTEMROOT"] = os.environ.get("SYSTEMROOT", "")  # without it Windows starts no Python
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file, no shell
        command,
        stdin=order,
        stdout=verdict,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    try:
        return process.wait(timeout=wall_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started; also after an orderly end, and when we ourselves are interrupted."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says it the second way
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _ended(written: bytes, status: int | None, limits: Limits) -> Ended:
    if not written.startswith(STARTED):
        return Ended(cause="fault", why=f"the child process did not start (exit status {status})")
    if outcome := written.removeprefix(STARTED):
        answer = json.loads(outcome)
        if "verdict" not in answer:
            return Ended(cause="fault", why=redacted(answer["fault"]))
        verdict = answer["verdict"].items()
        return Ended(verdict={name: redacted(one) if isinstance(one, str) else one for name, one in verdict})
    if status is None:
        return Ended(cause="clock", why=f"it took longer than {limits.wall_s:g} s")
    if status == -getattr(signal, "SIGXCPU", 0):
        return Ended(cause="cpu", why=f"it used more than {limits.cpu_s} s of processor time")
    if status < 0:
        return Ended(cause="died", why=f"it was ended by {signal.Signals(-status).name}")
    return Ended(cause="died", why=f"it ended early with exit status {status}")
