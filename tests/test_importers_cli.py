"""`routerctl import` from its arguments on: what it writes and says, and the table that follows from it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from decimal import Decimal

import pytest

from routerctl.costs import NOT_KNOWN
from routerctl.evaluation.project import PROJECT_FILE
from routerctl.evaluation.repricing import is_restated
from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.table import load_table
from routerctl.types import Price, RelativeBar, Run, Status
from routerctl.words import percent
from tests.conftest import Done, Project
from tests.test_importers import MADE
from tests.test_importers_promptfoo import filtered, whole

Command = Callable[..., Done]


def outcomes(share: dict[str, float], cases: int = 120, name: str = "talk") -> str:
    """A long table: each model right on its share of the cases, evenly spread."""
    lines = ["task,id,model,score,cost_usd,prompt"]
    for model, part in share.items():
        cost_usd = "0.001" if "small" in model else "0.02"
        for case in range(cases):
            right = int((case + 1) * part) > int(case * part)
            lines.append(f"{name},c{case},{model},{int(right)},{cost_usd},question {case}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def bare(project: Project) -> Project:
    """A folder with neither project nor eval sets."""
    (project.root / "routerctl.yaml").unlink()
    (project.root / "evals/sums.yaml").unlink()
    (project.root / "evals").rmdir()
    return project


def newest(project: Project) -> Run:
    """The run that was written last."""
    return read_run(run_folders(project.root)[0])


def fine(done: Done) -> Done:
    """It worked."""
    assert done.code == 0, done
    return done


def said(done: Done) -> str:
    """Both streams."""
    return done.out + done.err


def refused(done: Done, *parts: str, code: int = 2) -> None:
    """One line on stderr that holds these parts, and nothing written."""
    assert done.code == code, done
    assert done.last.startswith("routerctl: "), done.err
    for part in parts:
        assert part in done.last, done.err


# --- a folder without a project ---------------------------------------------------------------------------------------


def test_imported_outcomes_make_a_table_that_check_accepts(bare: Project, run: Command) -> None:
    """No project, no eval set: the classes are the run's, the cheapest that passes is chosen, and check follows it."""
    bare.write("o.csv", outcomes({"small": 0.95, "large": 1.0}))
    done = fine(run("import", "o.csv"))
    assert "talk" in done.out
    assert "95.0%" in done.out
    assert "build-table" in done.err
    built = json.loads(fine(run("build-table", "--json")).out)
    assert built["routes"]["talk"]["chosen"] == "small"
    assert "follows from its evidence" in said(fine(run("check")))
    header = newest(bare).header
    assert header.imported == ("o.csv",)
    assert header.software["imported o.csv"].startswith("sha256:")
    assert header.ladder == ("small", "large")


def test_json_says_what_was_imported(bare: Project, run: Command) -> None:
    """Stdout holds one JSON object and nothing else."""
    found = json.loads(fine(run("import", str(MADE / "inspect/addition_mini.eval"), "--json")).out)
    assert found["outcomes"] == [
        {
            "class": "addition",
            "candidate": "openai/gpt-4o-mini",
            "cases": 8,
            "epochs": 2,
            "replies": 16,
            "passed": 6,
            "mean_score": 6 / 16,
            "failed": 2,
            "unscored": 0,
            "refused": 2,
            "input_tokens": 280,
            "output_tokens": 42,
            "cost_usd": "0.000154",
        }
    ]
    assert (found["replies"], found["left_out"]) == (16, {})
    assert found["imported"] == ["addition_mini.eval"]  # not where on this machine it lay


def test_a_crowd_of_models_has_a_line_each(bare: Project, run: Command) -> None:
    """Of more than 200 pairs of class and model a line each would be read by nobody; --json has them all."""
    models = [f"m{place:03d}" for place in range(101)]
    rows = [
        f"{name},{case}," + ",".join("1" for _ in models) for name in "ab" for case in range(4 if name == "a" else 6)
    ]
    bare.write("o.csv", "\n".join([",".join(("task", "id", *models)), *rows]) + "\n")
    done = fine(run("import", "o.csv"))
    assert [line.split()[:4] for line in done.out.splitlines() if "m007" in line] == [["all", "2", "m007", "10"]]
    assert "--json has all 202" in done.err
    told = json.loads(fine(run("import", "o.csv", "--json")).out)["outcomes"]
    assert [(one["class"], one["cases"]) for one in told if one["candidate"] == "m007"] == [("a", 4), ("b", 6)]


def test_failed_calls_and_missing_costs_are_said(bare: Project, run: Command) -> None:
    """On stderr: what counts as failed, whose cost is missing, and the flag that gives it."""
    done = fine(run("import", str(MADE / "promptfoo/results.json.gz"), "--class", "sums"))
    assert "2 rows with errors are failed calls" in done.err.replace("\xa0", " ")
    assert "--cost openai:chat:small=USD (a case) or --price openai:chat:small=INPUT,OUTPUT" in done.err
    assert "not known" in done.out
    failed = [result for result in newest(bare).results if result.status is Status.FAILED]
    assert len(failed) == 2
    assert not any(result.passed for result in failed)


