"""`routerctl diff` of a table that the project has left behind: equal tables are not all that a reader asks for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from tests.conftest import Done, Project

Run = Callable[..., Done]
SET = "routes.yaml: sums rests on another version of evals/sums.yaml; run `routerctl eval`"


@pytest.fixture
def left(project: Project, run: Run) -> Project:
    """A project with its table, and a copy of the table to compare with."""
    assert run("eval").code == run("build-table").code == 0
    shutil.copy(project.root / "routes.yaml", project.root / "old.yaml")
    return project


def test_a_table_that_the_project_follows_is_the_same(left: Project, run: Run) -> None:
    """Nothing changed, nothing is said, exit 0."""
    done = run("diff", "old.yaml", "--exit-code")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0].endswith(": the tables are the same")
    assert json.loads(run("diff", "old.yaml", "--json").out)["since_built"] == []


def test_an_eval_set_that_changed_since_is_told(left: Project, run: Run) -> None:
    """In every format, with the command that follows it; the exit code says it where one is asked for."""
    left.eval_set("sums", 61)
    done = run("diff", "old.yaml")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].endswith(": the tables are the same; the project has changed since")
    assert lines[lines.index("not in the table yet:") + 1] == f"  {SET}"
    stopped = run("diff", "old.yaml", "--exit-code")
    assert stopped.code == 3
    assert stopped.out == done.out
    assert stopped.last == f"routerctl: routes.yaml is older than the project: {SET}"
    assert json.loads(run("diff", "old.yaml", "--json").out)["since_built"] == [SET]
    assert f"\n**not in the table yet:**\n\n- `` {SET} ``\n" in run("diff", "old.yaml", "--format", "markdown").out


def test_settings_rules_and_new_classes_are_told_too(left: Project, run: Run) -> None:
    """Everything that `check` would stop at, and all of it at once."""
    left.config["rules"] = []
    left.config["providers"]["fake"]["concurrency"] = 9
    left.config["risk"] = 0.01
    left.save()
    left.eval_set("more", 60)
    assert json.loads(run("diff", "old.yaml", "--json").out)["since_built"] == [
        "routes.yaml and evals/ do not have the same classes: more; run `routerctl build-table`",
        "risk is now 0.01, routes.yaml was built with 0.05; run `routerctl eval`",
        "rules: changed since routes.yaml was built; run `routerctl build-table`",
        "settings of provider fake: changed since routes.yaml was built; run `routerctl build-table`",
    ]


def test_only_the_folder_s_own_table_is_held_against_the_project(left: Project, run: Run) -> None:
    """Of any other table nobody knows which project it is of."""
    left.eval_set("sums", 61)
    assert run("diff", "routes.yaml", "old.yaml", "--exit-code").code == 0


def test_a_clone_without_reports_tells_it_as_well(left: Project, run: Run) -> None:
    """No run is read for it."""
    shutil.rmtree(left.root / "reports")
    left.eval_set("sums", 61)
    assert json.loads(run("diff", "old.yaml", "--json").out)["since_built"] == [SET]


def test_a_project_that_cannot_be_read_is_a_warning(left: Project, run: Run) -> None:
    """The tables are compared all the same."""
    left.write("routerctl.yaml", "{]")
    done = run("diff", "old.yaml", "--exit-code")
    assert done.code == 0
    assert done.err.startswith(
        "warning: cannot determine what has changed since routes.yaml was built: routerctl.yaml:1:"
    )
