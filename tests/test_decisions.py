"""The decision log: what is kept, what is not, and that it is there when the process is not."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.files.codec import decode, encode, json_text
from routerctl.files.document import Document
from routerctl.routing.decision_log import DAYS_PER_MONTH, DecisionLog, volumes
from routerctl.routing.decision_log.reader import OUTCOMES, LogReader, Wanted
from routerctl.routing.decision_log.rows import LoggedAnswer, cells_of, nano_usd, note_of, row_of, row_of_note, stamp
from routerctl.routing.decision_log.stats import figures_of, quantile
from routerctl.types import Decision, Hop, Inquiry, StopReason, Usage

PROMPT = "my PIN is 4711 \ud83d"
AT = "2026-11-23T00:00:00.000+00:00"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BUSY = Hop(
    candidate="small",
    provider="near",
    model="m-0",
    served_model=None,
    outcome="Overloaded",
    cost_usd=Decimal(0),
    latency_s=None,
    attempts=4,
    detail="busy, half \ud83d of a pair",
)
UNSURE = replace(
    BUSY,
    served_model="m-0",
    outcome="not confident",
    cost_usd=Decimal("0.00000000005"),
    latency_s=0.25,
    attempts=1,
    detail="length is 0.1, below 0.5",
    confidence={"hedging": 0.9, "length": 0.1},
)
SERVED = Hop(
    candidate="large",
    provider="far",
    model="m-1",
    served_model="m-1b",
    outcome="served",
    cost_usd=Decimal("0.0000001"),
    latency_s=0.5,
    attempts=2,
    why="fallback",
)
DECISION = Decision(
    task_class="sums",
    decided_by="rule short",
    rungs=("small", "large"),
    hops=(BUSY, SERVED),
    table_version=3,
    table_digest="sha256:00",
    level="provisional",
    id="1",
    arm="new",
    unit="u-1",
    propensity=0.25,
    decision_s=0.001,
    total_s=1.5,
)
FAILED = replace(DECISION, decided_by="classifier", hops=(BUSY,), scores={"sums": 0.75, "other": 0.25}, arm="")
INQUIRY = Inquiry(prompt=PROMPT, id="order-1", step="plan", features={"plan": "pro-secret"}, attachments=("pdf",))


def rows(path: Path, table: str = "decisions") -> list[dict[str, Any]]:
    """Read the log as anybody with SQLite can."""
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY 1")]  # noqa: S608 - our own names
    finally:
        database.close()


def bytes_of(path: Path) -> bytes:
    """All that lies on the disk: the file, and what SQLite keeps beside it."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))