def test_an_empty_cost_cell_reverses_no_verdict(bare: Project, run: Command) -> None:
    """One of many counts at the mean of the others, and it is said; the choice is the one of the whole file."""
    whole = outcomes({"large": 1.0, "small": 0.95})
    bare.write("o.csv", whole.replace("c7,large,1,0.02,", "c7,large,1,,"))
    done = fine(run("import", "o.csv"))
    assert "the cost of 1 of 120 replies of large is not in the file: counted at the mean of the others\n" in done.err
    assert newest(bare).header.ladder == ("small", "large")
    assert {str(one.cost_usd) for one in newest(bare).results if one.candidate == "large"} == {"0.02"}


def test_costs_of_some_models_order_these(bare: Project, run: Command) -> None:
    """Those among themselves, the others where the file has them; loudly, since the order then decides."""
    rows = outcomes({"large": 1.0, "other": 1.0, "small": 1.0})
    bare.write("o.csv", re.sub(r"(c\d*[0-4],other,\d),[\d.]+,", r"\1,,", rows))
    done = fine(run("import", "o.csv"))
    assert "the cost of 60 of 120 replies of other is not in the file (first o.csv:122): too many" in done.err
    assert "the cost of other is not known: --cost other=USD (a case)\n" in done.err
    assert "warning: until every model's cost is known no cost is used, and the order of the ladder alone" in done.err
    assert (
        "ladder, as the files name them, those of known cost cheapest first: small, other, large (--order" in done.err
    )
    assert newest(bare).header.ladder == ("small", "other", "large")
    assert {one.cost_usd for one in newest(bare).results} == {0}
    assert "not known" in done.out


def test_a_column_that_is_not_used_is_said(bare: Project, run: Command) -> None:
    """One line on stderr; a column that would pass for a model is refused before anything is written."""
    bare.write("o.csv", outcomes({"small": 1.0}).replace("cost_usd", "costs").replace("task", "kind"))
    assert "  columns not used: costs (did you mean cost?), kind\n" in fine(run("import", "o.csv")).err
    shutil.rmtree(bare.root / "reports")
    bare.write("o.csv", outcomes({"small": 1.0}).replace("score", "pased"))
    refused(run("import", "o.csv"), "o.csv:1", "column model", "--score-column (pased?)")
    assert not run_folders(bare.root)


def test_prices_by_token_order_the_ladder(bare: Project, run: Command) -> None:
    """Tokens times the given price is each reply's cost; the cheapest stands first whatever the file's order."""
    price = ["--price", "openai:chat:small=20,80", "--price", "openai:chat:large=2,8"]
    fine(run("import", str(MADE / "promptfoo/results.json.gz"), "--class-column", "kind", *price))
    made = newest(bare)
    assert made.header.ladder == ("openai:chat:large", "openai:chat:small")
    assert sorted(made.header.classes) == ["even", "odd"]
    answered = [one for one in made.results if one.candidate == "openai:chat:large" and one.status is Status.SCORED]
    assert {str(one.cost_usd) for one in answered} == {"0.000064"}
    assert made.header.prices["openai:chat:small"].input_mtok_usd == 20


def test_latency_and_order_are_taken_from_the_command_line(bare: Project, run: Command) -> None:
    """A flat latency for a model; --order sets the ladder and leaves the others out, saying so."""
    bare.write("w.csv", "id,a,b,c\n" + "".join(f"{n},1,0,1\n" for n in range(5)))
    done = fine(run("import", "w.csv", "--order", "c,a", "--latency", "a=1.5"))
    assert "left out, not in --order: b" in done.err
    made = newest(bare)
    assert made.header.ladder == ("c", "a")
    assert {(one.candidate, one.latency_s) for one in made.results} == {("c", None), ("a", 1.5)}


def test_scores_between_pass_where_the_user_says(bare: Project, run: Command) -> None:
    """By default only 1 passes and that is said; --pass-at moves it; --mean-score compares the mean."""
    bare.write("w.csv", "id,a\n1,1\n2,0.5\n3,0\n4,0.5\n")
    assert "2 scores between 0 and 1 count as not passed" in fine(run("import", "w.csv")).err.replace("\xa0", " ")
    assert sum(one.passed for one in newest(bare).results) == 1
    fine(run("import", "w.csv", "--pass-at", "0.5"))
    assert sum(one.passed for one in newest(bare).results) == 3
    done = fine(run("import", "w.csv", "--mean-score"))
    assert "50.0%" in done.out
    assert newest(bare).header.classes["w"].measure == "mean_score"


def test_hostile_text_stays_harmless(bare: Project, run: Command) -> None:
    """A model's name and a class from a file reach the terminal without their escape sequences."""
    bare.write("o.csv", "task,id,model,score\nta\x1b[31msk,1,mo\x1b[31mdel,1\n")
    done = fine(run("import", "o.csv"))
    assert "\x1b" not in done.out + done.err
    fine(run("build-table"))
    assert "\x1b" not in (bare.root / "routes.yaml").read_text()


