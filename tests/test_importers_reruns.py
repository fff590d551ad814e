"""Work that was done again: a retry's log beside the failed one, a second run in the same folder."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from routerctl.evaluation.importers import read_outcomes
from routerctl.evaluation.importers.base import Columns, Reading
from routerctl.evaluation.importers.cases import arrange


def log(folder: Path, name: str, answers: str, *, created: str, task_id: str = "t1", model: str = "m") -> Path:
    """A log of Inspect: an answer a sample, C or I, E for a call that failed."""
    samples = [
        {"id": f"s{place}", "epoch": 1, "input": f"q{place}"}
        | ({"error": {"message": "boom"}} if answer == "E" else {"scores": {"exact": {"value": answer}}})
        for place, answer in enumerate(answers)
    ]
    head = {"task": "sums", "task_id": task_id, "model": model, "created": created}
    content = {"status": "success", "eval": head, "results": {"scores": [{"name": "exact"}]}, "samples": samples}
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def samples(folder: Path, day: int, answers: str) -> Path:
    """The samples of one run of lm-eval; the name has the time."""
    path = folder / "m" / f"samples_sums_2026-11-{day}T04-49-51.652908.jsonl"
    path.parent.mkdir(exist_ok=True)
    rows = [
        {"doc_id": place, "doc": f"q{place}", "resps": [], "filter": "none", "metrics": ["acc"], "acc": int(answer)}
        for place, answer in enumerate(answers)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def read(paths: Sequence[Path]) -> tuple[Reading, ...]:
    """Read files in the order given."""
    return read_outcomes(paths, "auto", Columns())


def outcomes(paths: Sequence[Path]) -> tuple[int, dict[tuple[str, str], list[float | None]]]:
    """What they are once arranged: the epochs, and the scores by model and case."""
    (found,) = arrange(read(paths), None)
    return found.epochs, {key: [record.score for record in records] for key, records in sorted(found.replies.items())}


def in_every_order(paths: Sequence[Path]) -> tuple[int, dict[tuple[str, str], list[float | None]]]:
    """The outcomes, which are the same whatever order the files are given in."""
    first, *others = [outcomes(order) for order in itertools.permutations(paths)]
    assert all(other == first for other in others)
    return first


EARLY, LATE = "2026-11-24T10:00:00+09:00", "2026-11-24T02:00:00+00:00"  # the later one sorts first as text


@pytest.mark.parametrize(
    ("before", "after", "scores"),
    [("CIEE", "CICI", [1, 0, 1, 0]), ("CI", "CICI", [1, 0, 1, 0]), ("CIC", "CIE", [1, 0, 1]), ("CE", "CE", [1, None])],
    ids=["retried", "cut off", "failed again", "never answered"],
)
def test_a_retry_replaces_the_calls_that_failed(before: str, after: str, scores: list[Any], tmp_path: Path) -> None:
    """A sample counts once: as it was answered, else as the later log has it."""
    failed, retried = log(tmp_path, "a.json", before, created=EARLY), log(tmp_path, "b.json", after, created=LATE)
    other = log(tmp_path, "c.json", "C" * len(scores), created=EARLY, model="n")
    epochs, found = in_every_order([failed, retried, other])
    assert epochs == 1
    assert [found["m", f"s{place}"] for place in range(len(scores))] == [[score] for score in scores]
    assert any(
        "left out: asked again, or carried over, in" in note for one in read([failed, retried]) for note in one.notes
    )


def test_another_run_of_the_task_is_a_repeat(tmp_path: Path) -> None:
    """Only a retry keeps the task's id; a run of its own asks every case again."""
    first = log(tmp_path, "a.json", "CI", created=EARLY)
    second = log(tmp_path, "b.json", "II", created=LATE, task_id="t2")
    assert in_every_order([first, second]) == (2, {("m", "s0"): [1, 0], ("m", "s1"): [0, 0]})


def test_of_more_replies_than_count_the_oldest_do(tmp_path: Path) -> None:
    """Which of them are left out does not hang on how the files are named on the command line."""
    first = log(tmp_path, "a.json", "IC", created=EARLY)
    second = log(tmp_path, "b.json", "C", created=LATE, task_id="t2")
    assert in_every_order([first, second]) == (1, {("m", "s0"): [0], ("m", "s1"): [1]})


def test_of_lm_evals_runs_of_a_task_the_newest_counts(tmp_path: Path) -> None:
    """Two times in one folder are no epochs, and the note names what was left out."""
    old, new = samples(tmp_path, 24, "000"), samples(tmp_path, 25, "11")
    assert in_every_order([old, new]) == (1, {("m", "0"): [1], ("m", "1"): [1]})
    left, kept = read([tmp_path])
    assert [note.replace("\N{NO-BREAK SPACE}", " ") for note in left.notes] == [
        f"3 replies left out: asked again, or carried over, in {new}"
    ]
    assert (len(left.records), len(kept.records)) == (0, 2)
