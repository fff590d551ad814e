"""The cache of replies: what makes two requests the same, what comes back, and many processes at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.evaluation.cache import ReplyCache, reply_key
from routerctl.types import (
    Message,
    Prompt,
    ProviderSpec,
    Reply,
    ReplySpec,
    Request,
    Sampling,
    StopReason,
    Usage,
)

NOW = datetime(2026, 11, 23, microsecond=7, tzinfo=UTC)
SPEC = ProviderSpec(name="far", kind="openai", base_url="https://far.example/v1")
PROMPT = Prompt(system="S", messages=(Message(role="user", content="hello"),))
REQUEST = Request(model="m-2026-01-01", prompt=PROMPT, reply=ReplySpec(json_schema={"a": 1, "b": 2}))
REPLY = Reply(
    text="half \ud83d of a pair, é, \x00",
    stop_reason=StopReason.REFUSAL,
    served_model="m",
    usage=Usage(input_tokens=3, output_tokens=1, cache_read_tokens=2),
    latency_s=0.1,
    cost_usd=Decimal("0.0000001"),
    attempts=2,
    mean_logprob=-0.25,
    detail="policy",
)


def prompt(**changes: Any) -> Request:
    """The request with another prompt."""
    return replace(REQUEST, prompt=replace(PROMPT, **changes))


def test_a_reply_is_kept_whole(tmp_path: Path) -> None:
    """What was put comes back equal, in this process and the next, whatever characters a model sent."""
    with ReplyCache(tmp_path / "deep" / "cache.sqlite") as cache:
        assert cache.get("k") is None
        cache.put("k", REPLY, created_at=NOW)
        assert cache.get("k") == REPLY
        cache.put("k", replace(REPLY, text="later"), created_at=NOW)
    with ReplyCache(tmp_path / "deep" / "cache.sqlite") as cache:
        assert cache.get("k") == replace(REPLY, text="later")


@pytest.mark.parametrize(
    ("request_", "spec"),
    [
        (replace(REQUEST, model="m-2026-02-02"), SPEC),
        (replace(REQUEST, effort="low"), SPEC),
        (replace(REQUEST, sample=1), SPEC),
        (replace(REQUEST, sampling=Sampling(temperature=0.0)), SPEC),
        (replace(REQUEST, sampling=Sampling(top_p=0.5)), SPEC),
        (replace(REQUEST, sampling=Sampling(seed=0)), SPEC),
        (replace(REQUEST, reply=ReplySpec()), SPEC),
        (replace(REQUEST, reply=ReplySpec(json_schema={"a": 1, "b": 3})), SPEC),
        (replace(REQUEST, reply=ReplySpec(json_schema={"b": 2, "a": 1})), SPEC),
        (replace(REQUEST, reply=ReplySpec(json_schema={"a": True, "b": 2})), SPEC),
        (replace(REQUEST, reply=ReplySpec(json_schema={"a": 1, "b": 2}, max_tokens=9)), SPEC),
        (replace(REQUEST, reply=ReplySpec(choices=("a", "b"))), SPEC),
        (replace(REQUEST, reply=ReplySpec(choices=("b", "a"))), SPEC),
        (prompt(system=""), SPEC),
        (prompt(messages=(Message(role="user", content="hello "),)), SPEC),
        (prompt(messages=(Message(role="assistant", content="hello"),)), SPEC),
        (prompt(messages=(*PROMPT.messages, *PROMPT.messages)), SPEC),
        (REQUEST, replace(SPEC, kind="anthropic")),
        (REQUEST, replace(SPEC, base_url=None)),
        (REQUEST, replace(SPEC, base_url="https://near.example/v1")),
        (REQUEST, replace(SPEC, region="eu")),
        (REQUEST, replace(SPEC, options={"extra_body": {"top_k": 1}})),
    ],
)
def test_the_key_changes_with_what_can_change_a_reply(request_: Request, spec: ProviderSpec) -> None:
    """Every part of a request, where it goes and what the provider adds to it is in the key, in its order."""
    assert reply_key(request_, spec) != reply_key(REQUEST, SPEC)


@pytest.mark.parametrize(
    ("request_", "spec"),
    [
        (REQUEST, replace(SPEC, name="other")),
        (REQUEST, replace(SPEC, api_key_env="OTHER_KEY")),
        (REQUEST, replace(SPEC, concurrency=1, timeout_s=1.0, max_attempts=1)),
        (REQUEST, replace(SPEC, usd_per_hour=Decimal(1))),
        (prompt(shared=1), SPEC),
    ],
)
def test_the_key_changes_with_nothing_else(request_: Request, spec: ProviderSpec) -> None:
    """Names, keys, prices, limits and the provider's own prompt cache decide no reply."""
    assert reply_key(request_, spec) == reply_key(REQUEST, SPEC)