def test_a_model_that_costs_nothing_is_the_cheapest(bare: Project, run: Command) -> None:
    """A cost given as 0 is known: of two that pass, the free one is chosen."""
    bare.write("o.csv", outcomes({"small": 1.0, "large": 1.0}).replace("cost_usd", "unknown"))
    fine(run("import", "o.csv", "--cost", "small=0", "--cost", "large=0.01", "--order", "large,small", "--bar", "0.8"))
    done = fine(run("build-table", "--json"))
    assert [route["chosen"] for route in json.loads(done.out)["routes"].values()] == ["small"], done.out


@pytest.mark.parametrize(
    "row", [r'"model": "m\ud800", "input": "\udfff"', '"model": "m", "expected": 1e999, "input": -Infinity'], ids=str
)
def test_values_that_no_file_can_take_do_not_stop_the_table(row: str, bare: Project, run: Command) -> None:
    """Halves of surrogate pairs and numbers beyond all bounds: what import takes, build-table reads."""
    bare.write("o.jsonl", "".join(f'{{"id": {number}, "score": 1, {row}}}\n' for number in range(60)))
    fine(run("import", "o.jsonl"))
    assert json.loads(fine(run("build-table", "--json")).out)["routes"]["o"]["chosen"]


def test_an_import_that_was_cut_off_is_no_evidence(bare: Project, run: Command) -> None:
    """Its folder is there, unfinished, and build-table does not take a part for the whole."""
    bare.write("o.csv", outcomes({"small": 1.0}))
    fine(run("import", "o.csv"))
    header = run_folders(bare.root)[0] / "run.json"
    header.write_text(header.read_text().replace('"finished": true', '"finished": false'))
    refused(run("build-table"), "no evidence")


@pytest.mark.parametrize("column", ["cost_usd", "unknown"])
def test_an_imported_candidate_cannot_be_called(column: str, bare: Project, run: Command) -> None:
    """Routing to one fails with a line, not a traceback, whether its cost is known or not."""
    bare.write("o.csv", outcomes({"small": 1.0}).replace("cost_usd", column))
    fine(run("import", "o.csv"))
    fine(run("build-table"))
    refused(run("route", "--class", "talk", stdin="hello"), "imported")


def test_nobody_here_paid_for_imported_outcomes(bare: Project, run: Command) -> None:
    """Nothing is told of the evaluation's price or of what pays it back, nor that eval would run them."""
    rows = (
        outcomes({"small": 0.95, "large": 1.0}) + outcomes({"small": 0.5, "large": 1.0}, name="hard").partition("\n")[2]
    )
    bare.write("o.csv", rows)
    fine(run("import", "o.csv", "--order", "small,large"))
    done = fine(run("build-table"))
    assert "worth it" in done.err
    assert "evaluation" not in said(done)
    assert "`routerctl eval" not in said(done)
    assert "paid" not in (run_folders(bare.root)[0] / "report.html").read_text()


def test_runs_on_different_ladders_are_not_mixed(bare: Project, run: Command) -> None:
    """Two imports with different models: one line that says what to do; naming one run builds its table."""
    bare.write("a.csv", outcomes({"small": 1.0}, name="one"))
    bare.write("b.csv", outcomes({"large": 1.0}, name="two"))
    fine(run("import", "a.csv"))
    first = newest(bare).header.run_id
    fine(run("import", "b.csv"))
    refused(run("build-table"), first, "cannot be in one table", "import all files in one command, name one", "--run")
    built = json.loads(fine(run("build-table", "--run", first, "--json")).out)
    assert list(built["routes"]) == ["one"]
    fine(run("check"))


@pytest.mark.parametrize("more", [{}, {"large": 1.0}], ids=["the same models", "one more"])
def test_files_whose_models_stand_in_another_order_fit_by_order(
    more: dict[str, float], bare: Project, run: Command
) -> None:
    """The refusal names the order of the other run, and with it both are in one table."""
    bare.write("a.csv", outcomes({"b small": 1.0, "a": 1.0}, name="one").replace("cost_usd", "unknown"))
    bare.write("b.csv", outcomes({"a": 1.0, "b small": 1.0, **more}, name="two").replace("cost_usd", "unknown"))
    fine(run("import", "b.csv"))
    fine(run("import", "a.csv"))
    refused(run("build-table"), "have different ladder", "import b.csv again with `--order 'b small,a'`, name one run")
    fine(run("import", "b.csv", "--order", "b small,a"))
    assert classes(run) == ["one", "two"]


def test_costs_that_replace_those_of_the_file_are_said(bare: Project, run: Command) -> None:
    """In one line, of the models that the file has costs of."""
    bare.write("o.csv", re.sub(r"(,other,\d),[\d.]+,", r"\1,,", outcomes({"small": 1.0, "large": 1.0, "other": 1.0})))
    done = fine(run("import", "o.csv", "--cost", "small=1", "--cost", "other=2"))
    assert "--cost or --price replaces the costs that the files have of small\n" in done.err
    assert "replaces" not in fine(run("import", "o.csv")).err