def write(path: Path, *decisions: tuple[str, Decision], at: str = AT, **more: Any) -> Path:
    """Append decisions to a log and close it."""
    log = DecisionLog(path, **more)
    for name, decision in decisions:
        log.append(decision, INQUIRY, decision_id=name, at=at, reply="the reply: 42")
    log.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of two decisions: one that fell back, one that failed."""
    log = DecisionLog(tmp_path / "deep" / "decisions.sqlite")
    usage = Usage(input_tokens=7, output_tokens=3)
    log.append(
        DECISION,
        INQUIRY,
        decision_id="1",
        at="2026-11-23T01:00:00.0015+01:00",
        reply="42",
        stop_reason=StopReason.REFUSAL,
        usage=usage,
    )
    log.append(FAILED, Inquiry(prompt={"a": 1, "b": "xy"}, tenant="acme"), decision_id="2", at=AT, reply=None)
    log.close()
    return tmp_path / "deep" / "decisions.sqlite"


# --- what a row says --------------------------------------------------------------------------------------------------


def test_a_decision_is_written_whole(path: Path) -> None:
    """A row says in columns what was served, by whom, at what exact cost, and what was tried before it."""
    row = rows(path)[0]
    hops = json.loads(row.pop("hops"))
    assert [decode(Hop, Document(file="log", value=hop, lines={})) for hop in hops] == [BUSY, SERVED]
    assert len(row.pop("prompt_digest")) == len("hmac-sha256:") + 64
    assert row == {
        "number": 1,
        "id": "1",
        "at": "2026-11-23T00:00:00.001Z",
        "inquiry_id": "order-1",
        "tenant": None,
        "step": "plan",
        "task_class": "sums",
        "source": "rule",
        "decided_by": "rule short",
        "top_score": None,
        "propensity": 0.25,
        "arm": "new",
        "unit": "u-1",
        "table_version": 3,
        "table_digest": "sha256:00",
        "level": "provisional",
        "chosen": "small",
        "served": "large",
        "served_provider": "far",
        "pinned_model": "m-1",
        "served_model": "m-1b",
        "why": "fallback",
        "stop_reason": "refusal",
        "refused": 1,
        "truncated": 0,
        "hop_count": 2,
        "attempts": 6,
        "failed_hops": 1,
        "skipped_hops": 0,
        "unsure_hops": 0,
        "fallbacks": 1,
        "escalations": 0,
        "redirects": 0,
        "hedges": 0,
        "signal": None,
        "confidence": None,
        "cost_usd": "0.0000001",
        "cost_nano_usd": 100,
        "perhaps_usd": "0",
        "perhaps_nano_usd": 0,
        "decision_s": 0.001,
        "latency_s": 0.5,
        "total_s": 1.5,
        "input_tokens": 7,
        "output_tokens": 3,
        "prompt_chars": len(PROMPT),
        "reply_chars": 2,
        "rungs": '["small", "large"]',
        "scores": "{}",
    }


def test_nothing_served(path: Path) -> None:
    """A decision whose every rung failed has no served candidate, no latency and no reply, but its cost and scores."""
    row = rows(path)[1]
    names = ("served", "served_model", "latency_s", "reply_chars", "stop_reason", "cost_usd", "cost_nano_usd")
    assert [row[name] for name in names] == [None, None, None, None, None, "0", 0]
    assert (row["source"], row["top_score"], row["tenant"]) == ("classifier", 0.75, "acme")
    assert json.loads(row["scores"]) == FAILED.scores
    assert row["prompt_chars"] == len("1\nxy")


def test_a_reply_that_was_not_confident(tmp_path: Path) -> None:
    """The least confident signal of the first measured reply is a column; costs below a nano-dollar stay exact."""
    escalated = replace(DECISION, hops=(UNSURE, replace(SERVED, why="escalation")))
    (row,) = rows(write(tmp_path / "log.sqlite", ("1", escalated)))
    assert (row["signal"], row["confidence"], row["escalations"], row["unsure_hops"]) == ("length", 0.1, 1, 1)
    assert (row["cost_usd"], row["cost_nano_usd"]) == ("0.00000010005", 100)


@pytest.mark.parametrize(
    ("usd", "nano"),
    [("0", 0), ("1E-9", 1), ("0.0000000005", 0), ("0.0000000015", 2), ("123456789.123456789", 123456789123456789)],
)
def test_nano_dollars(usd: str, nano: int) -> None:
    """Amounts become whole nano-dollars, halves rounded to even."""
    assert nano_usd(Decimal(usd)) == nano


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-11-23T00:00:00Z", "2026-11-23T00:00:00.000Z"),
        ("2026-11-23T09:00:00.123999+09:00", "2026-11-23T00:00:00.123Z"),
        ("2026-11-23", "2026-11-23T00:00:00.000Z"),
    ],
)
def test_moments_are_of_one_width(given: str, kept: str) -> None:
    """Whatever offset and precision a moment has, the log's sort as text."""
    assert stamp(given) == kept


# --- calls under way --------------------------------------------------------------------------------------------------

LOST = replace(BUSY, outcome="cancelled", detail="the process ended", attempts=1, perhaps_usd=Decimal("0.00000012"))


@pytest.mark.parametrize("before", [(), (BUSY,), (UNSURE, replace(BUSY, detail="500: my PIN is 4711"))])
@pytest.mark.parametrize("decision", [DECISION, FAILED, replace(FAILED, rungs=("\ud83d",), known=0.5)])
def test_a_note_makes_the_row_that_its_decision_would_have(before: tuple[Hop, ...], decision: Decision) -> None:
    """Column for column, whatever was tried before the call under way; and it holds no word of the prompt."""
    hops, asked = (*before, LOST), cells_of(INQUIRY, b"salt")
    note = note_of(decision, hops, INQUIRY, at=AT, asked=asked)
    assert "4711" not in note
    whole, nobody = replace(decision, hops=hops), LoggedAnswer(reply=None)
    row = row_of(whole, INQUIRY, nobody, decision_id=decision.id, at=AT, asked=asked, private=True)
    assert row_of_note(note) == row


