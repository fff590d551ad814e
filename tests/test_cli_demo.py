"""`routerctl demo`: real commands on the outcomes that ship with the package, and what is said of these outcomes."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
import typer

from routerctl.cli.output.demo import STEPS, DemoCommand, demonstrate
from tests.conftest import Done, Project

DATA = files("routerctl").joinpath("scaffold", "demo")
MODELS = ("mixtral-8x7b", "gpt-4-1106-preview")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Done]:
    """The folder of a demo that was run in a process of its own, and what it printed."""
    root = tmp_path_factory.mktemp("demo")
    done = Project(root).run("demo", "recorded", timeout=110)
    assert done.code == 0, done.err
    return Project(root / "recorded"), done


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """The recorded outcomes, a row a question."""
    text = gzip.decompress(DATA.joinpath("outcomes.csv.gz").read_bytes()).decode()
    return list(csv.DictReader(text.splitlines()))


def test_each_command_is_shown_as_it_runs(shown: tuple[Project, Done]) -> None:
    """The commands stand before what they print, in their order, and the table follows from its evidence."""
    _, done = shown
    typed = re.findall(r"^\$ (.*)$", done.out, re.MULTILINE)
    assert typed == [step.shown for step in STEPS]
    of_check = done.out.split("$ routerctl check\n")[1].split("\n$ ")[0]
    assert "routes.yaml: version 1 follows from its evidence" in of_check


def test_what_is_shown_was_computed(shown: tuple[Project, Done]) -> None:
    """The choices on the screen are those that the table in the folder has."""
    project, done = shown
    table = json.loads(project.run("build-table", "--json").out)
    of_build = done.out.split("$ routerctl build-table\n")[1].split("\n$ ")[0]
    for name, route in table["routes"].items():
        assert re.search(rf"^{name} +(! )?{re.escape(route['chosen'])} ", of_build, re.MULTILINE)


def test_the_counts_are_those_of_the_file(shown: tuple[Project, Done], rows: list[dict[str, str]]) -> None:
    """What import prints of each field and model is what counting the rows gives."""
    _, done = shown
    cases = Counter(row["task_class"] for row in rows)
    for model in MODELS:
        passed = Counter(row["task_class"] for row in rows if row[model] == "1")
        for name, count in cases.items():
            counted = rf"^{name} +{model} +{count:,} +1 +{count:,} +{passed[name]:,} "
            assert re.search(counted, done.out, re.MULTILINE)


def test_it_ends_with_money_and_risk_against_todays_model(shown: tuple[Project, Done]) -> None:
    """The last line is what build-table's JSON says of the model that serves today."""
    project, done = shown
    against = json.loads(project.run("build-table", "--json").out)["worth"]["against"]
    assert (against["candidate"], against["today"]) == ("gpt-4-1106-preview", True)
    last = done.out.strip().splitlines()[-1]
    assert last.startswith("Against today's gpt-4-1106-preview, the table saves $")
    assert f"{against['more_wrong_per_1000']:.0f} more wrong in 1,000" in last


def test_the_readme_shows_what_it_prints(shown: tuple[Project, Done]) -> None:
    """Each line that the README shows of the recorded demo is one that it printed, in this order."""
    _, done = shown
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"<!-- recorded:begin -->\n```console\n(.*?)```\n<!-- recorded:end -->", readme, re.DOTALL)
    lines = [line for line in block.splitlines() if line not in ("$ routerctl demo", "...")]
    assert len(lines) > 12
    printed = iter(line.rstrip() for line in done.out.splitlines())
    for line in lines:
        assert line in printed, line  # goes on after the line that was found


def test_the_explained_prompt_goes_where_the_table_says(shown: tuple[Project, Done]) -> None:
    """The last command names the candidate that the table has for the class."""
    project, done = shown
    table = json.loads(project.run("build-table", "--json").out)
    assert f"rung 1: {table['routes']['history']['chosen']} " in done.out.split("--explain\n")[1]


def test_a_folder_for_temporary_files_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a name the files lie in a new folder, which is named first and stays."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    demonstrate(None, ())
    (folder,) = tmp_path.iterdir()
    assert capsys.readouterr().out.startswith(f"In {folder},")
    assert {path.name for path in folder.iterdir()} == {"outcomes.csv.gz", "SOURCE.md"}


@pytest.mark.parametrize("name", ["notes.txt", "."], ids=["a file", "a folder that holds something"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    """What is there already is refused in one line and stays as it is."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    done = Project(tmp_path).run("demo", name)
    assert done.code == 2
    assert done.err == f"routerctl: {name}: already exists; demo needs a new or empty folder\n"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_command_that_fails_ends_the_demo(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No later command runs, and the exit code is the one of the command that failed."""
    with pytest.raises(typer.Exit) as caught:
        demonstrate(tmp_path / "new", (DemoCommand(words=("build-table",)), *STEPS))
    shown = capfd.readouterr()
    assert caught.value.exit_code == 2
    assert shown.out.count("\n$ ") == 1
    assert shown.err.startswith("routerctl: ")


def test_the_source_says_what_the_file_is(rows: list[dict[str, str]]) -> None:
    """The counts and prices stated beside the outcomes are true, and the faulty subject is not among them."""
    source = DATA.joinpath("SOURCE.md").read_text(encoding="utf-8")
    assert f"{len(rows):,} questions" in source
    assert len({row["task_class"] for row in rows}) == 12
    assert len({row["case_id"] for row in rows}) == len(rows)
    assert "high_school_mathematics" in source
    assert not any(row["case_id"].startswith("high_school_mathematics") for row in rows)
    assert {row[model] for row in rows for model in MODELS} == {"0", "1"}
    costs = [word.partition("=") for word in STEPS[0].words if "=" in word]
    assert [model for model, _, _ in costs] == list(MODELS)
    assert all(f"{usd}" in source for _, _, usd in costs)
    assert len(DATA.joinpath("outcomes.csv.gz").read_bytes()) < 300_000
