"""`routerctl log` on logs that the real command and the real writer made."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.cells import cell_len

from routerctl.cli.output.log import print_tail, story
from routerctl.errors import InputError
from routerctl.routing.decision_log import DecisionLog
from routerctl.routing.decision_log.places import since_moment
from routerctl.routing.decision_log.reader import READ_COLUMNS, LogReader, Wanted
from routerctl.routing.tenants import DECISIONS_FILE
from routerctl.tuning.classifier.corpus import read_decisions
from routerctl.types import Inquiry, StopReason
from tests.conftest import Done, Project, without_rights
from tests.test_decisions import BUSY, DECISION, FAILED, SERVED, UNSURE

Run = Callable[..., Done]
ESCAPE = "\x1b]0;owned\x07\x1b[31mred\u202e"
ESCAPED = r"\u001b]0;owned\u0007\u001b[31mred\u202e"
NOW = datetime.now(UTC)
ESCALATED = replace(
    DECISION,
    decided_by="classifier",
    scores={"sums": 0.6, "other": 0.4},
    hops=(UNSURE, replace(SERVED, why="escalation", served_model="m-1")),
)


@pytest.fixture
def logged(project: Project) -> Project:
    """A project whose log has three decisions with their texts, the oldest of three days ago."""
    log = DecisionLog(project.root / DECISIONS_FILE, keep_prompts=True)
    inquiries = (
        Inquiry(prompt=f"=1+1 {ESCAPE}", id=f"@{ESCAPE}", tenant="acme", features={"plan": "pro"}),
        Inquiry(prompt={"question": "1+2", "unit": "kg"}, tenant="acme", step="plan"),
        Inquiry(prompt="1+3"),
    )
    decisions = (ESCALATED, replace(DECISION, hops=(replace(BUSY, detail=f"busy {ESCAPE}"), SERVED)), FAILED)
    for number, (decision, inquiry) in enumerate(zip(decisions, inquiries, strict=True)):
        at = (NOW - timedelta(days=3 - number, minutes=1)).isoformat()
        reply = None if decision is FAILED else f"the reply {ESCAPE}"
        log.append(
            decision, inquiry, decision_id=f"{number}abc{number}", at=at, reply=reply, stop_reason=StopReason.END
        )
    log.close()
    return project


def lines(done: Done) -> list[dict[str, Any]]:
    """The JSON lines on stdout."""
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


# --- list, show, tail, stats ------------------------------------------------------------------------------------------


def test_the_latest_decisions_are_listed(logged: Project, run: Run) -> None:
    """A row a decision, the newest first, with who named the class and what was out of the ordinary."""
    done = run("log", "list")
    head, _, *found = done.out.splitlines()
    assert head.split() == ["at", "(UTC)", "id", "class", "served", "how", "took", "cost"]
    assert [row.split()[2] for row in found] == ["2abc2", "1abc1", "0abc0"]
    assert found[0].split()[4:6] == ["nobody", "classifier"]
    assert "rule short, fallback, served m-1b" in found[1]
    assert [row["id"] for row in lines(run("log", "list", "--json", "-n", "2"))] == ["2abc2", "1abc1"]
    assert len(lines(run("log", "list", "--json", "-n", "9" * 20))) == 3
    assert len(lines(run("log", "tail", "--json", "-n", "9" * 20))) == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--tenant", "acme"], ["1abc1", "0abc0"]),
        (["--outcome", "escalated"], ["0abc0"]),
        (["--candidate", "large", "--outcome", "fallback"], ["1abc1"]),
        (["--since", "36h"], ["2abc2"]),
        (["--since", "1w", "--class", "sums"], ["2abc2", "1abc1", "0abc0"]),
        (["--class", "none"], []),
    ],
)
def test_decisions_are_chosen(logged: Project, run: Run, options: list[str], expected: list[str]) -> None:
    """Each option leaves out what does not fit."""
    assert [row["id"] for row in lines(run("log", "list", "--json", *options))] == expected
    assert (run("log", "list", *options).out == "no matching decision\n") is (not expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", "2026-11-30T11:58:30.000Z"),
        ("1.5h", "2026-11-30T10:30:00.000Z"),
        ("2w", "2026-11-16T12:00:00.000Z"),
        ("2026-11-01", "2026-11-01T00:00:00.000Z"),
        ("2026-11-01T09:00+09:00", "2026-11-01T00:00:00.000Z"),
    ],
)
def test_since(text: str, expected: str) -> None:
    """An age or a moment becomes a moment as the log writes it."""
    assert since_moment(text, datetime(2026, 11, 30, 12, tzinfo=UTC)) == expected


@pytest.mark.parametrize("text", ["yesterday", "", "2", "-2h", "99999999999w"])
def test_since_what(text: str) -> None:
    """Anything else is refused with what was expected."""
    with pytest.raises(InputError, match="--since: expected 30m, 2h, 7d, 2w or a moment like 2026-11-01"):
        since_moment(text, NOW)


def test_the_story_of_a_decision(logged: Project, run: Run) -> None:
    """Who named the class, who was tried with what result, who served, the texts and what was said of it."""
    assert run("log", "feedback", "0a", "bad", "--class", "sums", "--note", f"no {ESCAPE}").code == 0
    done = run("log", "show", "0abc0")
    told = " ".join(done.out.split())
    for words in (
        "sums, named by the classifier the classifier: sums 60.0%, other 40.0%",
        "small, large; small came first, with chance 0.25, arm new",
        "1. small at near (m-0), first: not confident, 0.25 s, 1 call, $0.00000000005",
        "confidence: hedging 0.9, length 0.1 length is 0.1, below 0.5",
        "2. large at far (m-1), escalation: served, 0.50 s, 2 calls, $0.0000001",
        "large: m-1, as pinned; the reply ended with: end",
        "table version 3, sha256:00; sums is provisional in it",
        "0.0010 s to decide, 0.50 s for the reply that was served, 1.50 s in all",
        "bad on ",
        "the right class is sums: no ]0;owned [31mred",
        "prompt =1+1",
        'with {"features": {"plan": "pro"}, "attachments": []}',
    ):
        assert words in told
    assert max(map(len, done.out.splitlines())) <= 80
    failed = " ".join(run("log", "show", "2").out.split())
    assert "served nobody" in failed
    assert "1. small at near (m-0), first: failed (Overloaded), 4 calls, $0 busy, half" in failed
    (row,) = lines(run("log", "show", "0abc0", "--json"))
    assert (row["prompt"], row["all_feedback"][0]["note"]) == (f"=1+1 {ESCAPE}", f"no {ESCAPE}")


def test_the_story_of_a_request_for_a_model(logged: Project) -> None:
    """No class was looked for, and it says so; one that was named beside the model is told."""
    with LogReader(logged.root / DECISIONS_FILE) as log:
        row = log.one("0abc0")
    named = {**row, "source": "model", "decided_by": "model named by the caller"}
    told = "\n".join(story({**named, "task_class": "", "scores": {}}, []))
    assert "class       (none): a model was named\n" in told
    assert "sums, named by the caller, as was the model" in "\n".join(story(named, []))


def test_the_story_counts_cells(logged: Project) -> None:
    """Han takes two cells each; blanks within a line stay, and a word that is wider than a line is broken."""
    with LogReader(logged.root / DECISIONS_FILE) as log:
        row = {**log.one("0"), "prompt": "退款" * 60 + "\n" + "a  b " * 30 + "\n\n" + "x" * 100}
    told = story(row, [])
    assert max(map(cell_len, told)) <= 79
    told = told[next(place for place, line in enumerate(told) if line.startswith("prompt")) :]
    assert told[0] == f"prompt      {'退款' * 16}退"
    assert told[4] == " " * 12 + "a  b " * 13 + "a"
    assert "".join(told).replace(" ", "").startswith("prompt" + "退款" * 60 + "ab" * 30 + "x" * 100 + "reply")
    assert "" in told


def test_the_story_where_the_classifier_did_not_know(logged: Project) -> None:
    """The shares that the log has are those of one of its classes, which is what it doubted."""
    with LogReader(logged.root / DECISIONS_FILE) as log:
        row = {**log.one("0"), "source": "default", "decided_by": "default"}
    told = " ".join(" ".join(story(row, [])).split())
    assert "named by the default the classifier: unknown; among its classes: sums 60.0%, other 40.0%" in told


def test_hostile_text_reaches_no_terminal(logged: Project, run: Run) -> None:
    """No command lets an escape sequence through, whatever an application or a model wrote."""
    for command in (["list"], ["show", "0"], ["show", "1", "--json"], ["tail"], ["stats"], ["export"]):
        done = run("log", *command)
        assert done.code == 0, done.err
        for character in ("\x1b", "\x07", "\u202e"):
            assert character not in done.out + done.err, command


def test_the_tail(logged: Project, run: Run) -> None:
    """The latest decisions, oldest first, a line each."""
    found = run("log", "tail", "-n", "2").out.splitlines()
    assert [line.split()[2] for line in found] == ["1abc1", "2abc2"]
    assert found[0].endswith("sums -> large (rule short, fallback, served m-1b), 1.50 s, $0.0000001")
    assert [row["id"] for row in lines(run("log", "tail", "--json"))] == ["0abc0", "1abc1", "2abc2"]


def test_the_tail_is_followed(
    logged: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is written while it waits is printed once, also after the log was pruned to nothing."""
    monkeypatch.chdir(logged.root)
    log, turns = DecisionLog(logged.root / DECISIONS_FILE), iter(range(10))

    def meanwhile(_: float) -> None:
        turn = next(turns)
        if turn == 1:
            log.prune()
        elif turn == 4:
            raise KeyboardInterrupt
        else:
            log.append(DECISION, Inquiry(prompt=""), decision_id=f"new{turn}", at=NOW.isoformat())

    with pytest.raises(KeyboardInterrupt):
        print_tail(Wanted(), limit=0, follow=True, as_json=True, wait=meanwhile)
    log.close()
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == ["new0", "new2", "new3"]


