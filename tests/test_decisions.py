import json
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from routerctl.codec import decode
from routerctl.decisions import DecisionLog
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
