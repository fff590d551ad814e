"""`routerctl runs`: what lies below reports/, and what may go without taking the ground from under a table."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Done, Far, Project

Run = Callable[..., Done]


def listed(run: Run) -> dict[str, dict[str, Any]]:
    """What `runs list` says, by run."""
    return {one["run_id"]: one for one in json.loads(run("runs", "list", "--json").out)}


def folders(project: Project) -> set[str]:
    """The runs that are there."""
    return {path.name for path in (project.root / "reports").glob("*/")}


def newest(project: Project) -> str:
    """The run that began last."""
    return max(folders(project))


def evaluate(project: Project, run: Run, **more: Any) -> str:
    """Evaluate and give the run."""
    assert run("eval", *more.pop("options", ()), **more).code == 0
    return newest(project)


def test_runs_are_listed_with_what_they_are_kept_for(project: Project, run: Run) -> None:
    """Newest first; what nothing rests on is counted below."""
    old, table, new = (evaluate(project, run) for _ in range(3))
    assert run("build-table", "--run", table).code == 0
    found = listed(run)
    assert list(found) == [new, table, old]
    assert [one["kept_for"] for one in found.values()] == [["newest of sums"], ["routes.yaml rests on it"], []]
    assert found[old]["state"] == "finished"
    assert found[old]["classes"] == ["sums"]
    assert found[old]["replies"] > 0 < found[old]["size_bytes"]
    done = run("runs", "list")
    assert f"\n{table}" in done.out.replace("\n ", "\n")
    assert done.last.startswith("3 runs (")
    assert "; 1 run (" in done.last


def test_pruning_leaves_what_a_table_rests_on(project: Project, run: Run) -> None:
    """However old it is: `check` holds afterwards, and so does the table that would be built next."""
    old, table, new = (evaluate(project, run) for _ in range(3))
    assert run("build-table", "--run", table).code == 0
    tried = run("runs", "prune", "--all", "--dry-run")
    assert (tried.code, tried.out) == (0, f"{old}\n")
    assert folders(project) == {old, table, new}
    done = run("runs", "prune", "--all", "--yes")
    assert (done.code, done.out) == (0, f"{old}\n")
    assert " removed; 2 runs kept" in done.last
    assert folders(project) == {table, new}
    assert run("check").code == 0
    assert json.loads(run("runs", "prune", "--all", "--json", "--yes").out) == {"removed": [], "dry_run": False}


def test_other_tables_hold_their_runs_too(project: Project, run: Run) -> None:
    """A tier's table, or one that an experiment tries, stands beside routes.yaml."""
    first, second = (evaluate(project, run) for _ in range(2))
    assert run("build-table", "--run", first).code == 0
    (project.root / "routes.yaml").rename(project.root / "gold.yaml")
    assert run("build-table", "--run", second).code == 0
    third = evaluate(project, run)
    assert {name: one["kept_for"] for name, one in listed(run).items()} == {
        first: ["gold.yaml rests on it"],
        second: ["routes.yaml rests on it"],
        third: ["newest of sums"],
    }


def test_only_what_is_older_goes(project: Project, run: Run) -> None:
    """By the day on which the run was made."""
    old, other, _ = (evaluate(project, run) for _ in range(3))
    header = project.root / "reports" / old / "run.json"
    content = json.loads(header.read_text())
    header.write_text(json.dumps(content | {"created_at": "2020-01-01T00:00:00Z"}))
    assert run("runs", "prune", "--older-than", "30", "--yes").out == f"{old}\n"
    assert other in folders(project)


@pytest.mark.parametrize("options", [[], ["--all", "--older-than", "3"], ["some-run", "--all"]])
def test_which_runs_has_to_be_said(options: list[str], run: Run) -> None:
    """Nothing is removed by default."""
    assert run("runs", "prune", *options, "--yes").last.endswith(
        "name the runs to remove: their ids, --older-than DAYS and --keep N, or --all"
    )


def test_runs_go_by_their_names(project: Project, run: Run) -> None:
    """Or by their paths; one that must be kept stops it before any goes, and a wrong id gives the nearest."""
    old, older, table = (evaluate(project, run) for _ in range(3))
    assert run("build-table", "--run", table).code == 0
    newest_one = evaluate(project, run)
    for kept, why in ((table, "routes.yaml rests on it"), (newest_one, "newest of sums")):
        done = run("runs", "prune", old, kept, "--yes")
        assert (done.code, done.last) == (2, f"routerctl: reports/{kept}/: is kept: {why}")
    assert "no run 'reports/2026'; expected one of: " in run("runs", "prune", old, "reports/2026", "--yes").last
    assert folders(project) == {old, older, table, newest_one}
    assert run("runs", "prune", f"reports/{old}/", older, "--dry-run").out == f"{older}\n{old}\n"
    assert run("runs", "prune", f"reports/{old}/", older, "--yes").out == f"{older}\n{old}\n"
    assert folders(project) == {table, newest_one}