def test_a_followed_tail_ends_with_ctrl_c(logged: Project) -> None:
    """A process that follows sees what another one writes, and ends at once when it is interrupted."""
    with logged.start("log", "tail", "-f", "-n", "1", "--json") as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["id"] == "2abc2"
        log = DecisionLog(logged.root / DECISIONS_FILE)
        log.append(DECISION, Inquiry(prompt=""), decision_id="another", at=NOW.isoformat())
        log.close()
        assert json.loads(process.stdout.readline())["id"] == "another"
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"routerctl: interrupted\n")


def test_stats(logged: Project, run: Run) -> None:
    """Per class: what happened, who decided, who served; as tables and as JSON."""
    assert "rated" not in run("log", "stats").out
    run("log", "feedback", "1", "0.5")
    done = run("log", "stats")
    told = done.out.splitlines()
    assert told[2].split() == [
        *("sums", "3", "33.3%", "33.3%", "33.3%", "0.0%", "$0.0000667", "1.50", "s", "/", "1.50", "s", "0.50", "(1)")
    ]
    assert "classifier 66.7%, rule 33.3%  large 66.7%; 33.3% by another model than the pin" in told[-1]
    assert told[-1].endswith("provisional")
    assert max(map(len, told)) <= 100
    (found,) = lines(run("log", "stats", "--json", "--since", "60h"))
    assert found["classes"]["sums"] == {
        **found["classes"]["sums"],
        "decisions": 2,
        "served": {"large": 1},
        "levels": {"provisional": 2},
        "failed": 1,
        "fell_back": 1,
        "escalated": 0,
        "feedback": 0.5,
    }
    assert run("log", "stats", "--class", "none").out == "no matching decision\n"