def test_a_file_that_names_no_class_is_said_to_be_one(bare: Project, run: Command) -> None:
    """With the name that it gets, beside the column that may have been meant; not where a class is given or named."""
    bare.write("my.csv", outcomes({"small": 1.0}).replace("task,", "clas,"))
    done = fine(run("import", "my.csv"))
    assert "columns not used: clas (did you mean class?)\n" in done.err
    assert "nothing names the class, so everything is one class, my (--class-column, --class)\n" in done.err
    for options in (("--class", "talk"), ("--class-column", "clas")):
        assert "names the class" not in fine(run("import", "my.csv", *options)).err


def test_the_newest_import_of_a_class_counts(bare: Project, run: Command) -> None:
    """Importing again replaces the evidence; --run brings the earlier one back."""
    bare.write("a.csv", outcomes({"small": 0.5, "large": 1.0}))
    fine(run("import", "a.csv"))
    first = newest(bare).header.run_id
    bare.write("a.csv", outcomes({"small": 1.0, "large": 1.0}))
    fine(run("import", "a.csv"))
    assert json.loads(fine(run("build-table", "--json")).out)["routes"]["talk"]["chosen"] == "small"
    assert json.loads(fine(run("build-table", "--run", first, "--json")).out)["routes"]["talk"]["chosen"] == "large"


def classes(run: Command, *options: str) -> list[str]:
    """The classes of the table that is built."""
    return list(json.loads(fine(run("build-table", "--json", *options)).out)["routes"])


def test_outcomes_that_are_imported_again_take_their_own_place(bare: Project, run: Command) -> None:
    """Under other class names too, and whatever is known of costs; the earlier run counts where it is asked for."""
    bare.write("a.csv", outcomes({"small": 1.0, "large": 1.0}).replace("task,", "kind,"))
    fine(run("import", "a.csv"))
    first = newest(bare).header.run_id
    done = fine(run("import", "a.csv", "--class-column", "kind", "--cost", "small=0.1", "--cost", "large=0.2"))
    assert f"the same outcomes as in run {first}, which no longer counts" in done.err
    assert "attempt" not in done.err
    assert classes(run) == ["talk"]
    assert "1 class with imported outcomes, 120 cases" in fine(run("check")).out
    assert classes(run, "--run", first) == ["a"]
    bare.write("b.csv", outcomes({"small": 1.0, "large": 1.0}, name="more"))
    assert "no longer counts" not in fine(run("import", "b.csv")).err


@pytest.mark.parametrize(
    "again",
    [
        ("--class", "b", "--score-column", "other"),
        ("--class", "b", "grown.csv"),
        ("--class", "b", "--ladder", "second"),
    ],
    ids=["other scores", "another file", "another ladder"],
)
def test_other_outcomes_stand_beside(again: tuple[str, ...], project: Project, run: Command) -> None:
    """Another scorer's, another file's, and those for another ladder."""
    project.config["ladders"]["second"] = ["small", "large"]
    project.save()
    rows = "".join(f"{case},{name},1,1\n" for case in range(60) for name in ("model-small", "model-large"))
    project.write("a.csv", f"id,model,score,other\n{rows}")
    project.write("grown.csv", f"id,model,score,other\n{rows}60,model-small,1,1\n60,model-large,1,1\n")
    fine(run("import", "a.csv", "--class", "a"))
    file = () if "grown.csv" in again else ("a.csv",)
    assert "no longer counts" not in fine(run("import", *file, *again)).err
    fine(run("eval", "--class", "sums"))
    assert "a" in classes(run)


@pytest.mark.parametrize(("cases", "epochs"), [(6, 4), (6, 1), (1200, 2)])
def test_passed_replies_are_told_of_the_replies(cases: int, epochs: int, bare: Project, run: Command) -> None:
    """Of a case that was answered several times each reply counts, so a score is what stands beside it."""
    rows = "".join(f"{case},small,{int(case % 4 == 0)}\n" for case in range(cases) for _ in range(epochs))
    bare.write("a.csv", f"id,model,score\n{rows}")
    passed, replies = epochs * len(range(0, cases, 4)), epochs * cases
    (row,) = [line.split() for line in fine(run("import", "a.csv")).out.splitlines() if " small " in line]
    assert row[2:7] == [f"{cases:,}", str(epochs), f"{replies:,}", f"{passed:,}", percent(passed / replies)]


def test_counts_read_alike_in_terminal_and_report(bare: Project, run: Command) -> None:
    """Thousands are set off wherever they are shown; what the table itself holds stays as it is written there."""
    rows = "".join(f"{case},{name},{int(case % 5 > 0)}\n" for case in range(4110) for name in ("small", "large"))
    bare.write("a.csv", f"id,model,score\n{rows}")
    fine(run("import", "a.csv", "--bar", "0.79"))
    built = fine(run("build-table"))
    text = (bare.root / "routes.yaml").read_text()
    page = (run_folders(bare.root)[0] / "report.html").read_text()
    assert "3288 of 4110 cases passed (4110 planned)" in " ".join(text.split())
    assert "3,288/4,110" in built.out
    assert "3,288 of 4,110 cases passed (4,110 planned)" in page
    for told in (built.out, built.err, page):
        assert not re.search(r"(?<![0-9a-f])(3288|4110)(?![0-9a-f])", told)  # a digest may hold them
    bare.write("old.yaml", text)
    fine(run("import", "a.csv", "--bar", "0.7"))
    fine(run("build-table"))
    assert "3,288 of 4,110 cases" in fine(run("diff", "old.yaml", "routes.yaml")).out
    fine(run("check"))


