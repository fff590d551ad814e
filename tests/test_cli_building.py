"""Building a table again: the same evidence gives the same files, whatever was there before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done, Project

Run = Callable[..., Done]


def files(project: Project) -> dict[str, bytes]:
    """What `build-table` writes."""
    names = [
        *project.root.glob("reports/*/*.html"),
        *project.root.glob("reports/*/*.yaml"),
        project.root / "routes.yaml",
    ]
    return {str(path.relative_to(project.root)): path.read_bytes() for path in names}


def text_of_report(project: Project) -> str:
    """The newest report."""
    return max(project.root.glob("reports/*/report.html")).read_text(encoding="utf-8")


@pytest.mark.parametrize("logged", [False, True], ids=["", "with a decision log"])
def test_building_twice_changes_no_file(logged: bool, project: Project, run: Run) -> None:
    """The first table, and one that follows another: the report goes on comparing with the table before."""
    assert run("eval").code == run("build-table").code == 0
    if logged:
        assert run("route", "--lines", stdin="1+1\n1+2\n").code == 0
        assert run("build-table").code == 0
    first = files(project)
    assert run("build-table").last.startswith("routes.yaml: unchanged")
    assert files(project) == first
    assert "This is the first table" in text_of_report(project)
    project.config["default_class"] = None
    project.save()
    assert run("build-table").last.startswith("routes.yaml: version 2")
    assert "Table 1 against table 2" in text_of_report(project)
    second = files(project)
    assert second != first
    assert run("build-table").code == 0
    assert files(project) == second


@pytest.mark.parametrize(
    ("name", "value", "was"),
    [
        ("risk", 0.01, 0.05),
        ("mode", "point", "proven"),
        ("margin", 0.1, 0.03),
        ("seed", 7, 0),
        ("top_rung", "skip", "report"),
    ],
)
def test_what_is_part_of_the_test_is_not_taken_afterwards(
    name: str, value: object, was: object, project: Project, run: Run
) -> None:
    """The rule was fixed before the first answer: the table keeps it, says so, and names the command."""
    assert run("eval").code == run("build-table").code == 0
    before = (project.root / "routes.yaml").read_bytes()
    project.config[name] = value
    project.save()
    done = run("build-table")
    warned = f"warning: {name} is now {value}, routes.yaml was built with {was}; run `routerctl eval`"
    assert (done.code, done.err.count(warned)) == (0, 1)
    assert (project.root / "routes.yaml").read_bytes() == before
    assert warned.removeprefix("warning: ") in run("check").last


def test_a_table_just_built_is_warned_of_nothing(project: Project, run: Run) -> None:
    """Whatever policy was changed since: `build-table` has taken it."""
    project.config["today"] = "large"
    project.config["prices"][1] |= {"input_mtok_usd": 10, "output_mtok_usd": 20}  # the top rung is the dearer one
    project.save()
    assert run("eval").code == 0
    project.config.update({"today": "small", "objective": {"within": 0.1, "of": "best"}, "default_class": None})
    project.save()
    assert "warning" not in run("build-table").err


def test_what_a_report_was_compared_with_may_be_gone(project: Project, run: Run) -> None:
    """It is said then: a later table is not called the first one."""
    assert run("eval").code == run("build-table").code == 0
    project.config["default_class"] = None
    project.save()
    assert run("build-table").code == 0
    (kept,) = project.root.glob("reports/*/routes.before.yaml")
    kept.unlink()
    assert run("build-table").code == 0
    assert "The table before this one is not at hand" in text_of_report(project)
    (project.root / "routes.yaml").unlink()
    kept.write_text(json.dumps({"odd": 1}))
    assert run("build-table").last.startswith("routes.yaml: version 1")
    assert "This is the first table" in text_of_report(project)
    assert not Path(kept).exists()