@pytest.mark.parametrize("keep_prompts", [False, True])
def test_a_row_ends_its_note(keep_prompts: bool, tmp_path: Path) -> None:
    """What was noted and appended is no longer under way; what was noted alone is taken at the next start, once."""
    path = tmp_path / "log.sqlite"
    log = DecisionLog(path, keep_prompts=keep_prompts)
    log.take_lost(lambda *_: None)
    for name in ("1", "2"):
        for hops in ((LOST,), (BUSY, LOST)):  # a call, then one more
            log.note(replace(DECISION, id=name), hops, INQUIRY, at=AT)
    assert log.append(DECISION, INQUIRY, decision_id="1", at=AT, reply="42") == 1
    assert [row["id"] for row in rows(path, "under_way")] == ["2"]
    log.close()
    told: list[tuple[int, Decimal]] = []
    for _ in range(2):
        later = DecisionLog(path)
        later.take_lost(lambda *what: told.append(what))
        later.close()
    assert told == [(1, LOST.perhaps_usd)]
    assert [(row["id"], row["hop_count"]) for row in rows(path)] == [("1", 2), ("2", 2)]
    assert rows(path, "under_way") == []


def test_why_nobody_waited_is_kept_whatever_the_prompt_says(tmp_path: Path) -> None:
    """It is in our own words: a prompt that has them too does not strike them out."""
    log = DecisionLog(tmp_path / "log.sqlite")
    log.append(replace(DECISION, hops=(LOST,)), Inquiry(prompt=LOST.detail), decision_id="1", at=AT)
    log.close()
    assert json.loads(rows(tmp_path / "log.sqlite")[0]["hops"])[0]["detail"] == LOST.detail


# --- privacy ----------------------------------------------------------------------------------------------------------


def test_no_text_is_kept_by_default(tmp_path: Path) -> None:
    """Neither prompt, reply nor features are in the bytes of the log, nor what a provider's message quotes of them."""
    quoting = replace(BUSY, detail="400: messages.0 'my PIN is 4711' is not allowed")
    path = write(tmp_path / "log.sqlite", ("1", replace(DECISION, hops=(quoting, SERVED))))
    found = bytes_of(path)
    assert b"order-1" in found
    for text in (b"4711", b"PIN is", b"the reply", b"pro-secret"):
        assert text not in found
    assert json.loads(rows(path)[0]["hops"])[0]["detail"] == "400: messages.0 '[...]' is not allowed"
    assert rows(path, "texts") == []


@pytest.mark.parametrize(
    ("prompt", "outcome", "said", "kept"),
    [
        ("password:\nhunter2 \n\nPIN 4711", "ServerFault", "500: on 'password: hunter2 PIN 4711'", "500: on '[...]'"),
        ("password:\nhunter2", "ServerFault", "500: on 'password:\\nhunter2'", "500: on '[...]'"),
        ("my  PIN is 4711", "ServerFault", "500: my PIN is 4711, sorry", "500: [...], sorry"),
        ("PIN 4711", "ServerFault", "500: broke on PIN 4711", "500: broke on [...]"),
        ("abc", "ServerFault", "500: abc is no reason", "500: abc is no reason"),
        ("PIN 4711", "BadRequest", "openai: 400 for model 'm': 4711 is a PIN", "openai: 400 [...]"),
        ("PIN 4711", "BadRequest", "local: more than 4711 tokens", "local [...]"),
        ("PIN 4711", "BadRequest", "4711", "[...]"),
    ],
)
def test_what_a_message_quotes_is_struck(prompt: str, outcome: str, said: str, kept: str, tmp_path: Path) -> None:
    """Whatever blanks it has; of one about the prompt itself no word is kept, as it may quote a few letters."""
    hop = replace(BUSY, outcome=outcome, detail=said)
    log = DecisionLog(tmp_path / "log.sqlite")
    log.append(replace(DECISION, hops=(hop,)), Inquiry(prompt=prompt), decision_id="1", at=AT)
    log.close()
    assert json.loads(rows(tmp_path / "log.sqlite")[0]["hops"])[0]["detail"] == kept


def test_texts_are_kept_where_asked_for(tmp_path: Path) -> None:
    """With `keep_prompts` the log has prompt, reply, features and attachments, in a table of their own."""
    path = write(tmp_path / "log.sqlite", ("1", DECISION), keep_prompts=True)
    assert b"4711" in bytes_of(path)
    with LogReader(path) as log:
        row = log.one("1")
    assert (row["prompt"], row["reply"]) == (PROMPT, "the reply: 42")
    assert (row["features"], row["attachments"]) == ({"plan": "pro-secret"}, ["pdf"])