def test_a_bar_that_is_lowered_once_the_outcomes_were_seen_is_another_attempt(bare: Project, run: Command) -> None:
    """Of those not proven at the higher one; the same bar, other prices and a raised bar are none."""
    bare.write("a.csv", outcomes({"small": 0.7, "large": 1.0}))

    def attempts(*options: str) -> tuple[int, dict[str, int], object]:
        fine(run("import", "a.csv", *options))
        (found,) = newest(bare).header.classes.values()
        return found.attempt, dict(found.attempts), found.lowered_from

    assert attempts("--bar", "0.9") == (1, {}, None)
    assert attempts("--bar", "0.9", "--cost", "small=0.1", "--cost", "large=0.2") == (1, {}, None)
    lowered = (2, {"small": 2, "large": 1}, 0.9)
    assert attempts("--bar", "0.6") == lowered
    assert attempts("--bar", "0.6") == lowered
    assert attempts("--bar", "0.95") == (1, {}, None)
    fine(run("runs", "prune", "--all", "--yes"))
    assert len(run_folders(bare.root)) == 3  # one a bar: what was tried is not forgotten
    done = fine(run("import", "a.csv", "--bar", "0.6"))
    assert "talk: the bar was 95% when it was tested and not proven; it is now 60%" in done.err
    assert newest(bare).header.classes["talk"].attempts == {"small": 3, "large": 1}
    fine(run("import", "a.csv", "--bar", "0.5", "--class", "chat"))
    assert newest(bare).header.classes["chat"].attempts == {"small": 4, "large": 1}  # .9, .95 and .6 missed
    assert "a: not the first attempt" in fine(run("build-table")).out


@pytest.mark.parametrize(
    ("pass_at", "settings", "attempt"),
    [
        (("0.9", "0.6"), {}, 2),
        (("0.6", "0.9"), {}, 1),
        (("1", "1"), {"seed": 7}, 2),
        (("1", "1"), {"mode": "margin"}, 2),
    ],
    ids=["passes at less", "passes at more", "another order", "margin"],
)
def test_outcomes_tested_in_an_easier_way_are_another_attempt(
    pass_at: tuple[str, str], settings: dict[str, object], attempt: int, project: Project, run: Command
) -> None:
    """Not only by the bar; and the import that was tried first is kept for that."""
    rows = "".join(f"{case},{name},0.{case % 10}\n" for case in range(60) for name in ("model-small", "model-large"))
    project.write("a.csv", f"id,model,score\n{rows}")
    again = ["import", "a.csv", "--class", "talk", "--pass-at"]
    fine(run(*again, pass_at[0]))
    project.config.update(settings)
    project.save()
    for _ in range(2):
        fine(run(*again, pass_at[1]))
        assert newest(project).header.classes["talk"].attempt == attempt
        fine(run("runs", "prune", "--all", "--yes"))


def test_many_lowered_bars_are_told_in_few_lines(bare: Project, run: Command) -> None:
    """Ten lines of all, and how many more there are."""
    head, *_ = outcomes({}).splitlines()
    rows = [outcomes({"small": 0.7}, 60, f"t{number}").partition("\n")[2] for number in range(8)]
    bare.write("a.csv", f"{head}\n{''.join(rows)}")
    fine(run("import", "a.csv", "--bar", "0.9"))
    done = fine(run("import", "a.csv", "--bar", "0.6"))
    assert done.err.count(": the bar was 90%") == done.err.count(": attempt 2 ") == 5
    assert "and 6 more such lines, as the report has them" in done.err


def test_check_sees_edited_evidence(bare: Project, run: Command) -> None:
    """A result that is changed after the table was built is found: exit 3."""
    bare.write("a.csv", outcomes({"small": 0.95, "large": 1.0}))
    fine(run("import", "a.csv"))
    fine(run("build-table"))
    file = run_folders(bare.root)[0] / "results.jsonl"
    file.write_text(file.read_text().replace('"passed": true', '"passed": false', 30))
    refused(run("check"), "does not follow from its evidence", code=3)


def test_every_reply_of_the_files_is_accounted_for(bare: Project, run: Command) -> None:
    """Those that count, the others by their reason, and what the first used: on stderr, and in JSON."""
    rows = ["1,a,1,,100", "2,a,,500,", "2,a,0,,100", "3,a,1,,100", "1,b,1,,50", "2,b,1,,50", "2,b,1,,50", "1,c,1,,9"]
    bare.write("o.csv", "\n".join(("id,model,score,error,input_tokens", *rows)) + "\n")
    prices = ["--price", "a=10,0", "--price", "b=20,0"]
    done = fine(run("import", "o.csv", "--order", "a,b", *prices))
    assert (
        "4 of 8 replies count; left out: 1 of models that are not in --order, 1 failed calls that were repeated, "
        "1 to cases that not every model answered, 1 more than others have to the same case; "
        "300 tokens in and 0 out; $0.004 in all\n"
    ) in done.err.replace("\xa0", " ")
    told = json.loads(fine(run("import", "o.csv", "--order", "a,b", *prices, "--json")).out)
    assert told["replies"] == sum(one["replies"] for one in told["outcomes"]) + sum(told["left_out"].values())
    assert [one["input_tokens"] for one in told["outcomes"]] == [200, 100]


