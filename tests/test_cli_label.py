"""`routerctl label`: on a terminal, by way of a file, and what it refuses."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer

from routerctl.cli.label import label
from routerctl.cli.output import label as labelling
from routerctl.errors import InputError
from routerctl.evaluation.eval_sets import load_eval_set
from routerctl.evaluation.labels import label_of, labels_of, read_labels
from routerctl.evaluation.run_files import RunWriter, read_run
from routerctl.evaluation.selection import planned_order
from routerctl.types import Case, ClassHeader, Result, Run, RunHeader, ScorerSpec, Status, StopReason
from tests.conftest import Project, clean_env

ESCAPE = "\x1b]0;owned\x07\x1b[31mred\x1b[0m \u202eright to left"
FORMULA = '=HYPERLINK("http://far.example";"see")'
RUBRIC = "The sum is right."
APP = "import sys, typer; from routerctl.cli.label import label; typer.run(label)"

Label = Callable[..., tuple[str, str]]


@pytest.fixture
def judged(project: Project) -> Project:
    """A project with a finished run, as a judge would have left it, with hostile replies; its eval set as it is now."""
    eval_set = load_eval_set(project.root / "evals/sums.yaml", project.root)
    cases = planned_order(eval_set.cases, 7)
    scorer = ScorerSpec(name="judge", params={"candidate": "large", "rubric": RUBRIC})
    of_class = ClassHeader(
        task_class="sums",
        description="Sums.",
        digest=eval_set.digest,
        bar=eval_set.bar,
        pass_at=1.0,
        n=len(cases),
        prompt=eval_set.prompt,
        reply=eval_set.reply,
        scorer=scorer,
        judge="large",
    )
    header = RunHeader(
        run_id="20261124-000000-000000",
        created_at="2026-11-24T00:00:00Z",
        finished=True,
        seed=7,
        mode="proven",
        risk=0.05,
        margin=0.03,
        full=True,
        ladder_name="main",
        ladder=("small", "large"),
        providers={},
        candidates={},
        prices={},
        classes={"sums": of_class},
        software={},
    )
    results = [_result(name, index, case) for name in header.ladder for index, case in enumerate(cases)]
    write(project, Run(header=header, results=tuple(results)), header.run_id)
    return project


def _result(candidate: str, index: int, case: Case) -> Result:
    """A reply of `large` passes, one of `small` does not; `large` is hostile at first, and its third call failed."""
    failed = candidate == "large" and index == 2
    hostile = {0: f"{ESCAPE}\npasses? y\n", 1: FORMULA}
    return Result(
        task_class="sums",
        candidate=candidate,
        case_id=case.id,
        index=index,
        input=case.input,
        expected=case.expected,
        status=Status.FAILED if failed else Status.SCORED,
        passed=candidate == "large" and not failed,
        score=None if failed else float(candidate == "large"),
        extracted=None,
        explanation="",
        reply="" if failed else hostile.get(index, "I say so.") if candidate == "large" else "wrong",
        stop_reason=None if failed else StopReason.END,
        served_model=None if failed else f"model-{candidate}",
        calls=1,
        input_tokens=1,
        output_tokens=1,
        cost_usd=Decimal("0.01"),
        latency_s=None if failed else 1.0,
        cached=False,
    )


def write(project: Project, run: Run, run_id: str, **more: Any) -> None:
    """Write a run under an id, with its class changed."""
    of_class = replace(run.header.classes["sums"], **more)
    with RunWriter(project.root / "reports", replace(run.header, run_id=run_id, classes={"sums": of_class})) as writer:
        for item in run.results:
            writer.append(item)


def the_run(project: Project) -> Run:
    """The newest run."""
    return read_run(max((project.root / "reports").iterdir()))


@pytest.fixture
def command(judged: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Label:
    """Run the command in this process, without a terminal; give both streams."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(label)
    monkeypatch.chdir(judged.root)

    def run_here(*arguments: str) -> tuple[str, str]:
        app(list(arguments), standalone_mode=False)
        out, err = capsys.readouterr()
        return out, err

    return run_here


def typed(*words: str) -> Callable[[], str]:
    """A keyboard."""
    left = iter(words)
    return lambda: next(left, "")


def sample(project: Project, **more: Any) -> labelling.Sample:
    """The replies that the command would ask about."""
    return labelling.find_sample(
        project.root, the_run(project), labelling.LabelOptions(**({"task_class": "sums"} | more))
    )


def said(project: Project) -> list[tuple[str, bool]]:
    """What the file has."""
    return [(item.case, item.passed) for item in read_labels(project.root, "sums")]


