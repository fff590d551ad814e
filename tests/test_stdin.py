"""Whatever stands on stdin, each line of it has one line of output: an answer, a blank, or what is wrong with it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Done, Project

SEEDS: list[dict[str, Any]] = [
    {"prompt": "hello"},
    {"prompt": {"input": "What is 1+1?"}, "class": "sums", "id": "q1"},
    {"prompt": "hi", "tenant": "acme", "user": "ann", "step": "plan", "features": {"plan": "free", "n": 3}},
    {"prompt": "see the file", "attachments": ["pdf", "image"]},
    {"prompt": "Grüße 返金 \u202e \u0000", "features": {"deep": {"a": [1, 2, {"b": None}]}}},
]
ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 1e400, float("nan"), 10**400, "", " ", "\u200b", "\ud800", "\x00", "x" * 10_000),
    *([], {}, [[]], {"a": {}}, [None], {"prompt": "x"}, ["pdf", 7], "__proto__", "sums", "smus"),
]
RAW = [
    b"{",
    b"}",
    b"[]",
    b"null",
    b'"prompt"',
    b"\xff\xfe",
    b"\x00",
    b"{'prompt': 'x'}",
    b'{"prompt": "a"} {"prompt": "b"}',
]
RAW += [
    b'{"prompt": "a", "prompt": "b"}',
    b"[" * 5000,
    b'{"prompt":' * 2000,
    b"NaN",
    b"\xef\xbb\xbf{}",
    b"   ",
    b"",
    b"\r",
]


def _line(rng: random.Random) -> bytes:
    """One line of JSON, more or less: a seed with fields dropped, renamed, odd, or with bytes of it changed."""
    if rng.random() < 0.1:
        return rng.choice(RAW)
    value: dict[str, Any] = json.loads(json.dumps(rng.choice(SEEDS)))
    for _ in range(rng.randrange(3)):
        key = rng.choice([*value, "class", "id", "prompt", "user", "features", "promt"])
        if rng.random() < 0.3:
            value.pop(key, None)
        else:
            value[key] = rng.choice(ODD)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        spot = rng.randrange(len(text))
        text = text[:spot] + rng.choice([b"", b"\xff", b"\\", b'"', b"\x00", b"}"]) + text[spot + rng.randrange(3) :]
    return text.replace(b"\n", b" ")


def _kind(line: str, given: bytes) -> str:
    """What became of one line of input."""
    if not line:
        return "blank"
    told = json.loads(line)
    if "error" not in told:
        return "answered"
    assert told["exit_code"] in (2, 4), told["error"]
    assert "unexpected" not in told["error"], (told["error"], given)
    return f"exit code {told['exit_code']}"


def _tried(run: Callable[..., Done], count: int, seed: int, *options: str) -> Counter[str]:
    rng = random.Random(seed)  # noqa: S311 - odd lines, not secrets
    lines = [_line(rng) for _ in range(count)]
    done = run("route", *options, "--jsonl", "--json", stdin=b"\n".join(lines) + b"\n")
    assert "Traceback" not in done.err
    assert done.code in (2, 4)
    out = done.out.split("\n")
    assert (len(out), out[-1]) == (count + 1, "")
    kinds = Counter(_kind(line, given) for line, given in zip(out, lines, strict=False))
    blank = sum(not given.strip() for given in lines)
    assert kinds["blank"] == blank
    return kinds


def test_the_seeds_are_answered(served: Project, in_process: None) -> None:
    """Unchanged they are prompts, each with its answer."""
    done = served.run("route", "--jsonl", "--json", stdin=b"\n".join(json.dumps(one).encode() for one in SEEDS))
    assert done.code == 0, done.err
    assert ["answer" in json.loads(line) for line in done.out.splitlines()] == [True] * len(SEEDS)


@pytest.mark.parametrize("options", [(), ("--explain",)], ids=["route", "explain"])
def test_every_line_has_its_line(options: tuple[str, ...], served: Project, in_process: None) -> None:
    """Of 600 lines, valid and not, each has its place in the output, and nothing is unexpected."""
    assert _tried(served.run, 600, 7, *options).keys() == {"answered", "blank", "exit code 2"}


@pytest.mark.slow
def test_many_lines_have_their_line(served: Project, in_process: None) -> None:
    """The same of 12,000."""
    kinds = _tried(served.run, 12_000, 8)
    print(dict(kinds))  # noqa: T201 - shown with -s
    assert sum(kinds.values()) == 12_000


@pytest.mark.parametrize("seed", range(3))
def test_bytes_at_random_have_their_lines(seed: int, served: Project, in_process: None) -> None:
    """With --lines any bytes are a prompt, a blank line or a broken one."""
    rng = random.Random(seed)  # noqa: S311 - odd lines, not secrets
    given = [rng.randbytes(rng.randrange(20)).replace(b"\n", b" ") for _ in range(150)]
    done = served.run("route", "--lines", stdin=b"\n".join(given) + b"\n")
    assert done.out.count("\n") == len(given)
    assert "unexpected" not in done.err


@pytest.mark.parametrize("options", [("--lines",), ("--jsonl",), ()], ids=["lines", "jsonl", "whole"])
def test_a_mark_of_byte_order_is_no_part_of_the_prompt(
    options: tuple[str, ...], served: Project, in_process: None
) -> None:
    """What some editors begin a file with is taken off, where it stands first."""
    line = b'{"prompt": "1+1"}' if options == ("--jsonl",) else b"1+1"
    done = served.run("route", *options, stdin=b"\xef\xbb\xbf" + line + b"\n")
    assert (done.code, done.out) == (0, "I am model-large.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stderr_costs_no_answer(served: Project) -> None:
    """The reasons go nowhere; what was paid for is delivered."""
    with Path("/dev/full").open("wb") as full:
        done = served.run("route", "--lines", stdin=b"a\nb\n", stderr=full)
    assert (done.code, done.out) == (0, "I am model-large.\n" * 2)