def test_the_table_of_an_import_adds_up(bare: Project, run: Command) -> None:
    """Passed is a part of the replies, which are the cases times the epochs."""
    bare.write("o.csv", "id,m\n" + "".join(f"{case},{int(epoch == 0)}\n" for case in range(6) for epoch in range(4)))
    done = fine(run("import", "o.csv"))
    head, row = ([line.split() for line in done.out.splitlines()][place] for place in (1, 3))
    assert head[2:6] == ["cases", "epochs", "replies", "passed"]
    assert row[2:7] == ["6", "4", "24", "6", "25.0%"]


def test_models_that_were_asked_in_several_ways_are_ordered_by_their_plain_names(bare: Project, run: Command) -> None:
    """Where no case is everyone's, the error names a pair; plain names compare the models on all prompts."""
    whole(bare.root, filtered(2))
    refused(run("import", "r.json"), "no case was answered by each of", "have --order 'gpt-4o-mini #1,gpt-4o #1'")
    refused(run("import", "r.json", "--order", "gpt-4,gpt-4o"), "--order: no model 'gpt-4'")
    done = fine(run("import", "r.json", "--order", "gpt-4o-mini,gpt-4o", "--class", "t"))
    assert "all the ways in which gpt-4o, gpt-4o-mini was asked are taken together" in done.err
    assert newest(bare).header.ladder == ("gpt-4o-mini", "gpt-4o")
    assert sum(one.passed for one in newest(bare).results) == len(newest(bare).results) / 2 == 32


def test_models_on_few_cases_in_common_are_told_of_a_pair_with_more(bare: Project, run: Command) -> None:
    """Two of three share most: the note says which, and no case is lost without it."""
    rows = [f"{case},{model},1\n" for case in range(10) for model in "ab"] + ["9,c,1\n", "10,c,0\n"]
    bare.write("o.csv", f"id,model,score\n{''.join(rows)}")
    done = fine(run("import", "o.csv"))
    assert "o: 10 of 11 cases left out: not every model answered them\n" in done.err
    assert "o: 10 cases in common have --order a,b\n" in done.err
    assert "3 of 22 replies count; left out: 19 to cases that not every model answered\n" in done.err.replace(
        "\xa0", " "
    )


def test_a_scale_is_given_on_the_command_line(bare: Project, run: Command) -> None:
    """The refusal names the flag, and with it the file is read."""
    bare.write("o.csv", "id,a,b\n" + "".join(f"{case},{4 + case % 2},{1 + case % 5}\n" for case in range(20)))
    refused(run("import", "o.csv"), "column a goes from 4 to 5: give --scale 5, or --scale 1-5 where 1 is the worst")
    refused(run("import", "o.csv", "--scale", "five"), "--scale: expected the highest score")
    fine(run("import", "o.csv", "--scale", "1-5", "--pass-at", "0.75"))
    assert [sum(one.passed for one in newest(bare).results if one.candidate == name) for name in "ab"] == [20, 8]


def test_a_table_of_imports_shows_all_outcomes(bare: Project, run: Command) -> None:
    """Where the test stopped does not matter to what is shown: they are there, and they are paid for."""
    rows = [f"{case},{int(case not in (1, 4))},{int(case != 2)}\n" for case in range(10)]
    bare.write("o.csv", "id,small,large\n" + "".join(rows))
    fine(run("import", "o.csv", "--bar", "0.9", "--cost", "small=0.01", "--cost", "large=0.1"))
    fine(run("build-table"))
    judged = load_table(bare.root / "routes.yaml").routes["o"].evidence
    assert [(one.judgement.passes, one.judgement.cases) for one in judged] == [(8, 10), (9, 10)]


def test_a_mark_without_a_table_is_one_line(bare: Project, run: Command) -> None:
    """A byte-order mark alone is an empty file, not a traceback."""
    (bare.root / "o.csv").write_bytes(b"\xef\xbb\xbf")
    refused(run("import", "o.csv"), "o.csv: the file is empty")


# --- beside a project -------------------------------------------------------------------------------------------------

BESIDE = {"model-small": 0.5, "model-large": 1.0}


def test_imported_classes_stand_beside_the_projects_own(project: Project, run: Command) -> None:
    """Models that are candidates of the ladder get its pins and prices, so both kinds of run fit into one table."""
    project.write("a.csv", outcomes(BESIDE))
    fine(run("eval"))
    fine(run("import", "a.csv", "--bar", "0.9"))
    header = newest(project).header
    assert (header.ladder_name, header.ladder) == ("main", ("small", "large"))
    assert header.candidates["small"].model == "model-small"
    built = json.loads(fine(run("build-table", "--json")).out)["routes"]
    assert {name: route["chosen"] for name, route in built.items()} == {"sums": "large", "talk": "large"}
    assert "follows from its evidence" in said(fine(run("check")))


