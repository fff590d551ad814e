"""A reply -> the Python code in it -> whether the expected test code runs through after it.

`sandbox.python` runs the code, in a limited child. This is a limit on accidents, NOT a sandbox against malice:
processor time, clock, memory, file size and open files are limited by the kernel; processes, network and writing
outside a temporary folder are refused by an audit hook inside the same interpreter, which hostile code can get around.
To score code from models that you do not trust, run the whole eval in a container or virtual machine.

Why a hook: RLIMIT_NPROC counts all of a user's processes and does not bind root, and `unshare -n` needs privileges
that many machines withhold, so either would make scores depend on the machine. Memory is not limited on macOS.
"""

from __future__ import annotations

import os

from routerctl.scorers.base import Params, Scorer, Unscorable, fenced, flag, only, positive
from routerctl.scorers.sandbox.run import Limits, run_limited
from routerctl.types import Json


def _extract(text: str, _: Params) -> str | None:
    """Give the first ```python (or untagged) block, since later ones show how to use it; else the whole reply."""
    for tag, content in fenced(text):
        if tag in ("", "py", "python", "python3") and content.strip():
            return content
    return text.strip() or None


def _check(params: Params, expected: Json) -> None:
    only(params, "cpu_s", "wall_s", "memory_mb", "packages", "same_process")
    _limits(params)
    flag(params, "packages")
    flag(params, "same_process")
    if os.name != "posix":
        raise ValueError("the scorer python needs Linux or macOS: elsewhere it could not limit what the code does")
    if expected is None:
        return
    if not isinstance(expected, str) or not expected.strip():
        raise ValueError(f"expected test code as text, got {expected!r}")
    try:
        compile(expected, "the tests", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"the tests: {error}") from None


def _limits(params: Params) -> Limits:
    cpu_s = positive(params, "cpu_s", 5)
    if cpu_s != int(cpu_s):
        raise ValueError(f"cpu_s: expected a whole number of seconds, got {cpu_s:g}")
    # Waiting is not computing, and a busy machine shares its processor: hence the longer clock.
    wall_s = positive(params, "wall_s", 3 * cpu_s + 5)
    return Limits(cpu_s=int(cpu_s), wall_s=wall_s, memory_mb=int(positive(params, "memory_mb", 512)))


def _score(extracted: str, expected: Json, params: Params) -> tuple[float, str]:
    job = {"code": extracted, "tests": expected}
    packages, divide = flag(params, "packages"), not flag(params, "same_process")
    ended = run_limited("python", job, _limits(params), packages=packages, divide=divide)
    if ended.cause == "fault":
        raise Unscorable(f"python: {ended.why}")
    problem = ended.why if ended.verdict is None else ended.verdict["problem"]
    return (0.0, problem) if problem else (1.0, "the tests pass")


PYTHON = Scorer(name="python", extract=_extract, score=_score, check=_check)
