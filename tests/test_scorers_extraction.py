"""Replies as models write them, with their truth set by hand: what every scorer finds in them, and what it must not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from routerctl.scorers import score_reply, scorer_names
from routerctl.types import Score, ScorerSpec

DATA = Path(__file__).parent / "data"
ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (DATA / "extraction.jsonl").read_text(encoding="utf-8").splitlines()
]
SCORERS = sorted({row["scorer"] for row in ROWS})
LEAST_RIGHT = 0.98


def scored(row: dict[str, Any]) -> Score:
    """Score the reply of a row."""
    params = dict(row.get("params", {}))
    if "setup" in params:
        params["setup"] = str(DATA / params["setup"])
    return score_reply(ScorerSpec(name=row["scorer"], params=params), row["reply"], row["expected"])


def is_read_well(row: dict[str, Any], made: Score) -> bool:
    """Tell whether a right reply scores 1, another one less, and one without an answer gives none to vote with."""
    if row["verdict"] == "no-answer":
        return made.extracted is None
    return (made.value == 1) is (row["verdict"] == "right")


def test_the_table_has_replies_of_every_kind() -> None:
    """Every scorer that reads a reply by itself is there, and every verdict; no row stands there twice."""
    assert set(SCORERS) == set(scorer_names()) - {"judge"}
    assert {row["verdict"] for row in ROWS} == {"right", "wrong", "no-answer"}
    keys = [json.dumps([row["scorer"], row.get("params"), row["reply"], row["expected"]]) for row in ROWS]
    assert len(keys) == len(set(keys)) >= 200
    assert sum("held_out" in row for row in ROWS) >= 60


@pytest.mark.parametrize("scorer", SCORERS)
def test_replies_are_read_as_their_reader_would(scorer: str) -> None:
    """No wrong reply passes, and at least 98 of 100 replies are read well."""
    rows = [row for row in ROWS if row["scorer"] == scorer]
    made = [(row, scored(row)) for row in rows]
    assert not [row["reply"] for row, score in made if score.value == 1 and row["verdict"] != "right"]
    misread = [(row["reply"], score) for row, score in made if not is_read_well(row, score)]
    assert len(misread) <= (1 - LEAST_RIGHT) * len(rows), misread