def test_parts_cannot_be_shifted_into_each_other() -> None:
    """Text that moves from one part of a prompt to its neighbour gives another key."""
    one = prompt(system="ab", messages=(Message(role="user", content="c"),))
    other = prompt(system="a", messages=(Message(role="user", content="bc"),))
    assert reply_key(one, SPEC) != reply_key(other, SPEC)


def test_a_prompt_of_half_a_pair_has_a_key() -> None:
    """A prompt that cannot be written as UTF-8 still has a key of its own."""
    one, other = (prompt(messages=(Message(role="user", content=text),)) for text in ("\ud83d", "\ud83e"))
    assert reply_key(one, SPEC) != reply_key(other, SPEC)


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from routerctl.evaluation.cache import ReplyCache
from routerctl.types import Reply, StopReason, Usage
path, name = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
with ReplyCache(path) as cache:
    for number in range(200):
        text = f"{name} {number}"
        reply = Reply(text=text, stop_reason=StopReason.END, served_model="m", usage=Usage(), latency_s=0.0)
        cache.put(f"{name} {number}", reply, created_at=datetime.now(UTC))
        cache.put(f"shared {number}", reply, created_at=datetime.now(UTC))
        assert cache.get(f"shared {number}") is not None
"""


def test_processes_write_at_once(tmp_path: Path) -> None:
    """Processes that make the file and write to it at the same moment lose no reply."""
    path = tmp_path / "cache.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("one", "two", "three")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    with ReplyCache(path) as cache:
        for name in ("one", "two", "three"):
            texts = [f"{name} {number}" for number in range(200)]
            assert [reply.text for text in texts if (reply := cache.get(text))] == texts
        assert all(cache.get(f"shared {number}") is not None for number in range(200))


def test_a_reply_from_before_does_not_count(tmp_path: Path) -> None:
    """The moment is met to the microsecond, in any time zone: two runs may share a second."""
    path, micro = tmp_path / "cache.sqlite", timedelta(microseconds=1)
    with ReplyCache(path) as cache:
        cache.put("k", REPLY, created_at=NOW.astimezone(timezone(timedelta(hours=9))))
    for not_before, found in ((NOW - micro, REPLY), (NOW, REPLY), (NOW + micro, None)):
        with ReplyCache(path, not_before=not_before) as cache:
            assert cache.get("k") == found


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    """A reply that was put is there after the process was killed without closing the file."""
    path = tmp_path / "cache.sqlite"
    code = WRITER + "    sys.stdout.flush()\n    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    done = subprocess.run([sys.executable, "-c", code, str(path), "one"], input="go\n", text=True, check=False)
    assert done.returncode == -9
    with ReplyCache(path) as cache:
        assert all(cache.get(f"one {number}") is not None for number in range(200))


def test_not_a_database(tmp_path: Path) -> None:
    """A file that is no database is refused, not overwritten."""
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"these are my notes, not a database. " * 40)
    with pytest.raises(
        InputError, match=r"cannot be used as a database: file is not a database; move it away$"
    ) as caught:
        ReplyCache(path)
    assert (caught.value.file, caught.value.exit_code) == (str(path), 2)
    assert path.read_bytes().startswith(b"these are my notes")


def test_no_place_for_a_database(tmp_path: Path) -> None:
    """A folder in the cache's place, or a file in its folder's place, is the user's to move."""
    (tmp_path / "cache.sqlite").mkdir()
    with pytest.raises(InputError, match="cannot be opened: unable to open database file"):
        ReplyCache(tmp_path / "cache.sqlite")
    (tmp_path / "state").write_text("a file")
    with pytest.raises(InputError, match=r"cannot be opened: (File exists|Not a directory)"):
        ReplyCache(tmp_path / "state" / "cache.sqlite")


@pytest.mark.parametrize("text", ["{", '{"text": "x"}', "[]", "null"])
def test_a_damaged_reply(tmp_path: Path, text: str) -> None:
    """A kept reply that cannot be read is named with its file; it is never served in part."""
    path = tmp_path / "cache.sqlite"
    with ReplyCache(path) as cache:
        with sqlite3.connect(path) as database:
            database.execute("INSERT INTO replies VALUES ('k', 'now', ?)", (text,))
        database.close()
        with pytest.raises(InputError) as caught:
            cache.get("k")
    assert str(caught.value).startswith(str(path))