def test_a_candidates_price_says_nothing_of_replies_without_tokens(project: Project, run: Command) -> None:
    """On a ladder of its own a candidate does not pass for free, nor once its price is stated."""
    project.write("a.csv", outcomes({"model-small": 1.0, "other": 1.0}).replace("cost_usd", "unknown"))
    assert "$" not in fine(run("import", "a.csv")).out
    made = newest(project)
    assert {one.source for one in made.header.prices.values()} == {NOT_KNOWN}
    stated = Price(
        date="2026-11-30", source=f"{PROJECT_FILE}: me", input_mtok_usd=Decimal(1), output_mtok_usd=Decimal(1)
    )
    assert not is_restated(made.header.prices["small"], stated)


def test_on_the_projects_ladder_too_what_is_not_known_is_not_free(project: Project, run: Command) -> None:
    """Outcomes without costs stand beside the project's own, without money; a stated price changes nothing."""
    project.write("a.csv", outcomes(BESIDE).replace("cost_usd", "unknown"))
    fine(run("eval"))
    assert "$" not in fine(run("import", "a.csv", "--bar", "0.9")).out
    assert newest(project).header.prices["small"].source == NOT_KNOWN
    fine(run("import", "a.csv", "--bar", "0.9", "--class", "chat"))
    project.config["prices"] = [{**one, "input_mtok_usd": 9} for one in project.config["prices"]]
    project.save()
    built = json.loads(fine(run("build-table", "--json")).out)["routes"]
    costs = {name: [one["cost_per_accepted_usd"] for one in route["candidates"]] for name, route in built.items()}
    assert costs["chat"] == [None, None]
    assert all(costs["sums"])
    table = load_table(project.root / "routes.yaml")
    assert NOT_KNOWN not in {price.source for price in table.prices.values()}  # what it serves has a price
    assert "follows from its evidence" in said(fine(run("check")))


def test_own_runs_go_before_imported_ones(project: Project, run: Command) -> None:
    """A class with an eval set rests on its own run unless --run names the imported one."""
    project.write("a.csv", outcomes({"model-small": 1.0, "model-large": 1.0}, name="sums"))
    fine(run("eval"))
    fine(run("import", "a.csv"))
    imported = newest(project).header.run_id
    assert json.loads(fine(run("build-table", "--json")).out)["routes"]["sums"]["chosen"] == "large"
    built = json.loads(fine(run("build-table", "--run", imported, "--json")).out)
    assert built["routes"]["sums"]["chosen"] == "small"
    fine(run("check"))


def test_strangers_stand_on_a_ladder_of_their_own(project: Project, run: Command) -> None:
    """A model that is no candidate: said at import, left out of the project's table, refused when asked for."""
    project.write("a.csv", outcomes({"other": 1.0}))
    fine(run("eval"))
    done = fine(run("import", "a.csv"))
    assert "not on ladder 'main': other" in done.err
    assert list(json.loads(fine(run("build-table", "--json")).out)["routes"]) == ["sums"]
    refused(run("build-table", "--run", newest(project).header.run_id), "cannot be in one table")


def test_a_part_of_the_ladder_is_enough_for_an_imported_class(project: Project, run: Command) -> None:
    """Where only one rung has outcomes, the class rests on that one."""
    project.write("a.csv", outcomes({"model-large": 1.0}))
    fine(run("eval"))
    fine(run("import", "a.csv"))
    assert newest(project).header.rungs == ("large",)
    built = json.loads(fine(run("build-table", "--json")).out)["routes"]["talk"]
    assert [item["candidate"] for item in built["candidates"]] == ["large"]


def test_a_model_can_be_told_to_be_a_candidate(project: Project, run: Command) -> None:
    """--as names the candidate; two candidates of one model id have to be told apart."""
    project.write("a.csv", outcomes({"the little one": 0.5, "model-large": 1.0}))
    fine(run("import", "a.csv", "--as", "the little one=small"))
    assert newest(project).header.ladder_name == "main"
    project.config["candidates"]["twin"] = {"provider": "fake", "model": "model-large", "max_tokens": 9}
    project.save()
    refused(run("import", "a.csv"), "may be the candidate large or twin", "--as model-large=CANDIDATE")


def test_the_example_of_init_is_told_from_other_sets(bare: Project, run: Command) -> None:
    """Without a run of it no table is built: it may be evaluated or go, and goes as the line says."""
    fine(run("init"))
    bare.write("a.csv", outcomes({"tiny": 0.95, "big": 1.0}))
    fine(run("import", "a.csv", "--as", "tiny=haiku", "--as", "big=sonnet"))
    refused(run("build-table"), "evals/ticket.yaml", "`routerctl eval --class ticket`", "the example that `init` wrote")
    example = bare.root / "evals/ticket.yaml"
    own = example.read_text()
    example.write_text(own.replace("bar: 0.8 ", "bar: 0.85 "))
    done = run("build-table")
    assert done.code == 2
    assert "the example" not in done.err
    example.unlink()
    config = bare.root / "routerctl.yaml"
    config.write_text(config.read_text().replace("default_class: ticket", ""))
    assert classes(run) == ["talk"]