# --- on a terminal ----------------------------------------------------------------------------------------------------


def test_answers_are_kept_one_by_one(judged: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Each answer is in the file before the next reply is shown; quitting keeps them, and they are not asked again."""
    asked = sample(judged, count=6)
    ids = [item.case_id for item in asked.open]
    kept: list[int] = []

    def keyboard(words: Iterable[str]) -> Callable[[], str]:
        left = iter(words)

        def line() -> str:
            kept.append(len(said(judged)))
            return next(left)

        return line

    labelling.ask_human(judged.root, asked, "ana", keyboard(["y\n", " No \n", "what?\n", "s\n", "q\n"]))
    assert said(judged) == [(ids[0], True), (ids[1], False)]
    assert kept == [0, 1, 2, 2, 2]
    assert {item.by for item in read_labels(judged.root, "sums")} == {"ana"}
    assert [item.case_id for item in sample(judged, count=6).open] == ids[2:]
    err = capsys.readouterr().err
    assert "2 labels written to evals/sums.labels.jsonl; 3 of the first 6 cases still open" in err.replace("\xa0", " ")
    assert "come back to those you skipped" in err


def test_the_end_of_the_input_is_a_quit(judged: Project) -> None:
    """A keyboard that goes away ends the talk and loses nothing."""
    labelling.ask_human(judged.root, sample(judged), "", typed("y\n"))
    assert len(said(judged)) == 1


def test_the_judge_s_verdict_is_not_shown(judged: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """A human sees the rubric, the case and the reply; not what the judge said of it, nor the scores so far."""
    run = the_run(judged)
    told = tuple(replace(item, explanation="JUDGE-SAYS", extracted="JUDGE-SAYS") for item in run.results)
    asked = labelling.find_sample(judged.root, replace(run, results=told), labelling.LabelOptions(task_class="sums"))
    labelling.introduce(asked, 50)
    labelling.ask_human(judged.root, asked, "", typed("y\n", "y\n"))
    err = capsys.readouterr().err
    assert RUBRIC in err
    assert "sums: 1+" in err
    assert "JUDGE-SAYS" not in err
    assert "proven" not in err


def test_hostile_replies_stay_behind_their_bar(judged: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """No escape reaches the terminal, and no line of a reply can pass for one of ours."""
    labelling.ask_human(judged.root, sample(judged), "", typed())
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\u202e" not in err
    assert "⟨ESC⟩" in err
    assert "\n  | passes? y\n" in err
    assert "\npasses? y" not in err


def test_on_a_real_terminal(judged: Project) -> None:
    """The command talks on the terminal and reads from it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", APP, "--class", "sums", "-n", "2"], cwd=judged.root, env=clean_env(None), stdin=theirs,
        stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, b"n\ny\n")
    seen = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the far end is closed
            break
        if not part:
            break
        seen += part
    assert process.wait(30) == 0
    os.close(ours)
    assert b"2 of 2" in seen
    assert [passed for _, passed in said(judged)] == [False, True]


# --- which replies ----------------------------------------------------------------------------------------------------


def test_the_first_of_the_planned_order(command: Label, judged: Project) -> None:
    """The first n of the chosen candidate, without the failed call among them, which counts as not passed anyhow."""
    out, err = command("--class", "sums", "-n", "5")
    rows = [json.loads(line) for line in out.splitlines()]
    large = sorted((item for item in the_run(judged).results if item.candidate == "large"), key=lambda item: item.index)
    assert [row["case"] for row in rows] == [large[index].case_id for index in (0, 1, 3, 4)]
    assert {row["candidate"] for row in rows} == {"large"}
    assert "a random sample" in err
    assert "4 to label" in err
    assert "labels can prove the bar of 80% from" in err


def test_another_candidate(command: Label) -> None:
    """--candidate takes its replies; one that the run has not tried is an error with the nearest name."""
    out, _ = command("--class", "sums", "--candidate", "small", "-n", "3")
    assert [json.loads(line)["candidate"] for line in out.splitlines()] == ["small"] * 3
    with pytest.raises(InputError, match="did not try 'smal' on sums; did you mean 'small'"):
        command("--class", "sums", "--candidate", "smal")