# --- export -----------------------------------------------------------------------------------------------------------


def test_labelled_decisions_are_what_training_reads(logged: Project, run: Run) -> None:
    """The right class is the one that feedback names, else the decision's own where it was good; no other is there."""
    run("log", "feedback", "0", "bad", "--class", "other")
    run("log", "feedback", "1", "good")
    run("log", "feedback", "2", "bad")
    done = run("log", "export", "--labelled", "-o", "labelled.jsonl")
    assert (done.out, done.err) == ("", "2 decisions -> labelled.jsonl\n")
    content = (logged.root / "labelled.jsonl").read_text()
    found = read_decisions(content, "labelled.jsonl", ["sums", "other"])
    assert [(one.text, one.task_class) for one in found] == [(f"=1+1 {ESCAPE}", "other"), ("1+2\nkg", "sums")]
    run("log", "feedback", "1", "0.9")
    assert [row["class"] for row in lines(run("log", "export", "--labelled"))] == ["other"]


def test_every_format_says_the_same(logged: Project, run: Run) -> None:
    """JSON lines, CSV and Parquet have the same rows and columns; money is exact in each."""
    parquet = pytest.importorskip("pyarrow.parquet")
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        (said,) = lines(run("log", "export", "-o", name, "--json"))
        assert said == {"file": name, "format": name[2:], "decisions": 3}
    rows = [json.loads(line) for line in (logged.root / "a.jsonl").read_text().splitlines()]
    cells = list(csv.DictReader(io.StringIO((logged.root / "a.csv").read_text())))
    table = parquet.read_table(logged.root / "a.parquet")
    typed = table.to_pylist()
    assert tuple(rows[0]) == tuple(cells[0]) == tuple(typed[0]) == READ_COLUMNS
    for row, cell, value in zip(rows, cells, typed, strict=True):
        assert row["cost_usd"] == cell["cost_usd"] == value["cost_usd"]
        assert row["cost_nano_usd"] == int(cell["cost_nano_usd"]) == value["cost_nano_usd"]
        assert row["hops"] == json.loads(cell["hops"]) == json.loads(value["hops"])
        assert datetime.fromisoformat(row["at"]) == value["at"]
    assert str(table.schema.field("at").type) == "timestamp[ms, tz=UTC]"
    assert not list(logged.root.glob(".*.part"))


