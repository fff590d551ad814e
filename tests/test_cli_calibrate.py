"""`routerctl calibrate`: from a run's evidence to a table, sentences and lines that can be pasted."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.files.yaml import parse_yaml
from tests.conftest import Done, Project, sum_is_right
from tests.test_importers import MADE

Run = Callable[..., Done]
DOUBT = "I'm not sure."


def scripted(project: Project, count: int, doubt: str = DOUBT, bar: float = 0.8) -> None:
    """Write an eval set of sums; small is right on 70 % and says `doubt` on the rest, large is right and dearer."""
    project.config["prices"][1] |= {"input_mtok_usd": 10, "output_mtok_usd": 20}
    project.save()
    project.eval_set("sums", count, bar=bar)
    script = {
        "model-small": {f"sums: 1+{k}": str(k + 1) if sum_is_right(k, 0.7) else doubt for k in range(count)},
        "model-large": {f"sums: 1+{k}": str(k + 1) for k in range(count)},
    }
    project.write("replies.json", json.dumps(script))


def found(done: Done) -> dict[str, Any]:
    """The only pair of the only class."""
    assert done.code == 0, done.err
    (of_class,) = json.loads(done.out)["classes"]
    (pair,) = of_class["pairs"]
    return dict(pair)


def test_what_is_promised_is_what_a_run_of_the_cascade_measures(project: Project, run: Run) -> None:
    """The lines pasted into routerctl.yaml, `eval` finds the score, the share sent on and the cost that were told."""
    scripted(project, 80)
    assert run("eval", "--full").code == 0
    pair = found(run("calibrate", "--json"))
    assert pair["best"] == "hedging"
    told = next(one for one in pair["signals"] if one["signal"] == "hedging")["best"]
    pasted = parse_yaml(pair["yaml"], "x").value
    (name,) = pasted["candidates"]
    pasted["candidates"][name]["escalation"]["below"] = {"hedging": 1}
    project.config["candidates"] |= pasted["candidates"]
    project.config["ladders"]["main"] = ["small", name, "large"]
    project.config["routing"] = {"thresholds": {"sums": {"hedging": 1}}}
    project.save()
    assert run("eval", "--full").code == 0
    rows = [one for one in read_run(run_folders(project.root)[0]).results if one.candidate == name]
    assert sum(one.passed for one in rows) / len(rows) == told["score"] == 1.0
    assert sum(bool(one.served_by) for one in rows) == told["rejected"] > 0
    assert sum(one.cost_usd for one in rows) / len(rows) == Decimal(told["cost_usd"])


def test_the_table_fits_80_columns_and_says_what_it_comes_to(project: Project, run: Run) -> None:
    """A row a signal, then sentences, then lines to paste; nothing of it on stderr."""
    scripted(project, 80)
    assert run("eval", "--full").code == 0
    done = run("calibrate", "--class", "sums")
    assert (done.code, done.err) == (0, "")
    assert max(len(line.rstrip()) for line in done.out.splitlines()) <= 80
    row = next(line for line in done.out.splitlines() if line.startswith("hedging")).split()
    assert (row[1], row[2], row[3], row[-1]) == ("1", "100%", "0%", "pays")
    assert "small, escalating to large where hedging below 1, keeps sums at 80%" in done.out
    lines = done.out[done.out.index("candidates:") :]
    assert parse_yaml(lines, "x").value.keys() == {"candidates", "routing"}


@pytest.mark.parametrize(
    ("count", "doubt", "risk", "said"),
    [
        (80, "wrong", "0.05", "No signal helps here"),
        (20, DOUBT, "0.05", "Too few cases"),
        (80, DOUBT, "0.0001", "keeps sums at 80%: risk 0.01%"),
    ],
)
def test_it_says_what_it_comes_to(  # noqa: PLR0917 - four of a case, two fixtures
    count: int, doubt: str, risk: str, said: str, project: Project, run: Run
) -> None:
    """No signal, too few cases; and a risk of one's own."""
    scripted(project, count, doubt)
    assert run("eval", "--full").code == 0
    done = run("calibrate", "--risk", risk)
    assert done.code == 0
    assert said in done.out


def test_a_run_that_stopped_early_asks_for_all_cases(project: Project, run: Run) -> None:
    """Without --full the cheap candidate is dropped soon: what both answered is little."""
    scripted(project, 80, bar=0.95)
    assert run("eval").code == 0
    done = run("calibrate")
    assert "`routerctl eval --full --class sums`" in " ".join(done.out.split())
    assert not found(run("calibrate", "--json"))["fixed"]


