import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from routerctl.codec import decode
from routerctl.decisions import DAYS_PER_MONTH, DecisionLog, volumes
from routerctl.errors import InputError
from routerctl.strict_yaml import Document
from routerctl.types import Decision, Hop

HOPS = (
    Hop(
        candidate="small",
        served_model=None,
        outcome="Overloaded",
        cost_usd=Decimal(0),
        latency_s=None,
        attempts=4,
        detail="busy, half \ud83d of a pair",
    ),
    Hop(
        candidate="large",
        served_model="m-1",
        outcome="served",
        cost_usd=Decimal("0.0000001"),
        latency_s=0.5,
        attempts=1,
    ),
)
DECISION = Decision(
    task_class="sums",
    decided_by="rule short",
    rungs=("small", "large"),
    hops=HOPS,
    table_version=3,
    table_digest="sha256:00",
)
PRIVATE = "my PIN is 4711 \ud83d"


def rows(path: Path) -> list[sqlite3.Row]:
    """Read the log as anybody with SQLite can."""
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    try:
        return database.execute("SELECT * FROM decisions ORDER BY id").fetchall()
    finally:
        database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of two decisions: one that fell back, one that failed."""
    log = DecisionLog(tmp_path / "deep" / "decisions.sqlite")
    failed = Decision(
        task_class="sums",
        decided_by="caller",
        rungs=("small",),
        hops=HOPS[:1],
        table_version=3,
        table_digest="sha256:00",
    )
    log.append(DECISION, decision_id="1", at="2026-11-23T00:00:00Z", prompt=PRIVATE, tenant=None)
    log.append(failed, decision_id="2", at="2026-11-23T00:00:01Z", prompt="", tenant="acme")
    log.close()
    return tmp_path / "deep" / "decisions.sqlite"


def test_a_decision_is_written_whole(path: Path) -> None:
    """A row says what was served, at what exact cost, and what was tried before it."""
    row = dict(rows(path)[0])
    hops = json.loads(row.pop("hops"))
    assert [decode(Hop, Document(file="log", value=hop, lines={})) for hop in hops] == list(HOPS)
    assert len(row.pop("prompt_digest")) == len("sha256:") + 64
    assert row == {
        "id": "1",
        "at": "2026-11-23T00:00:00Z",
        "tenant": None,
        "task_class": "sums",
        "decided_by": "rule short",
        "table_version": 3,
        "table_digest": "sha256:00",
        "prompt_chars": len(PRIVATE),
        "rungs": '["small", "large"]',
        "served": "large",
        "cost_usd": "0.0000001",
        "latency_s": 0.5,
    }


def test_nothing_served(path: Path) -> None:
    """A decision whose every rung failed has no served candidate and no latency, but its cost."""
    row = rows(path)[1]
    assert (row["served"], row["latency_s"], row["cost_usd"], row["tenant"]) == (None, None, "0", "acme")


def test_no_prompt_is_kept(path: Path) -> None:
    """The prompt's text is in none of the log's files."""
    for file in path.parent.iterdir():
        assert b"PIN" not in file.read_bytes()


def test_the_log_is_appended_to(path: Path) -> None:
    """A log that is opened again keeps its rows; two writers may have it open at once; an id is written once."""
    one, other = DecisionLog(path), DecisionLog(path)
    one.append(DECISION, decision_id="3", at="x", prompt="", tenant=None)
    other.append(DECISION, decision_id="4", at="x", prompt="", tenant=None)
    with pytest.raises(sqlite3.IntegrityError):
        other.append(DECISION, decision_id="3", at="x", prompt="", tenant=None)
    one.close()
    other.close()
    assert [row["id"] for row in rows(path)] == ["1", "2", "3", "4"]


def test_not_a_log(tmp_path: Path) -> None:
    """A file that is no database is refused and left as it is."""
    path = tmp_path / "decisions.sqlite"
    path.write_bytes(b"my notes" * 100)
    with pytest.raises(InputError, match="cannot be used as a database"):
        DecisionLog(path)
    assert path.read_bytes() == b"my notes" * 100


# --- how often each class is asked ------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def asked(folder: Path, *requests: tuple[str, timedelta]) -> Path:
    """Write a log in which these classes were asked so long before NOW."""
    log = DecisionLog(folder / "log.sqlite")
    for number, (name, ago) in enumerate(requests):
        at = (NOW - ago).isoformat(timespec="milliseconds")
        log.append(replace(DECISION, task_class=name), decision_id=str(number), at=at, prompt="", tenant=None)
    log.close()
    return folder / "log.sqlite"


def test_requests_per_month(tmp_path: Path) -> None:
    """Each class's requests of the window are scaled to a month; older ones are not counted."""
    day = timedelta(days=1)
    log = asked(tmp_path, ("a", 40 * day), ("a", 9 * day), ("a", day), ("b", 2 * day), ("c", 30 * day))
    found = volumes(log, 10, now=NOW)
    assert found == {"a": 2 * DAYS_PER_MONTH / 10, "b": DAYS_PER_MONTH / 10}
    assert volumes(log, 10, now=NOW.astimezone(timezone(timedelta(hours=9)))) == found


@pytest.mark.parametrize(("hours", "seen_days"), [(120, 5.0), (1, 1.0)])
def test_a_young_log_is_scaled_from_its_age(tmp_path: Path, hours: int, seen_days: float) -> None:
    """Five days count as five; an hour counts as a day, so that a trial is not taken for traffic."""
    log = asked(tmp_path, *[("a", timedelta(hours=hours))] * 10)
    assert volumes(log, now=NOW)["a"] == pytest.approx(10 * DAYS_PER_MONTH / seen_days)


def test_no_log_no_volumes(tmp_path: Path) -> None:
    """Without a log nothing is known and nothing is made; an empty log says nothing either."""
    assert volumes(tmp_path / "none.sqlite", now=NOW) == {}
    assert list(tmp_path.iterdir()) == []
    assert volumes(asked(tmp_path), now=NOW) == {}


def test_a_log_that_is_none(tmp_path: Path) -> None:
    """A file that is no database, or a database without decisions, is named in one line."""
    path = tmp_path / "log.sqlite"
    path.write_bytes(b"my notes" * 100)
    with pytest.raises(InputError, match=r"log\.sqlite: cannot be read as a decision log"):
        volumes(path, now=NOW)
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE other (x)").connection.close()
    with pytest.raises(InputError, match="no such table"):
        volumes(path, now=NOW)


def test_the_log_may_be_open_while_it_is_read(path: Path) -> None:
    """A server that is writing does not keep the volumes from being read, and moments need not name an offset."""
    log = DecisionLog(path)
    log.append(DECISION, decision_id="5", at="2026-11-30T11:00:00", prompt="", tenant=None)
    assert volumes(path, 8, now=NOW)["sums"] == pytest.approx(3 * DAYS_PER_MONTH / 7.5)
    log.close()