def test_a_spreadsheet_runs_no_formula(logged: Project, run: Run) -> None:
    """A cell that would begin a formula begins with an apostrophe, and none steers a terminal; numbers stay numbers."""
    log = DecisionLog(logged.root / DECISIONS_FILE)
    for number, start in enumerate(("=", "+", "-", "@", "\t", "\r", "\uff1d")):
        inquiry = Inquiry(prompt="", tenant=f"{start}cmd|' /C calc'!A0")
        decision = replace(DECISION, total_s=-1.0)
        log.append(decision, inquiry, decision_id=f"x{number}", at=NOW.isoformat())
    log.close()
    cells = list(csv.DictReader(io.StringIO(run("log", "export", "--format", "csv").out, newline="")))
    assert all(row["tenant"].startswith("'") for row in cells[3:])
    assert [row["tenant"][1] for row in cells[3:]] == ["=", "+", "-", "@", "\t", "\r", "\uff1d"]
    assert cells[0]["prompt"] == f"'=1+1 {ESCAPED}"
    assert cells[0]["inquiry_id"] == f"'@{ESCAPED}"
    assert {row["total_s"] for row in cells[3:]} == {"-1.0"}


def test_parquet_without_pyarrow_is_said(logged: Project) -> None:
    """One line names the extra to install, and no part of a file is left."""
    code = "import sys; sys.modules['pyarrow'] = None; from routerctl.cli import run; sys.exit(run(sys.argv[1:]))"
    done = _python(logged, code, "log", "export", "-o", "a.parquet")
    assert (done.code, done.last) == (2, "routerctl: Parquet needs pyarrow: pip install 'routerctl[import]'")
    assert not [path for path in logged.root.iterdir() if "parquet" in path.name]


def _python(project: Project, code: str, *arguments: str) -> Done:
    import subprocess

    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=project.root, capture_output=True, text=True, check=False
    )
    return Done(found.returncode, found.stdout, found.stderr)


def test_a_reader_that_has_seen_enough_is_no_error(logged: Project) -> None:
    """`routerctl log export | head -1` ends quietly."""
    log = DecisionLog(logged.root / DECISIONS_FILE)
    for number in range(500):
        log.append(DECISION, Inquiry(prompt=""), decision_id=f"n{number}", at=NOW.isoformat())
    log.close()
    with logged.start("log", "export") as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr
        err = process.stderr.read().decode()
    assert (process.returncode, "Traceback" in err, "ignored" in err) == (0, False, False)


# --- feedback, prune --------------------------------------------------------------------------------------------------


def test_feedback(logged: Project, run: Run) -> None:
    """A word or a number, of a decision named by the beginning of its id; what is no score is refused."""
    assert run("log", "feedback", "0", "good").err == "0abc0 rated good\n"
    said = lines(run("log", "feedback", "0", "0.25", "--class", "other", "--note", "hm", "--json"))
    assert said == [{"decision": "0abc0", "score": 0.25, "class": "other", "note": "hm"}]
    assert "rated 0.25" in run("log", "tail").out
    for score in ("great", "2", "nan", "-1"):
        done = run("log", "feedback", "--", "0", score)
        assert (done.code, done.last) == (2, f"routerctl: expected good, bad or a number from 0 to 1, got {score!r}")


