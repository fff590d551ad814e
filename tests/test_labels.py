"""Human labels: the file, and which reply each speaks of."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from routerctl.errors import InputError
from routerctl.evaluation.labels import (
    Label,
    add_labels,
    asked_digest,
    first_replies,
    label_of,
    labels_digest,
    labels_file,
    labels_of,
    read_labels,
    reply_digest,
)
from routerctl.types import Result, Status

TEXTS = st.text(st.characters(codec=None), max_size=20)  # half surrogates too


def result(index: int, reply: str = "r", *, candidate: str = "c", epoch: int = 0, status: str = "scored") -> Result:
    """One reply of a run."""
    return Result(
        task_class="sums",
        candidate=candidate,
        case_id=f"case-{index}",
        index=index,
        input="1+1",
        expected="2",
        status=Status(status),
        passed=False,
        score=None,
        extracted=None,
        explanation="",
        reply=reply,
        stop_reason=None,
        served_model=None,
        calls=1,
        input_tokens=1,
        output_tokens=1,
        cost_usd=Decimal(0),
        latency_s=None,
        cached=False,
        epoch=epoch,
    )


def labels(*said: bool | None) -> list[Label]:
    """Labels of the first cases; None = not labelled."""
    return [label_of(result(k), passed=one) for k, one in enumerate(said) if one is not None]


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_file_s_shape(tmp_path: Path) -> None:
    """One line a label, with the digests of what it speaks of; who said it stands there where it is known."""
    add_labels(tmp_path, "sums", [label_of(result(0, "two"), passed=True, by="ana")])
    (line,) = (tmp_path / "evals/sums.labels.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "case": "case-0",
        "candidate": "c",
        "reply": "sha256:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3",
        "passed": True,
        "asked": asked_digest("1+1", "2"),
        "by": "ana",
    }


@example(ids=[("a\ud83d", True, "\ude00")])
@given(ids=st.lists(st.tuples(TEXTS, st.booleans(), TEXTS), unique_by=lambda one: one[0]))
def test_what_is_added_is_read_back(ids: list[tuple[str, bool, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any reply text, id and name survives the file, one at a time or together."""
    root = tmp_path_factory.mktemp("labels")
    made = [label_of(replace(result(0, text), case_id=text), passed=said, by=by) for text, said, by in ids]
    add_labels(root, "sums", made[:1])
    add_labels(root, "sums", made[1:])
    assert read_labels(root, "sums") == tuple(made)


def test_no_file_is_no_label(tmp_path: Path) -> None:
    """A class that nobody labelled has none."""
    assert read_labels(tmp_path, "sums") == ()
    assert labels_digest(()) == ""


def test_an_open_last_line_is_closed(tmp_path: Path) -> None:
    """A file that an editor left without a line end is added to on a new line."""
    file = labels_file(tmp_path, "sums")
    add_labels(tmp_path, "sums", labels(True))
    file.write_text(file.read_text().rstrip("\n"))
    add_labels(tmp_path, "sums", labels(None, False))
    assert [item.passed for item in read_labels(tmp_path, "sums")] == [True, False]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", r"evals/sums.labels.jsonl:2: not JSON"),
        ('{"case": "a", "candidate": "c", "reply": "DIGEST"}', "2: 'passed' is missing"),
        ('{"case": "a", "candidate": "c", "reply": "DIGEST", "passed": 1}', "2: passed: expected true or false, got 1"),
        ('{"case": "a", "candidate": "c", "reply": "x", "passed": true}', "2: reply: expected sha256: and 64"),
        (
            '{"case": "a", "candidate": "c", "reply": "DIGEST", "passed": true, "asked": "x"}',
            "2: asked: expected sha256",
        ),
        (
            '{"case": "a", "candidate": "c", "reply": "DIGEST", "pased": true}',
            "2: pased: unknown key; did you mean 'passed'",
        ),
        ("OPPOSITE", "2: case 'case-0': line 1 says the opposite of the same reply"),
    ],
)
def test_a_broken_line(line: str, problem: str, tmp_path: Path) -> None:
    """Each error names file, line and what was expected."""
    add_labels(tmp_path, "sums", labels(True))
    file = labels_file(tmp_path, "sums")
    opposite = file.read_text().replace("true", "false")
    text = opposite if line == "OPPOSITE" else line.replace("DIGEST", reply_digest("r"))
    file.write_text(file.read_text() + text)
    with pytest.raises(InputError, match=problem):
        read_labels(tmp_path, "sums")


def test_said_twice_is_said_once(tmp_path: Path) -> None:
    """The same word on the same reply may stand there twice, by whomever."""
    add_labels(tmp_path, "sums", [*labels(True), replace(labels(True)[0], by="bea")])
    assert len(read_labels(tmp_path, "sums")) == 1


def test_the_digest_is_of_what_is_said() -> None:
    """Order and author change nothing; a verdict or a reply does."""
    said = labels(True, False)
    assert labels_digest(said) == labels_digest([replace(one, by="x") for one in reversed(said)])
    assert labels_digest(said) != labels_digest(labels(True, True))
    assert labels_digest(said) != labels_digest([replace(said[0], reply=reply_digest("s")), said[1]])


# --- which reply ------------------------------------------------------------------------------------------------------


def test_first_replies() -> None:
    """Planned order, first epoch, one candidate, up to the first gap."""
    given = [result(2), result(0), result(0, epoch=1), result(1), result(1, candidate="d"), result(4)]
    assert [(item.index, item.epoch, item.candidate) for item in first_replies(given, "c")] == [
        (0, 0, "c"),
        (1, 0, "c"),
        (2, 0, "c"),
    ]
    assert first_replies(given, "d") == []


@pytest.mark.parametrize(
    ("said", "results", "found"),
    [
        ((True, False), [result(0), result(1), result(2)], {0: True, 1: False}),
        ((True, None, False), [result(0), result(1), result(2)], {0: True, 2: False}),
        ((True, True), [result(0, "other"), result(1)], {1: True}),
        ((True, True), [replace(result(0), input="1+2"), result(1)], {1: True}),
        ((True, True), [replace(result(0), expected="3"), result(1)], {1: True}),
        ((True,), [result(0, candidate="d")], {}),
        ((True, None, True), [result(0), result(1, "", status="failed"), result(2)], {0: True, 1: False, 2: True}),
        ((True, None), [result(0), result(1, "", status="failed")], {0: True}),
        ((), [result(0, "", status="failed")], {}),
        ((None, True), [result(0, "", status="failed"), result(1)], {0: False, 1: True}),
        ((True, True), [result(0), result(1, status="unscored")], {0: True, 1: True}),
        ((True, False), [result(0), result(0, "x", epoch=1), result(1)], {0: True, 1: False}),
    ],
)
def test_labels_find_their_replies(
    said: tuple[bool | None, ...], results: list[Result], found: dict[int, bool]
) -> None:
    """A label holds for this reply of this candidate to this case as it is; a failed call among them has not passed."""
    assert labels_of(labels(*said), results, "c") == found


def test_a_label_written_by_hand_fits_any_state_of_its_case() -> None:
    """Without the digest of the case, the reply's decides; one with it goes before."""
    (exact,) = labels(False)
    loose = replace(exact, asked="", passed=True)
    assert labels_of([loose], [replace(result(0), input="1+2")], "c") == {0: True}
    assert labels_of([loose, exact], [result(0)], "c") == {0: False}


def test_parts_of_a_case_do_not_run_together() -> None:
    """Input and expected answer are told apart in the digest."""
    assert asked_digest("a", "b") != asked_digest("ab", "")
    assert asked_digest("1", None) != asked_digest(1, None)