def test_digests_are_salted(tmp_path: Path) -> None:
    """Equal prompts have equal digests within a log; in another log, and unsalted, they are others."""
    one = rows(write(tmp_path / "one.sqlite", ("1", DECISION), ("2", FAILED)))
    (other,) = rows(write(tmp_path / "other.sqlite", ("1", DECISION)))
    assert one[0]["prompt_digest"] == one[1]["prompt_digest"] != other["prompt_digest"]
    assert hashlib.sha256(PROMPT.encode("utf-8", "surrogatepass")).hexdigest() not in one[0]["prompt_digest"]


# --- durability -------------------------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from tests.test_decisions import DECISION, INQUIRY, AT
from routerctl.routing.decision_log import DecisionLog
log = DecisionLog(Path(sys.argv[1]), keep_prompts=True)
for number in range(int(sys.argv[3])):
    log.append(DECISION, INQUIRY, decision_id=f"{sys.argv[2]}-{number:06}", at=AT, reply="x" * 500)
    sys.stdout.write(f"{sys.argv[2]}-{number:06}\\n")
    sys.stdout.flush()
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    """Start a process that says the id of each decision once the append has returned."""
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    root = Path(__file__).parents[1]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def said_of(process: subprocess.Popen[str]) -> Iterator[str]:
    """The ids that a process has said in whole."""
    assert process.stdout
    return (line.strip() for line in process.stdout if line.endswith("\n"))


def test_a_killed_process_loses_nothing_that_it_had_said(tmp_path: Path) -> None:
    """After SIGKILL in the middle of writing, each decision whose append had returned is in the file, with its text."""
    path = tmp_path / "log.sqlite"
    for turn, enough in enumerate((1, 50, 300)):
        with writer(path, f"turn{turn}", 10**6) as process:
            said = list(islice(said_of(process), enough))
            os.kill(process.pid, signal.SIGKILL)
            said += said_of(process)
        assert process.returncode == -signal.SIGKILL
        assert len(said) >= enough
        kept = {row["id"] for row in rows(path)}
        assert set(said) <= kept
        assert kept == {row["decision"] for row in rows(path, "texts")}


def test_several_processes_write_one_log(tmp_path: Path) -> None:
    """Four processes, each making the file where it is missing, append side by side: no decision is lost or doubled."""
    path = tmp_path / "new" / "log.sqlite"
    processes = [writer(path, f"p{number}", 100) for number in range(4)]
    said: list[str] = []
    for process in processes:
        with process:
            said += said_of(process)
        assert process.returncode == 0
    assert len(said) == 400
    assert sorted(said) == sorted(row["id"] for row in rows(path))
    assert len({row["prompt_digest"] for row in rows(path)}) == 1  # all found the same salt


def test_an_id_is_written_once(path: Path) -> None:
    """A log that is opened again keeps its rows; an id that is there already is refused, with its texts."""
    write(path, ("3", DECISION))
    log = DecisionLog(path, keep_prompts=True)
    with pytest.raises(sqlite3.IntegrityError):
        log.append(DECISION, INQUIRY, decision_id="3", at=AT, reply=None)
    assert log.append(DECISION, INQUIRY, decision_id="4", at=AT, reply=None) == 4
    log.close()
    assert [row["number"] for row in rows(path)] == [1, 2, 3, 4]
    assert [row["id"] for row in rows(path)] == ["1", "2", "3", "4"]
    assert [row["decision"] for row in rows(path, "texts")] == ["4"]


def test_foreign_text_of_any_kind_is_written(tmp_path: Path) -> None:
    """Half of a surrogate pair, which SQLite cannot hold, does not keep a decision from being logged."""
    inquiry = Inquiry(prompt={"f": "\ud83d"}, tenant="t\udc00\x00", id="i")
    log = DecisionLog(tmp_path / "log.sqlite", keep_prompts=True)
    log.append(DECISION, inquiry, decision_id="1", at=AT, reply="\ud83d\x1b")
    log.close()
    with LogReader(tmp_path / "log.sqlite") as reader:
        row = reader.one("1")
    assert (row["tenant"], row["prompt"], row["reply"]) == ("t\\udc00\x00", {"f": "\ud83d"}, "\\ud83d\x1b")