RATINGS = b"""\
\xef\xbb\xbf{"id": "0", "feedback": "good"}

{"id": "1", "feedback": 0.25, "class": "other", "note": "h\xc3\xb6"}
{"id": "9", "feedback": "good"}
{"id": "2", "feedback": "great"}
{"id": "2", "feedback": true}
{"id": "2"}
{"feedback": "bad"}
{"id": 2, "feedback": "bad"}
{"id": "2", "feedbak": "bad"}
{"id": "2", "id": "1", "feedback": "bad"}
["2", "bad"]
\xff
{"id": "2", "feedback": NaN}
{"id": "2", "feedback": "bad"}"""


def test_feedback_on_many_answers(logged: Project, run: Run) -> None:
    """A line each on stdin; wrong ones are named by number and change nothing, those before and after are kept."""
    done = run("log", "feedback", stdin=RATINGS)
    assert (done.code, done.last) == (2, "routerctl: 11 lines were not recorded, see above")
    wrong = dict(line.removeprefix("stdin:").split(": ", 1) for line in done.err.splitlines()[:-2])
    assert wrong == {
        "4": "no decision '9' in the log",
        "5": "expected good, bad or a number from 0 to 1, got 'great'",
        "6": "expected good, bad or a number from 0 to 1, got True",
        "7": "'feedback' is missing: expected good, bad or a number from 0 to 1",
        "8": "'id' is missing: the decision's id, or its beginning",
        "9": "'id': expected a text",
        "10": "unknown key 'feedbak'; did you mean 'feedback'?",
        "11": "duplicate key 'id'",
        "12": 'expected an object like {"id": "3f2a9c1b", "feedback": "good"}',
        "13": "not UTF-8",
        "14": "NaN is not JSON",
    }
    assert done.err.splitlines()[-2] == "3 answers rated"
    rated = {row["id"]: (row["feedback"], row["right_class"]) for row in lines(run("log", "list", "--json"))}
    assert rated == {"0abc0": (1.0, None), "1abc1": (0.25, "other"), "2abc2": (0.0, None)}


def test_what_is_said_of_all_answers(logged: Project, run: Run) -> None:
    """A note and a class of the command line hold for lines that have none; --json prints a line each."""
    given = b'{"id": "0", "feedback": "bad"}\n{"id": "1", "feedback": "bad", "note": ""}\n'
    said = lines(run("log", "feedback", "--note", "survey", "--class", "other", "--json", stdin=given))
    assert [(one["decision"], one["class"], one["note"]) for one in said] == [
        ("0abc0", "other", "survey"),
        ("1abc1", "other", ""),
    ]
    nothing = run("log", "feedback", stdin=b"\n")
    assert (nothing.code, nothing.err) == (0, "0 answers rated\n")
    done = run("log", "feedback", "0")
    assert (done.code, done.last) == (2, "routerctl: no rating for '0': expected good, bad or a number from 0 to 1")


def test_pruning(logged: Project, run: Run) -> None:
    """By age or all; the texts are gone from the bytes; one of the two must be said."""
    done = run("log", "prune", "--older-than", "2.5")
    assert (done.code, done.err) == (0, "1 decision dropped\n")
    assert [row["id"] for row in lines(run("log", "list", "--json"))] == ["2abc2", "1abc1"]
    for options in ([], ["--all", "--older-than", "1"]):
        done = run("log", "prune", *options)
        assert (done.code, done.last) == (2, "routerctl: expected --older-than DAYS or --all, and not both")
    assert run("log", "prune", "--older-than", "1e300").code == 2
    assert lines(run("log", "prune", "--all", "--json")) == [{"dropped": 2}]
    assert logged.holds("the reply") == []
    assert run("log", "list").out == "no matching decision\n"


# --- what is wrong ----------------------------------------------------------------------------------------------------


