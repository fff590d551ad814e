"""Work that was done again: a retry's log beside the failed one, a second run in the same folder."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import InputError
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


# --- within a file ----------------------------------------------------------------------------------------------------


def table(folder: Path, *rows: str, header: str = "id,model,score,error") -> Path:
    """A long table of these rows."""
    path = folder / "t.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


FAILED, GOOD, BAD = "1,a,,429 Too Many Requests", "1,a,1,", "1,a,0,"
REPEATED = [
    ([FAILED, GOOD, "2,a,1,"], [1], 1, 1),
    ([FAILED, FAILED, GOOD, "2,a,1,"], [1], 1, 2),
    ([FAILED, GOOD], [1], 1, 1),
    ([FAILED, GOOD, "2,a,,500", "2,a,0,"], [1], 1, 2),
    ([FAILED, FAILED, "2,a,1,"], [None], 1, 0),
    ([FAILED, GOOD, "2,a,1,", "2,a,0,"], [None, 1], 2, 0),
]


@pytest.mark.parametrize(("rows", "scores", "epochs", "left"), REPEATED, ids=lambda value: str(value)[:60])
def test_a_failed_row_that_was_repeated_does_not_count(
    rows: list[str], scores: list[float | None], epochs: int, left: int, tmp_path: Path
) -> None:
    """The success counts whichever row comes first; where every case has as many replies, a failed call is one."""
    for order in itertools.permutations(rows):
        (found,) = arrange(read([table(tmp_path, *order)]), None)
        assert found.epochs == epochs
        assert sorted([one.score for one in found.replies["a", "1"]], key=str) == sorted(scores, key=str)
        assert found.left.get("failed calls that were repeated", 0) == left


def test_what_a_failed_call_had_used_is_paid_for(tmp_path: Path) -> None:
    """By the reply that made it good, which was retried as often."""
    rows = ["1,a,,500,70,0.5", "1,a,,500,,", "1,a,1,,100,2", "2,a,1,,100,2"]
    (found,) = arrange(read([table(tmp_path, *rows, header="id,model,score,error,input_tokens,cost")]), None)
    told = [(one.input_tokens, str(one.cost_usd), one.retries) for (one,) in found.replies.values()]
    assert told == [(170, "2.5", 2), (100, "2", 0)]


@pytest.mark.parametrize("rows", [[GOOD, BAD, "2,a,1,"], [GOOD, "1,a,,", "2,a,1,"], [GOOD, BAD, FAILED, "2,a,0,"]])
def test_of_different_outcomes_of_a_case_none_is_chosen_by_its_row(rows: list[str], tmp_path: Path) -> None:
    """Refused in any order, with what tells them apart."""
    for order in itertools.permutations(rows):
        with pytest.raises(InputError, match=r"class t: a has 2 replies to the case '1' .* in a column `epoch`"):
            arrange(read([table(tmp_path, *order)]), None)


def test_rows_that_say_the_same_twice_count_once(tmp_path: Path) -> None:
    """Which of them does not matter; the other is counted as left out."""
    (found,) = arrange(read([table(tmp_path, GOOD, GOOD, "2,a,1,")]), None)
    assert (found.epochs, found.left) == (1, {"more than others have to the same case": 1})


def test_a_column_of_epochs_says_which_reply_counts(tmp_path: Path) -> None:
    """The first epoch, in whatever order the rows stand; of the same epoch a failed call that was repeated goes."""
    rows = ["1,a,1,,2", "1,a,0,,1", "2,a,1,,1"]
    for order in itertools.permutations(rows):
        (found,) = arrange(read([table(tmp_path, *order, header="id,model,score,error,epoch")]), None)
        assert [one.score for one in found.replies["a", "1"]] == [0.0]
    (found,) = arrange(
        read([table(tmp_path, "1,a,,500,1", "1,a,1,,2", "2,a,1,,1", "2,a,1,,2", header="id,model,score,error,Epoch")]),
        None,
    )
    assert (found.epochs, found.left) == (2, {})


def test_two_tables_without_a_time_choose_nothing(tmp_path: Path) -> None:
    """Neither is the older one: a case that both have with different scores is refused."""
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("id,model,score\n1,m,1\n2,m,1\n")
    second.write_text("id,model,score\n1,m,0\n")
    with pytest.raises(InputError, match="m has 2 replies to the case '1'"):
        arrange(read([first, second]), "t")


@pytest.mark.parametrize("scores", ["CI", "IC"])
def test_a_sample_twice_in_a_log_is_not_chosen_by_its_place(scores: str, tmp_path: Path) -> None:
    """The same epoch with two outcomes: nothing says which is right."""
    path = log(tmp_path, "a.json", f"{scores}C", created=EARLY)
    content = json.loads(path.read_text())
    content["samples"][1] |= {"id": "s0", "input": "q0"}
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="m has 2 replies to the case 's0'"):
        arrange(read([path]), None)


def test_an_error_event_before_the_match_is_a_retry(tmp_path: Path) -> None:
    """OpenAI evals: the sample that was asked again counts once, as it was answered."""
    event = {"run_id": "r", "event_id": 0}
    rows = [
        {"spec": {"completion_fns": ["m"], "base_eval": "t"}},
        event | {"sample_id": "a", "type": "error", "data": {"message": "429"}},
        event | {"sample_id": "a", "type": "match", "data": {"correct": True}},
        event | {"sample_id": "b", "type": "match", "data": {"correct": True}},
    ]
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    (found,) = arrange(read([path]), None)
    assert [one.score for one in found.replies["m", "a"]] == [1.0]
    assert (found.epochs, found.left) == (1, {"failed calls that were repeated": 1})
