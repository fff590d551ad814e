"""A reply -> the Python code in it -> whether the expected test code runs through after it.

`sandbox.python` runs the code, in a limited child. Processor time, clock, memory, file size and open files are limited
by the kernel; on Linux (5.13 or newer, with Landlock) it also refuses to read or change files outside a temporary
folder, Python's own aside, to start processes and to reach a network, whoever asks. Elsewhere only an audit hook
inside the same interpreter refuses that, which hostile code can get around: `check` and `eval` say so. Memory is not
limited on macOS.

The reply's code runs in a process of its own that never sees the tests: they call its functions from another one, by
values. `same_process` runs both in one, for tests that subclass the reply's classes or use operators between its
objects and plain values; a reply can then pass by force.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from routerctl.scorers.base import NoAnswer, Params, Scorer, Unscorable, flag, only, positive
from routerctl.scorers.candidates import Candidate, meant
from routerctl.scorers.reply import fenced
from routerctl.scorers.sandbox.confine import not_held
from routerctl.scorers.sandbox.run import Limits, run_limited
from routerctl.scorers.stance import Introduction, introduced
from routerctl.types import Json

_TAGS = frozenset({"", "py", "python", "python3", "py3", "ipython", "python2", "pycon"})
_DEFINES = re.compile(r"^(?:async[ ]+def|def|class|import|from|@)\b|^@", re.MULTILINE)
_CONSTANT = re.compile(r"(?:[A-Za-z_]\w*\s*(?::[^=\n]+)?=\s*[^()\n]*|#.*|[\])}].*|[ \t].*)?")
_CODE_LINE = re.compile(
    r"[ \t]|(?:def|class|import|from|async|if|for|while|try|except|finally|else|elif|with|return|print|assert)\b"
    r"|[@#)\]}\"']"
    r"|[A-Za-z_][\w.\[\]]*\s*(?:[-+*/|&]?=|\()"
)


def unheld_words(scorers: Iterable[str]) -> str:
    """Say what this system cannot keep a reply's code from, where one of the scorers runs it; "" where all is held."""
    cannot = not_held() if "python" in scorers else []
    return f"on this system the code of replies can {' and '.join(cannot)} (scorer python)" if cannot else ""


def _extract(text: str, _: Params) -> str | None:
    """Give the blocks that define something, one after the other, since a helper may come first; else the first block.

    A block that only calls what another defines shows how to use it. Without a block, the code from its first
    definition to the prose after it; without a definition, the whole reply.
    """
    blocks = [one for one in fenced(text) if one.tag in _TAGS and one.content.strip()]
    found = [Candidate(value=one.content, key=one.content, start=one.start, end=one.end) for one in blocks]
    if found and _ends_outside(text, found[-1].end):
        raise NoAnswer("what it calls final stands outside its blocks")
    code = [one.value for one, _ in meant(text, found)]
    if any(map(_DEFINES.search, code)):
        return "\n\n".join(part for part in code if _DEFINES.search(part) or _only_constants(part))
    if not code and any(one.content.strip() for one in fenced(text)):
        raise NoAnswer("no block of Python")
    return code[0] if code else _without_prose(text).strip() or None


def _ends_outside(text: str, end: int) -> bool:
    below = _DEFINES.search(text, end)
    return below is not None and introduced(text, below.start(), len(text), after=end) is Introduction.FINAL


def _only_constants(code: str) -> bool:
    return all(_CONSTANT.fullmatch(line) for line in code.splitlines())


def _without_prose(text: str) -> str:
    if (first := _DEFINES.search(text)) is None:
        return text
    start = 0 if _CODE_LINE.match(text) else first.start()
    lines = text[start:].split("\n")
    for number, line in enumerate(lines):
        if line and number and not lines[number - 1].strip() and not _CODE_LINE.match(line):
            return "\n".join(lines[:number])
    return text[start:]


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