COMMANDS = (["list"], ["show", "1"], ["tail"], ["stats"], ["export"], ["feedback", "1", "good"], ["prune", "--all"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_where_there_is_no_log(project: Project, run: Run, command: list[str]) -> None:
    """One line says so and who writes it; nothing is made."""
    done = run("log", *command)
    words = f"routerctl: {DECISIONS_FILE}: no decision log here yet: `routerctl route` writes it"
    assert (done.code, done.out, done.last) == (2, "", words)
    assert not (project.root / ".routerctl").exists()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_file_that_is_no_log(project: Project, run: Run, command: list[str]) -> None:
    """One line names it, and it is left as it is."""
    project.write(DECISIONS_FILE, "my notes" * 100)
    done = run("log", *command)
    assert (done.code, done.out) == (2, "")
    assert done.last.startswith(f"routerctl: {DECISIONS_FILE}: cannot be ")
    assert (project.root / DECISIONS_FILE).read_text() == "my notes" * 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--outcome", "fail"], "no outcome 'fail'; did you mean 'failed'?"),
        (["list", "--since", "soon"], "--since: expected 30m, 2h, 7d, 2w or a moment like 2026-11-01, got 'soon'"),
        (["show", "zz"], f"{DECISIONS_FILE}: no decision 'zz' in the log"),
        (["show", "\udcff"], "argument 3 is not UTF-8: \\udcff"),
        (["list", "--class", "a\udcff"], "argument 4 is not UTF-8: a\\udcff"),
        (["export", "-o", "none/a.csv"], "none: no such folder"),
        (["export", "-o", "."], ".: is a folder; expected the name of a file to write"),
        (["export", "-o", ""], ".: is a folder; expected the name of a file to write"),
        (["export", "-o", "evals"], "evals: is a folder; expected the name of a file to write"),
        (["export", "-o", "/dev/null"], "/dev/null: is not a regular file; expected the name of a file to write"),
        (["export", "--json"], "--json says what was written to a file"),
    ],
)
def test_what_the_user_wrote_is_wrong(logged: Project, run: Run, arguments: list[str], words: str) -> None:
    """One line on stderr, exit 2."""
    done = run("log", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.last


def test_no_labels_are_said(logged: Project, run: Run) -> None:
    """An export for training without a labelled decision is empty, and stderr says what is missing."""
    done = run("log", "export", "--labelled")
    assert (done.code, done.out) == (0, "")
    assert done.last == "none has a kept prompt (routing: log_prompts) and a right class (routerctl log feedback)"


# --- with the real line -----------------------------------------------------------------------------------------------


def test_what_route_wrote_is_read(served: Project) -> None:
    """A routed prompt is listed, shown and rated by its id; a class that the table does not have is refused."""
    assert served.run("route", stdin=b"My secret diagnosis is gout, and 1+1?").code == 0
    (row,) = lines(served.run("log", "list", "--json"))
    assert (row["served"], row["decided_by"], row["prompt"]) == ("large", "rule plus", None)
    shown = served.run("log", "show", row["id"][:8])
    assert "not kept (routing: log_prompts in routerctl.yaml keeps them)" in shown.out
    done = served.run("log", "feedback", row["id"], "bad", "--class", "sum")
    assert (done.code, done.last) == (2, "routerctl: no task class 'sum'; did you mean 'sums'?")
    assert served.run("log", "feedback", row["id"], "bad", "--class", "sums").code == 0


def test_reading_disturbs_no_writer(logged: Project) -> None:
    """While another process holds the log for writing, everything that only reads works at once."""
    database = sqlite3.connect(logged.root / DECISIONS_FILE, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    for command in (["list"], ["show", "1"], ["tail"], ["stats"], ["export"]):
        assert logged.run("log", *command, timeout=20).code == 0
    database.execute("ROLLBACK")
    database.close()


@pytest.mark.skipif(sys.platform != "linux", reason="drops a capability of Linux")
@pytest.mark.parametrize("waiting", [False, True])
def test_a_log_in_a_folder_that_cannot_be_written(logged: Project, waiting: bool) -> None:
    """It is read as it is; with rows in a write-ahead log that nobody has open it is not read in part."""
    path, folder = logged.root / DECISIONS_FILE, logged.root / ".routerctl"
    if waiting:
        path.with_name(f"{path.name}-wal").write_bytes(b"x" * 100)
    folder.chmod(0o500)
    for command in (["list"], ["show", "1"], ["tail"], ["stats"], ["export"]):
        done = logged.run("log", *command, preexec_fn=without_rights)
        assert (done.code, "cannot be read as a decision log" in done.err) == ((2, True) if waiting else (0, False))
    folder.chmod(0o700)


def test_the_log_imports_no_number_cruncher(logged: Project) -> None:
    """Reading the log starts quickly."""
    for command in (["list"], ["show", "1"], ["stats"], ["export"], ["--help"]):
        done = logged.run("log", *command, env={"PYTHONPROFILEIMPORTTIME": "1"})
        assert done.code == 0
        for package in ("pandas", "numpy", "scipy", "pyarrow", "jinja2", "anthropic", "openai", "asyncio"):
            assert f"| {package}\n" not in done.err.replace("|   ", "| "), (command, package)
