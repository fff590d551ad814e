"""What a shell is offered while a command is typed, by the protocol that the installed completion scripts speak."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from routerctl.files.yaml import keys_below
from tests.conftest import Project

HALF = """\
schema_version: 1
candidates:
  haiku: {provider: a, model: [b, {c: d}]}
  "sonnet": &x
    provider: a
  *x : 1
ladders: {main: [haiku], short: []}
routing:
  tenants: {acme: {tier: gold}, beta: }
  tiers:
    gold: {table: gold.yaml}
candidates_of: [
"""


@pytest.fixture
def typed(built: Path, tmp_path: Path) -> Project:
    """A project with a run, a table and a routerctl.yaml that somebody is in the middle of writing."""
    shutil.copytree(built, tmp_path / "typed", ignore=shutil.ignore_patterns("*.sqlite*"))
    project = Project(tmp_path / "typed")
    project.write("routerctl.yaml", HALF)
    project.write("evals/plan.yaml", "not: [yaml")
    project.write("evals/odd name.yaml", "")
    return project


def offered(project: Project, words: str, env: Mapping[str, str] | None = None) -> list[str]:
    """What bash is offered for the last of the words, of which the last may be empty; nothing is said on stderr."""
    asked = {"_ROUTERCTL_COMPLETE": "complete_bash", "COMP_WORDS": f"routerctl {words}"}
    asked["COMP_CWORD"] = str(len(f"routerctl {words}".split(" ")) - 1)
    done = project.run(env=asked | dict(env or {}))
    assert (done.code, done.err) == (0, "")
    return done.out.split()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("eval --class ", ["plan", "sums"]),
        ("eval --class su", ["sums"]),
        ("eval --candidate ", ["haiku", "sonnet", "small", "large"]),
        ("build-table --ladder ", ["main", "short"]),
        ("build-table --tier ", ["gold"]),
        ("log list --tenant ", ["acme", "beta"]),
        ("route --class p", ["plan"]),
        ("replay --table r", ["routes.yaml"]),
        ("eval --class x", []),
    ],
)
def test_names_of_the_project_are_offered(words: str, names: list[str], typed: Project) -> None:
    """As far as its files can be read; of names that a shell would take apart none."""
    assert offered(typed, words) == names


def test_runs_are_offered_newest_first(typed: Project) -> None:
    """To whatever takes a run, as an option or as an argument; a baseline may be a table as well."""
    [run] = [path.parent.name for path in typed.root.glob("reports/*/run.json")]
    assert offered(typed, "runs prune ") == offered(typed, "build-table --run ") == [run]
    assert offered(typed, "eval --baseline ") == ["routes.yaml", run]


def test_another_folder_s_names_are_offered(typed: Project, tmp_path: Path) -> None:
    """`-C` holds here too; a folder that is not there has none, and says nothing."""
    elsewhere = Project(tmp_path)
    assert offered(elsewhere, f"-C {typed.root} eval --class s") == ["sums"]
    assert offered(elsewhere, "-C nowhere eval --class ") == []
    assert offered(elsewhere, "eval --ladder ") == []


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"candidates: {a: 1, b", b"- &a [*a]", b"\x00"])
def test_a_file_that_cannot_be_read_is_no_error(content: bytes, project: Project) -> None:
    """Whatever is in it."""
    project.write("routerctl.yaml", content)
    assert offered(project, "eval --candidate ") == (["a", "b"] if b"candidates" in content else [])


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_offered_the_same(shell: str, typed: Project) -> None:
    """Each in its own way."""
    asked = {"_ROUTERCTL_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "routerctl eval --class s"}
    done = typed.run(env=asked | {"_TYPER_COMPLETE_FISH_ACTION": "get-args"})
    assert (done.code, done.err, "sums" in done.out, "plan" in done.out) == (0, "", True, False)


def test_keys_are_found_as_far_as_a_text_can_be_read() -> None:
    """Of the mapping at the path alone, in block and flow style, without what is nested in it."""
    assert keys_below(HALF, ("candidates",)) == ["haiku", "sonnet", ""]
    assert keys_below(HALF, ("ladders",)) == ["main", "short"]
    assert keys_below(HALF, ("routing", "tenants")) == ["acme", "beta"]
    assert keys_below(HALF, ()) == ["schema_version", "candidates", "ladders", "routing", "candidates_of"]
    assert keys_below(HALF, ("nothing",)) == keys_below("- a\n- b: c\n", ("b",)) == []