@pytest.mark.parametrize(
    ("name", "hint"), [("foo", "expected one of: imported"), ("importd", "did you mean 'imported'?")]
)
def test_a_ladder_that_no_run_is_of_is_named(name: str, hint: str, bare: Project, run: Command) -> None:
    """With those there are; nothing is to be evaluated for that."""
    bare.write("a.csv", outcomes({"small": 1.0}))
    fine(run("import", "a.csv"))
    refused(run("build-table", "--ladder", name), f"reports/: no run is of ladder {name!r}; {hint}")


# --- what is typed wrongly --------------------------------------------------------------------------------------------

TYPED: list[tuple[list[str], list[str]]] = [
    (["none.csv"], ["none.csv", "no such file"]),
    (["w.csv", "--format", "tabel"], ["no format 'tabel'", "did you mean 'table'?"]),
    (["w.csv", "--bar", "0"], ["--bar", "above 0 and below 1"]),
    (["w.csv", "--bar", "80"], ["--bar", "got 80; did you mean 0.8?"]),
    (["w.csv", "--bar", "82.5%"], ["--bar", "got 82.5%; did you mean 0.825?"]),
    (["w.csv", "--bar", "1.2"], ["--bar", "got 1.2"]),
    (["w.csv", "--bar", "1"], ["--bar", "below 1", "no number of cases proves"]),
    (["w.csv", "--pass-at", "50"], ["--pass-at", "did you mean 0.5?", "divide those in percent by 100"]),
    (["w.csv", "--class", "a", "--class-column", "id"], ["exclude each other"]),
    (["w.csv", "--cost", "smal=1"], ["--cost", "no model 'smal'", "did you mean 'small'?"]),
    (["w.csv", "--cost", "small"], ["--cost", "expected MODEL=VALUE"]),
    (["w.csv", "--cost", "small=cheap"], ["--cost small", "0.0247", "'cheap'"]),
    (["w.csv", "--cost", "small=-1"], ["--cost small"]),
    (["w.csv", "--cost", "small=nan"], ["--cost small"]),
    (["w.csv", "--cost", "small=1", "--cost", "small=2"], ["named twice"]),
    (["w.csv", "--price", "small=1"], ["--price small", "INPUT,OUTPUT"]),
    (["w.csv", "--price", "small=1,2"], ["no token counts", "--cost small=USD"]),
    (["w.csv", "--latency", "small=soon"], ["--latency small", "seconds"]),
    (["w.csv", "--order", "large,smal"], ["--order", "did you mean 'small'?"]),
    (["w.csv", "--order", "large,large"], ["named twice"]),
    (["w.csv", "--ladder", "main"], ["--ladder", "routerctl.yaml"]),
    (["w.csv", "--as", "small=small"], ["--as", "routerctl.yaml"]),
    (["w.csv", "--case-column", "idd"], ["w.csv:1", "did you mean 'id'?"]),
]


@pytest.mark.parametrize(("arguments", "parts"), TYPED, ids=lambda value: " ".join(value) if value else "")
def test_what_is_typed_wrongly_is_named(arguments: list[str], parts: list[str], bare: Project, run: Command) -> None:
    """Exit 2, one line with the nearest right name, and no run is left behind."""
    bare.write("w.csv", "id,small,large\n1,1,0\n2,1,1\n")
    refused(run("import", *arguments), *parts)
    assert not run_folders(bare.root)


def test_a_bar_of_one_is_for_modes_that_prove_nothing(project: Project, run: Command) -> None:
    """Where the project compares the rate alone, a bar of 1 can be reached."""
    project.write("a.csv", outcomes({"model-large": 1.0}))
    project.config["mode"] = "point"
    project.save()
    fine(run("import", "a.csv", "--bar", "1"))
    refused(run("import", "a.csv", "--bar", "90"), "above 0 and up to 1", "did you mean 0.9?")


def test_blanks_around_a_model_do_not_matter(bare: Project, run: Command) -> None:
    """In every option that names one."""
    bare.write("w.csv", "id,small,big\n" + "".join(f"{n},1,1\n" for n in range(20)))
    cost = ["--cost", "small = 0.1", "--cost", " big= 0.2"]
    fine(run("import", "w.csv", "--bar", "within = 0.05: big", "--today", "big ", "--order", "small, big", *cost))
    (of_class,) = newest(bare).header.classes.values()
    assert (of_class.bar, of_class.today) == (RelativeBar(within=0.05, of="big"), "big")


def test_a_project_that_is_broken_is_named(project: Project, run: Command) -> None:
    """The project's own error comes before anything is read."""
    project.write("routerctl.yaml", "ladder: [")
    refused(run("import", str(MADE / "inspect/addition_mini.eval")), "routerctl.yaml")


def test_help_shows_examples(run: Command) -> None:
    """The help of the command has examples."""
    assert "routerctl import outcomes.csv.gz" in run("import", "--help").out