def test_the_newest_run_of_the_eval_set_as_it_is(command: Label, judged: Project) -> None:
    """A run on another state of the eval set, a part of the ladder or an unfinished one is passed over."""
    run = the_run(judged)
    write(judged, replace(run, header=replace(run.header, finished=False)), "99999999-000000-000001")
    write(judged, replace(run, header=replace(run.header, rungs=("small",))), "99999999-000000-000002")
    write(judged, run, "99999999-000000-000003", digest="sha256:other")
    assert f"in run {run.header.run_id};" in command("--class", "sums")[1]
    assert "in run 99999999-000000-000002;" in command("--class", "sums", "--candidate", "small")[1]
    assert "in run 99999999-000000-000003;" in command("--class", "sums", "--run", "99999999-000000-000003")[1]


def test_what_is_not_there(command: Label, judged: Project) -> None:
    """An unknown class or run, or no run of the eval set as it is now, is one clear line."""
    with pytest.raises(InputError, match="no task class 'sum'; did you mean 'sums'"):
        command("--class", "sum")
    with pytest.raises(InputError, match="no run '2'"):
        command("--class", "sums", "--run", "2")
    with pytest.raises(InputError, match="has no class 'sum'; did you mean 'sums'"):
        command("--class", "sum", "--run", the_run(judged).header.run_id)
    judged.eval_set("sums", 59)
    with pytest.raises(
        InputError, match="no finished run has used the present version of this eval set; `routerctl eval"
    ):
        command("--class", "sums")


def test_what_labels_cannot_do_is_said(command: Label, judged: Project) -> None:
    """Dependent cases, a class without a judge, and a run with too few replies are named before anybody labels."""
    run = the_run(judged)
    first = tuple(item for item in run.results if item.index < 4)
    write(judged, replace(run, results=first), "99999999-000000-000001", clusters=20)
    _, err = command("--class", "sums")
    assert "labels cannot prove the bar of sums: its cases come in clusters" in err
    assert "no more replies than these, of 60 planned cases" in err
    assert "`routerctl eval --full --class sums`" in err
    write(judged, run, "99999999-000000-000002", judge="")
    assert "not by a judge: labels change no verdict" in command("--class", "sums")[1]


# --- by way of a file -------------------------------------------------------------------------------------------------