OUTCOMES = "id,model,score\n" + "".join(f"{case},m,1\n" for case in range(60))


def test_a_wrong_import_goes_by_its_name(project: Project, run: Run) -> None:
    """Though it is the newest of its class: no attempt is counted from it. One that a table rests on stays."""
    evaluate(project, run)
    project.write("o.csv", OUTCOMES.replace(",m,", ",model-large,"))
    assert run("import", "o.csv", "--class", "wrong").code == 0
    wrong = newest(project)
    assert listed(run)[wrong]["kept_for"] == ["newest of wrong"]
    assert run("build-table").code == 0
    assert (
        run("runs", "prune", wrong, "--yes").last
        == f"routerctl: reports/{wrong}/: is kept: routes.yaml rests on it, newest of wrong"
    )
    (project.root / "routes.yaml").unlink()
    assert run("runs", "prune", wrong, "--yes").out == f"{wrong}\n"
    assert list(json.loads(run("build-table", "--json").out)["routes"]) == ["sums"]


def test_an_import_that_was_done_again_is_kept_for_nothing(project: Project, run: Run) -> None:
    """The same outcomes under another class name take its place."""
    project.write("o.csv", OUTCOMES)
    for name in ("wrong", "right"):
        assert run("import", "o.csv", "--class", name).code == 0
    assert [one["kept_for"] for one in listed(run).values()] == [["newest of right"], []]


def test_attempts_are_not_forgotten(project: Project, run: Run) -> None:
    """A run in which nobody was proven counts against alpha for as long as its cases are in use: it stays."""
    project.replies({"model-small": 0.1, "model-large": 0.1})
    first = evaluate(project, run)
    project.eval_set("sums", 61)
    evaluate(project, run)
    third = evaluate(project, run)
    kept = listed(run)
    assert kept[first]["kept_for"] == ["an attempt at sums"]
    assert run("runs", "prune", "--all", "--yes").code == 0
    assert folders(project) == {first, third}
    assert "attempt 2" in run("eval").err


def test_what_cannot_be_read_stops_it(project: Project, run: Run) -> None:
    """A table in a merge conflict names its runs nowhere: what rests on what is not known."""
    evaluate(project, run)
    evaluate(project, run)
    assert run("build-table").code == 0
    text = (project.root / "routes.yaml").read_text()
    project.write("routes.yaml", text.replace("digest:", "<<<<<<< HEAD\ndigest:", 1) + "=======\n>>>>>>> other\n")
    done = run("runs", "prune", "--all", "--yes")
    assert done.code == 2
    assert "routes.yaml:" in done.last
    assert len(folders(project)) == 2


def test_a_damaged_or_abandoned_run_may_go(project: Project, run: Run) -> None:
    """One that was killed long ago, or whose header is broken; one that another process may be writing stays."""
    killed, damaged, _ = (evaluate(project, run) for _ in range(3))
    reports = project.root / "reports"
    header = reports / killed / "run.json"
    header.write_text(header.read_text().replace('"finished": true', '"finished": false'))
    (reports / damaged / "run.json").write_text("{")
    states = {name: (one["state"], one["kept_for"]) for name, one in listed(run).items()}
    assert states[killed] == ("unfinished", ["it may be running"])
    assert states[damaged] == ("damaged", [])
    for path in (reports / killed).iterdir():
        os.utime(path, (time.time() - 9999,) * 2)
    assert set(run("runs", "prune", "--all", "--yes").out.split()) == {killed, damaged}


def test_the_newest_may_be_kept(project: Project, run: Run) -> None:
    """So many of them, whether something rests on them or not; with an age both must hold."""
    runs = [evaluate(project, run) for _ in range(4)]
    assert run("runs", "prune", "--keep", "3", "--dry-run").out == f"{runs[0]}\n"
    assert run("runs", "prune", "--keep", "1", "--older-than", "30", "--dry-run").out == ""
    done = run("runs", "prune", "--keep", "2", "--yes")
    assert (done.out.split(), " removed; 2 runs kept" in done.last) == ([runs[1], runs[0]], True)
    assert folders(project) == set(runs[2:])