def test_not_a_log(tmp_path: Path) -> None:
    """A file that is no database, or one with other tables or of a later schema, is refused and left as it is."""
    path = tmp_path / "decisions.sqlite"
    path.write_bytes(b"my notes" * 100)
    with pytest.raises(InputError, match="cannot be used as a database"):
        DecisionLog(path)
    with pytest.raises(InputError, match="cannot be read as a decision log"):
        LogReader(path)
    assert path.read_bytes() == b"my notes" * 100
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE decisions (mine)").connection.close()
    with pytest.raises(InputError, match=r"not routerctl's; move it away"):
        DecisionLog(path)
    assert rows(path) == []
    sqlite3.connect(path).execute("PRAGMA user_version = 99").connection.close()
    for kind in (DecisionLog, LogReader):
        with pytest.raises(InputError, match=r"newer routerctl \(schema 99"):
            kind(path)


# --- an older file ----------------------------------------------------------------------------------------------------

OLDER = """CREATE TABLE decisions (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, tenant TEXT, task_class TEXT NOT NULL, decided_by TEXT NOT NULL,
    table_version INTEGER NOT NULL, table_digest TEXT NOT NULL, prompt_digest TEXT NOT NULL,
    prompt_chars INTEGER NOT NULL, rungs TEXT NOT NULL, hops TEXT NOT NULL, served TEXT,
    cost_usd TEXT NOT NULL, latency_s REAL)"""


def older(path: Path, hops: str) -> Path:
    """Write a log as the first release did."""
    digest = "sha256:" + hashlib.sha256(PROMPT.encode("utf-8", "surrogatepass")).hexdigest()
    row = ("old", AT, "acme", "sums", "rule short", 2, "sha256:11", digest, 15, '["small", "large"]', hops, "large")
    with sqlite3.connect(path) as database:
        database.execute(OLDER)
        database.execute(f"INSERT INTO decisions VALUES ({','.join('?' * 14)})", (*row, "0.0000001", 0.5))  # noqa: S608 - "?"
    database.close()
    return path


@pytest.mark.parametrize("opened", [DecisionLog, LogReader])
def test_an_older_log_is_brought_up_to_date(tmp_path: Path, opened: Any) -> None:
    """Its rows get the columns that follow from them; a digest is salted, and still that of the same prompt."""
    hops = [{key: value for key, value in encode(hop).items() if key not in ("provider", "model", "why")}
            for hop in (BUSY, SERVED)]  # fmt: skip
    path = older(tmp_path / "log.sqlite", json_text(hops))
    opened(path).close() if opened is DecisionLog else opened(path).__exit__(None, None, None)
    write(path, ("new", DECISION))
    old, new = rows(path)
    assert (old["id"], old["tenant"], old["at"], old["table_version"]) == ("old", "acme", "2026-11-23T00:00:00.000Z", 2)
    names = ("served", "served_model", "why", "fallbacks", "failed_hops", "cost_usd", "cost_nano_usd", "latency_s")
    assert [old[name] for name in names] == ["large", "m-1b", "fallback", 1, 1, "0.0000001", 100, 0.5]
    assert (old["pinned_model"], old["served_provider"], old["reply_chars"], old["total_s"]) == (None,) * 4
    assert old["prompt_digest"] == new["prompt_digest"]
    assert {row["name"] for row in rows(path, "sqlite_master")} >= {"decisions", "decisions_at"}
    assert "older" not in {row["name"] for row in rows(path, "sqlite_master")}


@pytest.mark.parametrize("opened", [DecisionLog, LogReader])
@pytest.mark.parametrize(
    ("version", "missing"),
    [(2, ("level", "perhaps_usd", "perhaps_nano_usd")), (3, ("perhaps_usd", "perhaps_nano_usd"))],
)
def test_a_log_of_an_earlier_schema_gets_its_columns(
    version: int, missing: tuple[str, ...], path: Path, opened: Any
) -> None:
    """Decisions of the schemas before keep all they had; on what level their class was may not be known."""
    with sqlite3.connect(path) as database:
        for name in missing:
            database.execute(f"ALTER TABLE decisions DROP COLUMN {name}")
        database.execute("DROP TABLE under_way")
        database.execute(f"PRAGMA user_version = {version}")
    database.close()
    before = rows(path)
    later = {"level": None, "perhaps_usd": "0", "perhaps_nano_usd": 0}
    opened(path).close() if opened is DecisionLog else opened(path).__exit__(None, None, None)
    assert rows(path) == [{**row, **{name: later[name] for name in missing}} for row in before]
    level = before[0].get("level")
    write(path, ("new", DECISION))
    assert [row["level"] for row in rows(path)] == [level, level, "provisional"]
    with LogReader(path) as reader:
        assert [row["level"] for row in reader.every(Wanted())] == [level, level, "provisional"]
        (figures,) = figures_of(reader, Wanted())
    assert figures.levels == {"provisional": 1 if level is None else 3}