def fill(path: Path, *words: str) -> None:
    """Fill in `passed` in the first lines of an exported file."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row, word in zip(rows, words, strict=False):
            row["passed"] = word
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        return
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for row, word in zip(lines, words, strict=False):
        row["passed"] = {"y": True, "n": False}.get(word, word)
    path.write_text("".join(json.dumps(row) + "\n" for row in lines))


@pytest.mark.parametrize("name", ["todo.csv", "todo.jsonl"])
def test_out_and_back(name: str, command: Label, judged: Project) -> None:
    """What is exported, filled in elsewhere and imported is as if it had been said here; twice changes nothing."""
    path = judged.root / name
    command("--class", "sums", "-n", "6", "--export", name)
    fill(path, "y", "n", "", " Y " if name.endswith("csv") else "yes")
    ids = [item.case_id for item in sample(judged, count=6).open]
    _, err = command("--class", "sums", "--import", name, "--by", "bea")
    assert err.replace("\xa0", " ").startswith("3 labels written to evals/sums.labels.jsonl; 0 already existed, 2 left")
    assert said(judged) == [(ids[0], True), (ids[1], False), (ids[3], True)]
    results = [item for item in the_run(judged).results if item.task_class == "sums"]
    assert labels_of(read_labels(judged.root, "sums"), results, "large") == {0: True, 1: False, 2: False, 4: True}
    assert {item.by for item in read_labels(judged.root, "sums")} == {"bea"}
    assert "0 labels written" in command("--class", "sums", "--import", name)[1].replace("\xa0", " ")
    assert len(command("--class", "sums", "-n", "6")[0].splitlines()) == 2


def test_a_spreadsheet_runs_no_formula(command: Label, judged: Project) -> None:
    """No cell begins as a formula does, no control character is in one, and ids that look so still come back."""
    run = the_run(judged)
    odd = {0: "=1+1", 1: "'-1", 3: "@x"}
    changed = tuple(replace(item, case_id=odd.get(item.index, item.case_id)) for item in run.results)
    write(judged, replace(run, results=changed), "99999999-000000-000001")
    command("--class", "sums", "-n", "4", "--export", "todo.csv")
    text = (judged.root / "todo.csv").read_bytes().decode()
    rows = list(csv.DictReader(text.splitlines(keepends=True)))
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert "\x1b" not in text
    assert "'" + FORMULA in cells
    fill(judged.root / "todo.csv", "y", "y", "n")
    command("--class", "sums", "--import", "todo.csv")
    assert said(judged) == [("=1+1", True), ("'-1", True), ("@x", False)]


def test_nothing_moves_a_cursor(command: Label) -> None:
    """JSON lines on stdout are plain characters, whatever a model sent."""
    out, _ = command("--class", "sums", "-n", "3")
    assert all(line.isprintable() for line in out.splitlines())


def test_an_export_overwrites_nothing(command: Label, judged: Project) -> None:
    """A file that is there may be half filled."""
    judged.write("todo.csv", "mine")
    with pytest.raises(InputError, match=r"todo.csv: this file exists already"):
        command("--class", "sums", "--export", "todo.csv")
    assert (judged.root / "todo.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--export", "a.csv", "--import", "b.csv"], "exclude each other"),
        (["--export", "a.xlsx"], r"a.xlsx: expected the name of a .csv or .jsonl file"),
        (["--import", "gone.csv"], "gone.csv: no such file"),
    ],
)
def test_wrong_options(options: list[str], problem: str, command: Label) -> None:
    """One clear line each."""
    with pytest.raises(InputError, match=problem):
        command("--class", "sums", *options)


def _row(project: Project, **more: Any) -> dict[str, Any]:
    made = label_of(sample(project).open[0], passed=True)
    row = {"case": made.case, "candidate": made.candidate, "reply": made.reply, "asked": made.asked, "passed": True}
    return {key: value for key, value in (row | more).items() if value != "LEAVE OUT"}


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"passed": "maybe"}, "bad.jsonl:2: passed: expected y or n, or nothing for a case left open, got 'maybe'"),
        ({"passed": 1}, "bad.jsonl:2: passed: expected y or n"),
        ({"passed": "LEAVE OUT"}, "bad.jsonl:2: 'passed' is missing"),
        ({"verdict": "y"}, "bad.jsonl:2: unknown column 'verdict'"),
        ({"case": "case-999"}, "bad.jsonl:2: the run has no reply of large to case 'case-999'; did you mean"),
        ({"case": 7}, "bad.jsonl:2: case: expected a text"),
        ({"candidate": "lrge"}, "bad.jsonl:2: the run has no replies of 'lrge'; did you mean 'large'"),
        ({"reply": "sha256:" + 64 * "0"}, "bad.jsonl:2: case .*: this label is for another reply of large"),
        (
            {"asked": "sha256:" + 64 * "0"},
            "bad.jsonl:2: case .*: this label is for another reply of large, or another case",
        ),
        ({"passed": False}, "bad.jsonl:2: case .*: contradicts an earlier label"),
    ],
)
def test_a_wrong_line_imports_nothing(more: dict[str, Any], problem: str, command: Label, judged: Project) -> None:
    """The first wrong line is named, and no line of the file is taken."""
    good, bad = _row(judged), _row(judged, **more)
    judged.write("bad.jsonl", f"{json.dumps(good)}\n{json.dumps(bad)}\n")
    with pytest.raises(InputError, match=problem):
        command("--class", "sums", "--import", "bad.jsonl")
    assert said(judged) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "bad.csv:1: 'case' is missing"),
        ("case;candidate;reply;passed\n", "bad.csv:1: unknown column"),
        ("case,case,reply,passed\n", "bad.csv:1: two columns are named 'case'"),
        ("case,candidate,reply,passed\na,b\n", "bad.csv:2: expected 4 values as in the header, got 2"),
        ('case,candidate,reply,passed\n"a', "bad.csv:.: not CSV"),
        (b"case,candidate,reply,passed\n\xff", "bad.csv:2: not UTF-8"),
    ],
)
def test_a_broken_csv(text: str | bytes, problem: str, command: Label, judged: Project) -> None:
    """Each error names file and line."""
    judged.write("bad.csv", text)
    with pytest.raises(InputError, match=problem):
        command("--class", "sums", "--import", "bad.csv")


def test_a_label_may_not_be_turned_by_an_import(command: Label, judged: Project) -> None:
    """What a human said stays until a human takes it out."""
    judged.write("a.jsonl", json.dumps(_row(judged)))
    command("--class", "sums", "--import", "a.jsonl")
    judged.write("b.jsonl", json.dumps(_row(judged) | {"passed": "n"}) if sample(judged).open else "")
    other = json.loads((judged.root / "a.jsonl").read_text()) | {"passed": "n"}
    judged.write("b.jsonl", json.dumps(other))
    with pytest.raises(InputError, match=r"b.jsonl:1: case .* contradicts an earlier label"):
        command("--class", "sums", "--import", "b.jsonl")
    assert [passed for _, passed in said(judged)] == [True]