def test_nothing_goes_before_somebody_said_so(project: Project, run: Run) -> None:
    """Where nobody can be asked, `--yes` is; where nothing would go, nobody need be."""
    evaluate(project, run)
    assert run("runs", "prune", "--all").code == 0
    evaluate(project, run)
    done = run("runs", "prune", "--all")
    assert (done.code, "would go: say --yes" in done.last) == (2, True)
    assert len(folders(project)) == 2


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 2), (b"\n", 2), (b"y\n", 1)])
def test_a_terminal_is_asked(answer: bytes, left: int, project: Project, run: Run) -> None:
    """The runs are listed, and no answer is a no."""
    evaluate(project, run)
    evaluate(project, run)
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    started = project.start("runs", "prune", "--all", stdin=theirs)
    _, said = started.communicate(timeout=60)
    assert (started.returncode == 0) == (left == 1)
    assert b"for good? [y/N]" in said
    assert len(folders(project)) == left
    os.close(ours)
    os.close(theirs)


def test_what_the_committed_table_rests_on_stays(project: Project, run: Run) -> None:
    """Though the table in the folder has moved on: `eval --baseline` and `diff HEAD` are about the one in git."""
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    old = evaluate(project, run)
    assert run("build-table").code == 0
    for words in (("init", "-q"), ("add", "routes.yaml"), ("commit", "-q", "-m", "x")):
        subprocess.run([*git, *words], cwd=project.root, check=True)
    new = evaluate(project, run)
    assert run("build-table").code == 0
    kept = {name: one["kept_for"] for name, one in listed(run).items()}
    assert kept[old] == ["routes.yaml as committed rests on it"]
    assert kept[new] == ["routes.yaml rests on it", "newest of sums"]


def test_the_list_says_what_was_asked_and_paid(project: Project, run: Run) -> None:
    """Classes, candidates and money; what came from the cache was not paid again."""
    first = evaluate(project, run)
    again = evaluate(project, run, options=("--candidate", "large"))
    found = listed(run)
    assert (found[first]["candidates"], found[again]["candidates"]) == (["small", "large"], ["large"])
    assert float(found[first]["paid_usd"]) > 0 == float(found[again]["paid_usd"])
    (project.root / "reports" / again / "run.json").write_text("{")
    assert listed(run)[again]["paid_usd"] is None
    shown = run("runs", "list").out
    assert "candidates" in shown.splitlines()[0]
    assert "sums" in shown


# --- what failed leaves no folder -------------------------------------------------------------------------------------


def test_a_run_that_failed_before_its_first_result_leaves_nothing(vendors: Project, far: Far, run: Run) -> None:
    """Neither its folder nor an empty reports/; one that has results keeps them."""
    assert run("eval").code != 0  # the key is not set
    assert not (vendors.root / "reports").exists()
    assert run("eval", env={"TEST_KEY": "k"}).code == 0
    before = folders(vendors)
    assert run("eval", "--max-age", "0").code != 0
    assert folders(vendors) == before


# --- what git sees ----------------------------------------------------------------------------------------------------


def ignored(root: Path, *names: str) -> list[str]:
    """Which of these files git ignores."""
    git = shutil.which("git")
    assert git
    subprocess.run([git, "init", "-q"], cwd=root, check=True)
    done = subprocess.run([git, "check-ignore", *names], cwd=root, check=False, capture_output=True, text=True)
    return done.stdout.split()


def test_init_says_what_is_committed(tmp_path: Path, run: Run) -> None:
    """Runs are, with the reason and the warning; the state and JUnit files, wherever below reports/, are not."""
    own = tmp_path / "own"
    own.mkdir()
    assert run("-C", str(own), "init").code == 0
    text = (own / ".gitignore").read_text()
    assert "in clear" in text
    names = (
        ".routerctl/cache.sqlite",
        "reports/gate.xml",
        "reports/a/gate.xml",
        "reports/a/results.jsonl",
        "routes.yaml",
    )
    assert ignored(own, *names) == list(names[:3])


@pytest.mark.parametrize("before", ["", "node_modules/\n", ".routerctl/", ".routerctl/\nreports/**/*.xml\n"])
def test_init_adds_to_what_is_ignored_already(before: str, tmp_path: Path, run: Run) -> None:
    """Each pattern stands there once; a file that has them all stays as it is."""
    own = tmp_path / "own"
    own.mkdir()
    (own / ".gitignore").write_text(before)
    assert run("-C", str(own), "init").code == 0
    text = (own / ".gitignore").read_text()
    assert text.startswith(before)
    assert [text.splitlines().count(line) for line in (".routerctl/", "reports/**/*.xml")] == [1, 1]
    assert (text == before) is (before.count("\n") == 2)
