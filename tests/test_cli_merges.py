"""What git leaves when two branches changed the same file: each is called by its name, and a table is made anew."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from routerctl.table import load_table, parse_table
from tests.conftest import Done, Project

Run = Callable[..., Done]


def merge(project: Project, name: str, ours: str, theirs: str, base: str = "") -> None:
    """Merge two versions of a file as git does, into the project."""
    places = [project.write(f"merging/{side}", text) for side, text in (("a", ours), ("0", base), ("b", theirs))]
    git = shutil.which("git")
    assert git
    command = [git, "merge-file", "-p", *map(str, places)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode > 0, "the sides do not conflict"
    project.write(name, done.stdout)


def text_of(project: Project, name: str = "routes.yaml") -> str:
    """Read a file of the project."""
    return (project.root / name).read_text(encoding="utf-8")


def build(project: Project, run: Run, requests: int) -> str:
    """Build a table that differs from others by a stake, and give its text."""
    project.eval_set("sums", 60, stakes={"requests_per_month": requests})
    assert run("eval").code == run("build-table").code == 0
    return text_of(project)


def test_a_table_is_made_anew_with_the_version_after_both(project: Project, run: Run) -> None:
    """Every command says what it is; `build-table` needs neither side, since the evidence is there."""
    base = build(project, run, 1)
    ours = build(project, run, 2)
    project.write("routes.yaml", base)
    build(project, run, 3)
    theirs = build(project, run, 4)
    assert [parse_table(text, "text").table_version for text in (base, ours, theirs)] == [1, 2, 3]
    merge(project, "routes.yaml", ours, theirs, base)
    for command in ("route", "check"):
        done = run(command, stdin="hi")
        assert done.code == 2
        assert done.last.startswith("routerctl: routes.yaml:")
        assert done.last.endswith("; run `routerctl build-table` to rebuild it from its evidence")
        assert ": merge conflict up to line " in done.last
    done = run("build-table")
    assert done.code == 0, done.err
    assert "routes.yaml: could not be read; rebuilt from the evidence\n" in done.err
    assert load_table(project.root / "routes.yaml").table_version == 4
    assert run("check").code == 0
    assert run("build-table").last.startswith("routes.yaml: unchanged")


def test_the_same_version_on_both_sides_is_counted_on(project: Project, run: Run) -> None:
    """Both branches made version 2 of their own: neither is what is made now."""
    base = build(project, run, 1)
    ours = build(project, run, 2)
    project.write("routes.yaml", base)
    theirs = build(project, run, 3)
    merge(project, "routes.yaml", ours, theirs, base)
    assert run("build-table").code == 0
    assert load_table(project.root / "routes.yaml").table_version == 3


def test_a_run_goes_on_beside_a_conflict_in_the_table(project: Project, run: Run) -> None:
    """`eval` only compares with the table, and diff says which side cannot be read."""
    base, ours, theirs = build(project, run, 1), build(project, run, 2), build(project, run, 3)
    merge(project, "routes.yaml", ours, theirs, base)
    assert run("eval").code == 0
    project.write("old.yaml", base)
    assert ": merge conflict up to line " in run("diff", "old.yaml").last


CSV = "id,input,expected\nc1,1+1,2\n{}"
LABEL = '{{"case": "{}", "candidate": "small", "reply": "sha256:' + "0" * 64 + '", "passed": true}}\n'
FILES = {
    "routerctl.yaml": ("schema_version: 1\nladder: a\n", "schema_version: 1\nladder: b\n"),
    "evals/sums.yaml": ("bar: 0.8\n", "bar: 0.9\n"),
    "evals/more.csv": (CSV.format("c2,1+2,3\n"), CSV.format("c3,1+3,4\n")),
    "evals/more.jsonl": (
        '{"id": "a", "input": "1", "expected": "1"}\n',
        '{"id": "b", "input": "1", "expected": "1"}\n',
    ),
    "evals/sums.labels.jsonl": (LABEL.format("a"), LABEL.format("b")),
}


@pytest.mark.parametrize("name", list(FILES))
def test_every_file_of_a_project_tells_a_conflict(name: str, project: Project, run: Run) -> None:
    """Exit 2, the file, the line and the words; of cases and labels beside an eval set as well."""
    assert run("eval").code == run("build-table").code == 0
    if name.startswith("evals/more"):
        project.write(
            "evals/more.yaml",
            f"{{schema_version: 1, description: d, bar: 0.8, scorer: {{name: exact}}, cases: {name[6:]}}}",
        )
    merge(project, name, *FILES[name])
    done = run(*(("label", "--class", "sums", "--export", "todo.csv") if "labels" in name else ("check",)))
    assert done.code == 2, done
    assert done.last.startswith(f"routerctl: {name}:"), done.last
    assert ": merge conflict up to line " in done.last


@pytest.mark.parametrize("name", ["run.json", "results.jsonl"])
def test_a_run_s_files_tell_a_conflict(name: str, project: Project, run: Run) -> None:
    """The evidence of a table may have been committed on two branches."""
    assert run("eval").code == run("build-table").code == 0
    [folder] = [path for path in Path(project.root, "reports").iterdir() if path.is_dir()]
    text = (folder / name).read_text(encoding="utf-8")
    line = text.splitlines(keepends=True)[3]
    merge(
        project, f"reports/{folder.name}/{name}", text.replace(line, "[1]\n", 1), text.replace(line, "[2]\n", 1), text
    )
    done = run("check")
    assert done.code == 3
    assert f"reports/{folder.name}/{name}:4: merge conflict up to line 8" in done.last


def test_a_classifier_tells_a_conflict(project: Project, run: Run) -> None:
    """It is one long line, which git cannot merge."""
    merge(project, "classifier.json", '{"a": 1}\n', '{"a": 2}\n')
    project.config["classifier"] = {"file": "classifier.json"}
    project.save()
    assert "classifier.json:1: merge conflict up to line 5" in run("check").last