def test_a_chosen_run_and_the_newest_fitting_one(project: Project, run: Run) -> None:
    """A run with one candidate, or on another eval set, is passed by."""
    scripted(project, 40)
    assert run("eval", "--full").code == 0
    first = run_folders(project.root)[0].name
    assert run("eval", "--full", "--candidate", "small").code in (0, 7)
    alone = run("calibrate", "--run", run_folders(project.root)[0].name)
    assert (alone.code, "has no class with two candidates' results" in alone.last) == (2, True)
    (told,) = json.loads(run("calibrate", "--json").out)["classes"]
    assert told["run_id"] == first
    assert run("calibrate", "--run", first).code == 0
    scripted(project, 41)
    done = run("calibrate")
    assert done.code == 2
    assert "no run has two candidates' results" in done.last
    assert run("calibrate", "--run", first).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--class", "sum"), "no task class 'sum'; did you mean 'sums'?"),
        (("--class", "sums"), "no run has two candidates' results of sums"),
        (("--run", "20200101-000000-000000"), "no run '20200101-000000-000000'"),
        (("--risk", "0.9"), "--risk"),
    ],
)
def test_what_cannot_be_meant_is_one_line(arguments: tuple[str, ...], said: str, run: Run) -> None:
    """Exit 2, with the nearest right name or the command that helps."""
    done = run("calibrate", *arguments)
    assert done.code == 2
    assert said in done.last


def recorded(replies: bool, names: tuple[str, str] = ("small", "large")) -> str:
    """A long table of what two models said of 120 cases: the first is right on 70 % and doubts the rest."""
    rows = []
    for model, share, cost_usd in zip(names, (0.7, 1.0), ("0.001", "0.01"), strict=True):
        for k in range(120):
            right = sum_is_right(k, share)
            row = {"task": "talk", "case_id": f"c{k}", "model": model, "score": int(right), "cost_usd": cost_usd}
            rows.append(row | ({"reply": f"It is {k}." if right else DOUBT} if replies else {}))
    return "\n".join(map(json.dumps, rows))


def test_imported_replies_are_calibrated_as_our_own(project: Project, run: Run) -> None:
    """Thresholds come from the recorded replies and scores; a model that nobody can call gets no lines of its own."""
    (project.root / "evals/sums.yaml").unlink()
    project.write("o.jsonl", recorded(replies=True, names=("tiny", "vast")))
    assert run("import", "o.jsonl").code == 0
    pair = found(run("calibrate", "--json"))
    assert {one["signal"]: one["promise"] for one in pair["signals"]}["hedging"] == "pays"
    assert parse_yaml(pair["yaml"], "x").value.keys() == {"routing"}
    done = run("calibrate")
    assert "# routerctl.yaml; where tiny serves and vast stands behind it:" in done.out


def test_outcomes_of_our_own_candidates_give_lines_to_paste(project: Project, run: Run) -> None:
    """An import onto the project's ladder names candidates that can be asked: the cascade may stand on it."""
    (project.root / "evals/sums.yaml").unlink()
    project.write("o.jsonl", recorded(replies=True))
    assert run("import", "o.jsonl").code == 0
    assert parse_yaml(found(run("calibrate", "--json"))["yaml"], "x").value.keys() == {"candidates", "routing"}


def test_scores_without_replies_tell_no_signal(project: Project, run: Run) -> None:
    """A file that kept the scores alone is no fault, and no reply of length nought."""
    (project.root / "evals/sums.yaml").unlink()
    project.write("o.jsonl", recorded(replies=False))
    assert run("import", "o.jsonl").code == 0
    done = run("calibrate")
    assert (done.code, done.err) == (0, "")
    assert "The replies of small were not recorded: no signal can be computed without them." in done.out


@pytest.mark.parametrize(
    "files",
    [
        ["inspect/addition_mini.eval", "inspect/addition_4o.eval"],
        ["promptfoo/results.json.gz"],
        ["lm-eval/small", "lm-eval/large"],
        ["openai-evals/small.jsonl", "openai-evals/large.jsonl"],
    ],
)
def test_every_format_can_be_calibrated(files: list[str], project: Project, run: Run) -> None:
    """What each runner writes has no scorer of ours, and needs none."""
    (project.root / "evals/sums.yaml").unlink()
    assert run("import", *(str(MADE / file) for file in files)).code == 0
    done = run("calibrate")
    assert (done.code, done.err) == (0, "")


def test_the_help_has_examples(run: Run) -> None:
    """As every command's."""
    done = run("calibrate", "--help")
    assert done.code == 0
    assert "routerctl calibrate --class extract --risk 0.01" in " ".join(done.out.split())