def test_a_damaged_older_log_is_left_as_it_is(tmp_path: Path) -> None:
    """Where a row cannot be read, nothing is changed and one line says which row."""
    path = older(tmp_path / "log.sqlite", "[{")
    with pytest.raises(InputError, match=r"decision old in it is damaged \(.*\); move it away"):
        DecisionLog(path)
    (row,) = rows(path)
    assert len(row) == 14


# --- what is kept for how long ----------------------------------------------------------------------------------------


def aged(path: Path, days: dict[str, float], **more: Any) -> DecisionLog:
    """Write decisions with texts and feedback, so many days before NOW, and give the open log."""
    log = DecisionLog(path, keep_prompts=True, clock=lambda: NOW, **more)
    for name, ago in days.items():
        at = (NOW - timedelta(days=ago)).isoformat()
        log.append(DECISION, Inquiry(prompt=f"text of {name}"), decision_id=name, at=at, reply=None)
        log.feedback(name, 1.0, at=at, note=f"note on {name}")
    return log


def test_what_is_too_old_is_dropped_on_opening(tmp_path: Path) -> None:
    """Decisions older than `keep_days` go with their texts and feedback, and their bytes leave the file."""
    path = tmp_path / "log.sqlite"
    aged(path, {"old": 31, "edge": 29.99, "new": 0}).close()
    log = DecisionLog(path, keep_days=30, clock=lambda: NOW)
    for table, column in (("decisions", "id"), ("texts", "decision"), ("feedback", "decision")):
        assert sorted(row[column] for row in rows(path, table)) == ["edge", "new"]
    log.close()
    assert b"text of old" not in bytes_of(path)
    assert b"note on old" not in bytes_of(path)
    assert b"text of new" in bytes_of(path)


def test_a_long_running_writer_drops_what_becomes_too_old(tmp_path: Path) -> None:
    """Now and then, not at each append, a writer drops what has become too old meanwhile."""
    now = [NOW]
    log = DecisionLog(tmp_path / "log.sqlite", keep_days=30, clock=lambda: now[0])
    log.append(DECISION, INQUIRY, decision_id="first", at=NOW.isoformat())
    now[0] += timedelta(days=31)
    for number in range(498):
        log.append(DECISION, INQUIRY, decision_id=str(number), at=now[0].isoformat())
    assert "first" in {row["id"] for row in rows(tmp_path / "log.sqlite")}
    log.append(DECISION, INQUIRY, decision_id="last", at=now[0].isoformat())
    assert "first" not in {row["id"] for row in rows(tmp_path / "log.sqlite")}
    log.close()


def test_pruning(tmp_path: Path) -> None:
    """Pruning says how many went; without a moment everything goes, and no text is left in the bytes."""
    path = tmp_path / "log.sqlite"
    log = aged(path, {"a": 40, "b": 20, "c": 0})
    assert log.prune(NOW - timedelta(days=30)) == 1
    assert log.prune(NOW - timedelta(days=30)) == 0
    assert log.prune() == 2
    assert b"text of" not in bytes_of(path)
    log.append(DECISION, INQUIRY, decision_id="d", at=AT)
    log.close()
    assert [row["id"] for row in rows(path)] == ["d"]


# --- feedback ---------------------------------------------------------------------------------------------------------


def test_the_latest_feedback_counts(path: Path) -> None:
    """Nothing said is overwritten: all of it is kept in its order, and the latest stands beside the decision."""
    log = DecisionLog(path)
    log.feedback("1", 0.0, at=AT, note="wrong", task_class="other")
    log.feedback("1", 1.0, at=AT)
    with pytest.raises(InputError, match="no decision 'none' in the log"):
        log.feedback("none", 1.0, at=AT)
    for score in (1.01, -0.1, float("nan")):
        with pytest.raises(InputError, match="expected a score from 0 to 1"):
            log.feedback("1", score, at=AT)
    log.close()
    with LogReader(path) as reader:
        row, other = reader.one("1"), reader.one("2")
        said = reader.feedback_of("1")
    assert (row["feedback"], row["right_class"], row["feedback_note"]) == (1.0, None, "")
    assert other["feedback"] is None
    assert [(one["score"], one["task_class"], one["note"]) for one in said] == [
        (0.0, "other", "wrong"),
        (1.0, None, ""),
    ]


