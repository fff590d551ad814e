"""The workflow that `init` writes, run as CI runs it: its own commands, on a clone where something got worse."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from routerctl.table import load_table
from tests.conftest import Done, Far, Project, clean_env, right_answer

ROOT = Path(__file__).parents[1]
Run = Callable[..., Done]


def _steps() -> list[str]:
    """The commands of the workflow's steps that run routerctl here, in order."""
    text = (ROOT / "routerctl/scaffold/workflow.yml").read_text("utf-8")
    steps = yaml.safe_load(text)["jobs"]["eval"]["steps"]
    commands = [step["run"] for step in steps if step.get("run", "").startswith("routerctl ")]
    assert len(commands) == 3
    return [command for command in commands if "git fetch" not in command]


def _ci(project: Project, key: str) -> dict[str, tuple[int, str]]:
    """Run the steps with a shell, each to its end: exit code and stderr by command, `summary` with the page's text."""
    summary = project.write("summary.md", "")
    more = {
        "TEST_KEY": key,
        "GITHUB_STEP_SUMMARY": str(summary),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    found = {}
    for command in _steps():
        given = command.replace("--max-age 24h", "--max-age 0")  # a day has gone by
        done = subprocess.run(
            ["/bin/sh", "-c", given],
            cwd=project.root,
            env=clean_env(more),
            check=False,
            capture_output=True,
            timeout=120,
        )
        found[command.split()[1] + (" --baseline" if "--baseline" in command else "")] = (
            done.returncode,
            done.stderr.decode(),
        )
    return found | {"summary": (0, summary.read_text("utf-8"))}


@pytest.fixture
def clone(vendors: Project, far: Far, key: str, in_process: None) -> Project:
    """A project with a table and its evidence, and no cache, as CI checks it out; `small` serves."""
    vendors.eval_set("sums", 60)
    assert vendors.run("eval").code == 0
    assert vendors.run("build-table").code == 0
    assert load_table(vendors.root / "routes.yaml").routes["sums"].chosen == "small"
    for path in (vendors.root / ".routerctl").iterdir():
        path.unlink()
    return vendors


def test_nothing_changed_is_green(clone: Project, key: str) -> None:
    """Every step ends with 0, and the page says from what drop on it would not have been."""
    found = _ci(clone, key)
    assert {name: code for name, (code, _) in found.items()} == dict.fromkeys(found, 0), found
    assert "| noticed from |" in found["summary"][1]
    assert "noticed from: the least drop that would have been noticed 4 times in 5." in found["summary"][1]
    assert "Next:" not in found["summary"][1]


def test_a_serving_model_that_got_worse_is_red(clone: Project, far: Far, key: str) -> None:
    """The comparison stops the gate, so does the choice that it would change; both say what to do."""
    far.answer = lambda body: "wrong" if body["model"] == "model-small" else right_answer(body)
    found = _ci(clone, key)
    code, said = found["eval --baseline"]
    assert (code, "worse than routes.yaml: sums" in said) == (3, True)
    assert "next: `routerctl eval` asks the other candidates too" in said
    code, said = found["eval"]
    assert code == 3
    assert said.splitlines()[-1] == "routerctl: the choice would change: sums small -> large"
    assert "next: `routerctl build-table` adopts the new choice" in said
    assert "Next: `routerctl build-table` adopts the new choice" in found["summary"][1]
    assert "sums&#58; choice" in found["summary"][1]


def test_a_model_that_is_another_one_is_red(clone: Project, far: Far, key: str) -> None:
    """As good, but not the pinned one: the comparison and the choice both mind."""
    far.emulator.serves = {"model-small": "model-small-2"}
    found = _ci(clone, key)
    assert (found["eval --baseline"][0], found["eval"][0]) == (3, 3)
    assert "next: pin the id that is served" in found["eval"][1]


def test_a_cheaper_candidate_that_got_better_is_told(vendors: Project, far: Far, key: str, in_process: None) -> None:
    """A choice that could be cheaper now is a change like any other; without --strict it is said and stops nothing."""
    far.answer = lambda body: right_answer(body) if body["model"] == "model-large" else "wrong"
    vendors.eval_set("sums", 60)
    vendors.run("eval")
    vendors.run("build-table")
    far.answer = right_answer
    loose = vendors.run("eval", "--max-age", "0")
    assert loose.code == 0
    assert "the choice would change: sums large -> small" in loose.err
    strict = vendors.run("eval", "--strict")
    assert (strict.code, "the choice would change: sums large -> small" in strict.last) == (3, True)
    assert vendors.run("eval", "--strict", "--candidate", "small").code == 0  # a part tells nothing of the choice


def test_a_class_that_the_table_does_not_have_yet_is_no_change(clone: Project) -> None:
    """A new class has no choice that could change."""
    clone.eval_set("more", 60)
    done = clone.run("eval", "--strict")
    assert (done.code, "the choice would change" in done.err) == (0, False)
