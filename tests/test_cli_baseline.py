"""`routerctl eval --baseline`: who serves is asked again, and CI hears of it when that got worse."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.testing.emulator import Body
from tests.conftest import SECRET, Far, Project, right_answer, text_of

pytestmark = pytest.mark.usefixtures("in_process")

ENV = {"TEST_KEY": SECRET}


@pytest.fixture
def measured(vendors: Project) -> Project:
    """A project of two classes with a table, on the wire; `small` serves both."""
    for name in ("adding", "sums"):
        vendors.eval_set(name, 80)
    assert vendors.run("eval", env=ENV).code == 0
    assert vendors.run("build-table", env=ENV).code == 0
    return vendors


def _worse(share: int) -> Callable[[Body], str]:
    """Answer wrongly one sum in `share` of the class `sums`; the others rightly."""

    def answer(body: Body) -> str:
        text = text_of(body)
        number = int(text.rpartition("+")[2])
        return "wrong" if text.startswith("sums") and number % share == 0 else right_answer(body)

    return answer


def test_an_unchanged_project_passes_and_pays_nothing(measured: Project, far: Far) -> None:
    """Replies from the cache are compared, and it is said that this compares no provider."""
    asked = far.emulator.posts
    table = json.loads(measured.run("build-table", "--json").out)
    done = measured.run("eval", "--baseline", "routes.yaml", env=ENV)
    assert done.code == 0, done.err
    assert {one["chosen"] for one in table["routes"].values()} == {"small"}
    assert "every reply came from the cache" in done.err
    assert far.emulator.posts == asked


def test_a_class_that_got_worse_raises_the_alarm(measured: Project, far: Far, tmp_path: Path) -> None:
    """Exit 3, the class by name, its newly broken cases, and the same in JUnit, the step summary and an annotation."""
    far.answer = _worse(3)
    summary = tmp_path / "summary.md"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    options = ("eval", "--baseline", "routes.yaml", "--max-age", "0", "--junit", "ci/gate.xml")
    done = measured.run(*options, env=ENV | github)
    assert done.code == 3, done.err
    assert done.last == "routerctl: worse than routes.yaml: sums"
    assert "case-3" in done.out
    assert "would have been noticed about 4 times in 5" in done.out
    suites = ET.parse(measured.root / "ci/gate.xml").getroot()  # noqa: S314 - our own file
    failed = [case.get("name", "") for case in suites.iter("testcase") if case.find("failure") is not None]
    assert len(failed) == 1
    assert "sums" in failed[0]
    assert "case-3" in summary.read_text()
    assert any(line.startswith("::error file=evals/sums.yaml,") for line in done.err.splitlines())


def test_the_json_says_it_all(measured: Project, far: Far) -> None:
    """One object on stdout, with p-values and the least drop that could have been seen."""
    far.answer = _worse(4)
    done = measured.run("eval", "--baseline", "routes.yaml", "--max-age", "0", "--json", env=ENV)
    assert done.code == 3
    found = json.loads(done.out)
    assert found["alarm"] is True
    assert found["classes"]["sums"]["alarm"] is True
    assert found["classes"]["adding"]["alarm"] is False
    assert found["classes"]["sums"]["after"] < found["classes"]["sums"]["before"]


def test_a_baseline_of_several_epochs_is_made_and_met(measured: Project, far: Far) -> None:
    """--full asks all epochs of all classes; compared with that, a class that looks worse gets as many."""
    first = measured.run("eval", "--baseline", "routes.yaml", "--full", "--epochs", "3", env=ENV)
    assert first.code == 0, first.err
    run = read_run(run_folders(measured.root)[0])
    assert {(one.task_class, one.epoch) for one in run.results} == {
        (name, epoch) for name in ("adding", "sums") for epoch in range(3)
    }
    far.answer = _worse(5)
    asked = far.emulator.posts
    second = measured.run("eval", "--baseline", run.header.run_id, "--max-age", "0", "--class", "sums", env=ENV)
    assert second.code == 3, second.err
    assert far.emulator.posts - asked == 3 * 80


def test_nothing_to_compare_is_said(measured: Project) -> None:
    """An unknown run, a table that is not there, a class that was not measured: one line, exit 2."""
    unknown = measured.run("eval", "--baseline", "20200101-000000-000000", env=ENV)
    assert (unknown.code, "no run '20200101-000000-000000'" in unknown.last) == (2, True)
    assert measured.run("eval", "--baseline", "other.yaml", env=ENV).code == 2
    measured.eval_set("fresh", 20)
    fresh = measured.run("eval", "--baseline", "routes.yaml", "--class", "fresh", env=ENV)
    assert (fresh.code, "it measured no class and candidate of this run" in fresh.last) == (2, True)


def test_a_comparison_of_nothing_is_exit_7(measured: Project) -> None:
    """Every expected answer was edited: no alarm can be raised, and that is no pass; JUnit and the exit code agree."""
    for name in ("adding", "sums"):
        file = measured.root / f"evals/{name}.yaml"
        edited = json.loads(file.read_text())
        for case in edited["cases"]:
            case["expected"] += " "
        file.write_text(json.dumps(edited))
    done = measured.run("eval", "--baseline", "routes.yaml", "--junit", "gate.xml", env=ENV)
    assert (done.code, done.last) == (7, "routerctl: nothing to compare for adding, sums")
    assert "cases changed in input or expected answer" in done.out
    assert "no case is common" not in done.out
    assert ET.parse(measured.root / "gate.xml").getroot().get("errors") == "2"  # noqa: S314 - our own file


@pytest.mark.parametrize("options", [(), ("--strict",)])
def test_a_class_whose_calls_failed_is_exit_5(options: tuple[str, ...], measured: Project, far: Far) -> None:
    """The far side was down for one class: an error in JUnit, so not exit 0."""

    def answer(body: Body) -> str:
        if text_of(body).startswith("sums"):
            raise ConnectionError
        return right_answer(body)

    far.answer = answer
    done = measured.run("eval", "--baseline", "routes.yaml", "--max-age", "0", "--junit", "gate.xml", *options, env=ENV)
    assert (done.code, done.last) == (5, "routerctl: the calls failed for sums")
    assert ET.parse(measured.root / "gate.xml").getroot().get("errors") == "1"  # noqa: S314 - our own file


def test_strict_minds_a_class_that_could_not_be_compared(measured: Project) -> None:
    """One class was edited, the other compared: 0, and 7 under --strict."""
    file = measured.root / "evals/sums.yaml"
    file.write_text(file.read_text().replace('"input": "sums', '"input": "sum'))
    assert measured.run("eval", "--baseline", "routes.yaml", env=ENV).code == 0
    done = measured.run("eval", "--baseline", "routes.yaml", "--strict", env=ENV)
    assert (done.code, done.last) == (7, "routerctl: nothing to compare for sums")


def test_a_dry_run_bounds_the_comparison(measured: Project, far: Far) -> None:
    """The estimate is of who serves, on the baseline's cases, for as many epochs as it has; --full asks all."""
    options = ("eval", "--baseline", "routes.yaml", "--no-cache", "--dry-run")
    asked = far.emulator.posts
    done = measured.run(*options, "--class", "sums", env=ENV)
    assert "likely / at most (every class looks worse:" in done.err
    (one,) = json.loads(measured.run(*options, "--class", "sums", "--json", env=ENV).out)
    assert one["candidate"] == "small"
    assert one["likely"]["calls"] == one["at_most"]["calls"] < 80
    (full,) = json.loads(measured.run(*options, "--class", "sums", "--full", "--epochs", "3", "--json", env=ENV).out)
    assert (full["likely"]["calls"], full["at_most"]["calls"]) == (240, 240)
    assert far.emulator.posts == asked
    measured.run("eval", "--baseline", "routes.yaml", "--full", "--epochs", "3", env=ENV)
    run_id = run_folders(measured.root)[0].name
    estimate = measured.run("eval", "--baseline", run_id, "--epochs", "5", "--no-cache", "--dry-run", "--json", env=ENV)
    told = [(each["likely"]["calls"], each["at_most"]["calls"]) for each in json.loads(estimate.out)]
    screened = 80 + 0.25 * 160  # one class in four looks worse by chance
    assert told == [(screened, 240)] * 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--baseline", "routes.yaml", "--candidate", "small"), "--candidate does not apply to a comparison"),
        (("--epochs", "3"), "--epochs is for a comparison: give --baseline"),
        (("--alpha", "0.1", "--dry-run"), "--alpha is for a comparison: give --baseline"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options: tuple[str, ...], words: str, project: Project) -> None:
    """One line, exit 2, before anything is asked."""
    done = project.run("eval", *options)
    assert (done.code, words in done.last) == (2, True)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (".", ".: is a folder; expected the name of a file to write"),
        ("evals", "evals: is a folder; expected the name of a file to write"),
        ("routes.yaml/gate.xml", "routes.yaml: no such folder"),
        ("pipe", "pipe: is not a regular file; expected the name of a file to write"),  # as a device
        ("x" * 300, "cannot be written: File name too long"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--baseline", "routes.yaml")])
def test_a_file_that_cannot_be_written_is_said_first(
    place: str, words: str, options: tuple[str, ...], measured: Project, far: Far
) -> None:
    """Exit 2 before anything is asked, not after everything was paid for."""
    os.mkfifo(measured.root / "pipe")
    asked, runs = far.emulator.posts, len(run_folders(measured.root))
    done = measured.run("eval", "--max-age", "0", "--junit", place, *options, env=ENV)
    assert (done.code, words in done.last) == (2, True)
    assert (far.emulator.posts, len(run_folders(measured.root))) == (asked, runs)


def test_a_step_summary_that_cannot_be_written_is_said_first(project: Project) -> None:
    """What GitHub names is looked at, too; a device may be added to."""
    done = project.run("eval", env={"GITHUB_STEP_SUMMARY": str(project.root)})
    assert (done.code, "is a folder; expected" in done.last) == (2, True)
    assert project.run("eval", env={"GITHUB_STEP_SUMMARY": "/dev/null"}).code == 0


@pytest.mark.parametrize("age", ["1y", "h", "-1d", "1.5h"])
def test_an_age_that_is_none_is_refused(age: str, project: Project) -> None:
    """An age is a whole number with a unit."""
    done = project.run("eval", "--max-age", age)
    assert (done.code, "expected an age like 90m, 24h, 7d or 0" in done.err) == (2, True)


def test_junit_of_a_plain_eval(project: Project) -> None:
    """Without a baseline the file has a test case a class: its bar."""
    assert project.run("eval", "--junit", "gate.xml").code == 0
    suites = ET.parse(project.root / "gate.xml").getroot()  # noqa: S314 - our own file
    (case,) = suites.iter("testcase")
    assert "sums" in case.get("name", "")
    assert case.find("failure") is None