# --- reading ----------------------------------------------------------------------------------------------------------


def test_decisions_are_found(path: Path) -> None:
    """By class, tenant, candidate, outcome and moment, the newest first; SQLite takes the condition of each outcome."""
    with LogReader(path) as log:

        def found(**wanted: Any) -> list[str]:
            return [row["id"] for row in log.latest(Wanted(**wanted), 10)]

        assert found() == ["1", "2"]
        assert found(tenant="acme") == found(outcome="failed") == ["2"]
        assert found(candidate="large") == found(outcome="refused") == found(outcome="unpinned") == ["1"]
        assert found(since="2026-11-23T00:00:00.001Z") == ["1"]
        assert found(task_class="none") == []
        assert {name: len(found(outcome=name)) for name in OUTCOMES} == {
            **dict.fromkeys(OUTCOMES, 0),
            **dict.fromkeys(("served", "failed", "refused", "fallback", "unpinned"), 1),
        }
        assert [row["id"] for row in log.latest(Wanted(), 1)] == ["1"]
        assert [row["id"] for row in log.every(Wanted())] == ["1", "2"]
        assert [row["id"] for row in log.after(1, Wanted())] == ["2"]
        with pytest.raises(InputError, match="no outcome 'refuse'; did you mean 'refused'"):
            found(outcome="refuse")


def test_a_decision_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    """A beginning that fits one decision is enough; one that fits several names them; a wildcard is a mere letter."""
    path = write(tmp_path / "log.sqlite", *((name, DECISION) for name in ("abc1", "abc2", "b", "bc")))
    with LogReader(path) as log:
        assert log.one("abc2")["id"] == "abc2"
        assert log.one("b")["id"] == "b"
        assert log.one("bc")["id"] == "bc"
        with pytest.raises(InputError, match="several decisions start with 'ab': abc1, abc2"):
            log.one("ab")
        for start in ("c", "%", "_bc1", ""):
            with pytest.raises(InputError):
                log.one(start)


def test_reading_goes_on_beside_a_writer(path: Path) -> None:
    """A reader sees what was committed while it is open, and the figures of one call are of one moment."""
    log = DecisionLog(path)
    with LogReader(path) as reader:
        with reader.snapshot():
            assert reader.last_number() == 2
            log.append(DECISION, INQUIRY, decision_id="3", at=AT)
            assert reader.last_number() == 2
        assert reader.last_number() == 3
    log.close()


def test_figures(tmp_path: Path) -> None:
    """Each class's figures: who named it and served it, what went wrong, cost, waiting, the latest feedback."""
    path = write(tmp_path / "log.sqlite", ("1", DECISION), ("2", FAILED), ("3", replace(DECISION, total_s=3.0)))
    write(path, ("4", replace(DECISION, task_class="other", hops=(replace(SERVED, served_model="m-1"),))))
    log = DecisionLog(path)
    for name, score in (("1", 0.0), ("1", 1.0), ("2", 0.0)):
        log.feedback(name, score, at=AT)
    log.close()
    with LogReader(path) as reader:
        other, sums = figures_of(reader, Wanted())
        (only,) = figures_of(reader, Wanted(task_class="sums", outcome="failed"))
    assert (sums.decisions, sums.sources, sums.served) == (3, {"rule": 2, "classifier": 1}, {"large": 2})
    assert (sums.failed, sums.fell_back, sums.escalated, sums.unpinned, other.unpinned) == (1, 2, 0, 2, 0)
    assert (sums.cost_usd, sums.p50_s, sums.p95_s) == (Decimal("2E-7"), 1.5, 3.0)
    assert (sums.feedback, sums.rated, other.feedback, other.rated) == (0.5, 2, None, 0)
    assert (only.decisions, only.served, only.p50_s) == (1, {}, 1.5)


def test_figures_of_two_logs_are_those_of_one(tmp_path: Path) -> None:
    """Tenants have logs of their own: together they give what one log with all their decisions would."""
    slow = replace(DECISION, total_s=3.0)
    write(tmp_path / "whole", ("1", DECISION), ("2", FAILED), ("3", slow), ("4", replace(DECISION, task_class="other")))
    write(tmp_path / "a", ("1", DECISION), ("2", FAILED))
    write(tmp_path / "b", ("3", slow), ("4", replace(DECISION, task_class="other")))
    with (
        LogReader(tmp_path / "whole") as whole,
        LogReader(tmp_path / "a") as first,
        LogReader(tmp_path / "b") as second,
    ):
        assert figures_of(first, Wanted(), second) == figures_of(whole, Wanted())


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.95, 4), (1.0, 4)])
def test_quantiles(share: float, expected: float) -> None:
    """The least value that so many do not exceed; of nothing there is none."""
    assert quantile([1, 2, 3, 4], share) == expected
    assert quantile([], share) is None


# --- how often each class is asked ------------------------------------------------------------------------------------


def asked(folder: Path, *requests: tuple[str, timedelta]) -> Path:
    """Write a log in which these classes were asked so long before NOW."""
    log = DecisionLog(folder / "log.sqlite")
    for number, (name, ago) in enumerate(requests):
        at = (NOW - ago).isoformat(timespec="milliseconds")
        log.append(replace(DECISION, task_class=name), INQUIRY, decision_id=str(number), at=at)
    log.close()
    return folder / "log.sqlite"


def test_requests_per_month(tmp_path: Path) -> None:
    """Each class's requests of the window are scaled to a month; older ones are not counted."""
    day = timedelta(days=1)
    log = asked(tmp_path, ("a", 40 * day), ("a", 9 * day), ("a", day), ("b", 2 * day), ("c", 30 * day))
    found = volumes(log, 10, now=NOW, least=1)
    assert found == {"a": 2 * DAYS_PER_MONTH / 10, "b": DAYS_PER_MONTH / 10}
    assert volumes(log, 10, now=NOW.astimezone(timezone(timedelta(hours=9))), least=1) == found


@pytest.mark.parametrize(("hours", "seen_days"), [(120, 5.0), (1, 1.0)])
def test_a_young_log_is_scaled_from_its_age(tmp_path: Path, hours: int, seen_days: float) -> None:
    """Five days count as five; an hour counts as a day, so that a trial is not taken for traffic."""
    log = asked(tmp_path, *[("a", timedelta(hours=hours))] * 10)
    assert volumes(log, now=NOW, least=1)["a"] == pytest.approx(10 * DAYS_PER_MONTH / seen_days)


def test_a_few_trials_are_no_traffic(tmp_path: Path) -> None:
    """Of fewer than a hundred requests neither a month nor the mix of classes can be told."""
    day, folders = timedelta(days=1), [tmp_path / "few", tmp_path / "enough"]
    for folder in folders:
        folder.mkdir()
    few, enough = (
        asked(folder, *[("a", 3 * day)] * 60, *[("b", 2 * day)] * number)
        for folder, number in zip(folders, (39, 40), strict=True)
    )
    assert volumes(few, now=NOW) == {}
    assert volumes(enough, now=NOW)["a"] == pytest.approx(20 * DAYS_PER_MONTH)


def test_no_log_no_volumes(tmp_path: Path) -> None:
    """Without a log nothing is known and nothing is made; an empty log says nothing either."""
    assert volumes(tmp_path / "none.sqlite", now=NOW, least=1) == {}
    assert list(tmp_path.iterdir()) == []
    assert volumes(asked(tmp_path), now=NOW, least=1) == {}


def test_volumes_of_an_older_log(tmp_path: Path) -> None:
    """They are read without changing the file."""
    path = older(tmp_path / "log.sqlite", "[]")
    assert volumes(path, 10, now=NOW, least=1)["sums"] == pytest.approx(DAYS_PER_MONTH / 7.5)
    assert len(rows(path)[0]) == 14


def test_a_log_that_is_none(tmp_path: Path) -> None:
    """A file that is no database, or a database without decisions, is named in one line."""
    path = tmp_path / "log.sqlite"
    path.write_bytes(b"my notes" * 100)
    with pytest.raises(InputError, match=r"log\.sqlite: cannot be read as a decision log"):
        volumes(path, now=NOW, least=1)
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE other (x)").connection.close()
    with pytest.raises(InputError, match="no such table"):
        volumes(path, now=NOW, least=1)


def test_the_log_may_be_open_while_it_is_read(path: Path) -> None:
    """A server that is writing does not keep the volumes from being read."""
    log = DecisionLog(path)
    log.append(DECISION, INQUIRY, decision_id="5", at="2026-11-30T11:00:00")
    assert volumes(path, 8, now=NOW, least=1)["sums"] == pytest.approx(3 * DAYS_PER_MONTH / 7.5)
    log.close()
