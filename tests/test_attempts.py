"""How often a candidate had a chance to be proven, told from the runs and the table that a project has."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from routerctl.evaluation.assemble import assemble
from routerctl.evaluation.run.cached_call import Spending
from routerctl.evaluation.run.session import EvalOptions, plan_run, run_eval, warnings_of
from routerctl.providers.base import Outside
from routerctl.providers.fake import FakeProvider, reply_of
from routerctl.review.diff import compare
from routerctl.review.report.wording import flags
from routerctl.table import load_table, table_text
from routerctl.types import ClassHeader, RelativeBar, Reply, Request
from tests.conftest import Project
from tests.test_evaluate import Seen

_TICKS = itertools.count()
SMALL, LARGE = "model-small", "model-large"
NOBODY: dict[str, int] = {}


def clock() -> datetime:
    """Every look at this clock is a second later."""
    return datetime(2026, 11, 24, tzinfo=UTC) + timedelta(seconds=next(_TICKS))


async def run(project: Project, misses: dict[str, int], **options: Any) -> ClassHeader:
    """Evaluate; each model misses one in so many cases, 0 = none, left out = all. Give the class's header."""
    planned = plan_run(project.root, EvalOptions(use_cache=False, **options), clock)

    def script(request: Request) -> Reply:
        number = int(request.prompt.messages[-1].content.rpartition("+")[2])
        every = misses.get(request.model, 1)
        return reply_of("wrong" if every and number % every == 0 else str(number + 1), request)

    provider = FakeProvider(planned.header.providers["fake"], Outside(env={}), script)
    done = await run_eval(planned, Seen(), Outside(env={}), spending=Spending(), now=clock, ready={"fake": provider})
    (of_class,) = done.header.classes.values()
    return of_class


def numbers(of_class: ClassHeader) -> tuple[int, int]:
    """The attempts of both candidates."""
    small, large = (of_class.attempts.get(name, of_class.attempt) for name in ("small", "large"))
    return small, large


def build(project: Project) -> None:
    """Write the table."""
    table, _ = assemble(project.root, ladder=None, wanted=(), previous=None)
    project.write("routes.yaml", table_text(table))


def cases(numbers: range) -> list[dict[str, str]]:
    """The cases of an eval set."""
    return [{"id": f"case-{k}", "input": f"sums: 1+{k}", "expected": str(k + 1)} for k in numbers]


async def test_edits_after_a_proof_cost_nothing(project: Project) -> None:
    """Eight sets, each a case larger than the one before, each proven at once: alpha stays what it was."""
    for size in range(60, 68):
        project.eval_set("sums", size)
        assert numbers(await run(project, {SMALL: 0, LARGE: 0})) == (1, 1)


async def test_each_candidate_pays_for_its_own_chances(project: Project) -> None:
    """That the large one is proven each time gives the small one, which is not, no further chance at full alpha."""
    for attempt, size in enumerate(range(60, 64), 1):
        project.eval_set("sums", size)
        assert numbers(await run(project, {SMALL: 4, LARGE: 0})) == (attempt, 1)
    assert [line for line in warnings_of(plan_run(project.root, EvalOptions(), clock)) if "attempt" in line] == [
        "sums: attempt 4 of small after tests that did not prove it: alpha is divided by 16"
    ]


async def test_a_proof_does_not_undo_what_was_tried_before(project: Project) -> None:
    """It stands at the level of its attempt, and so does whatever comes after."""
    project.eval_set("sums", 60)
    await run(project, NOBODY)
    project.eval_set("sums", 61)
    assert numbers(await run(project, {SMALL: 0, LARGE: 0})) == (2, 2)
    project.eval_set("sums", 62)
    assert numbers(await run(project, {SMALL: 0, LARGE: 0})) == (2, 2)


@pytest.mark.parametrize(
    "edited",
    [
        cases(range(1, 61)),
        cases(range(10, 60)),
        [*cases(range(59)), {"id": "case-59", "input": "sums: 1+99", "expected": "100"}],
    ],
    ids=["replaced", "taken out", "edited"],
)
async def test_any_other_choice_of_cases_is_another_chance(edited: list[dict[str, str]], project: Project) -> None:
    """A set need not grow for that: the cases that failed may be taken out, or be made easier."""
    project.eval_set("sums", 60)
    await run(project, NOBODY, full=True)
    project.eval_set("sums", len(edited), cases=edited)
    assert numbers(await run(project, NOBODY)) == (2, 2)


async def test_the_same_cases_asked_again_are_no_chance(project: Project) -> None:
    """A tag, another file of cases or a description change no outcome."""
    project.eval_set("sums", 60)
    await run(project, NOBODY)
    project.eval_set("sums", 60, cases=[case | {"tags": ["easy"]} for case in cases(range(60))], description="Other.")
    assert numbers(await run(project, NOBODY)) == (1, 1)


async def test_a_set_too_small_to_prove_anything_gave_no_chance(project: Project) -> None:
    """Growing a first handful of cases into a set that can decide is free."""
    project.eval_set("sums", 5)
    await run(project, {SMALL: 0, LARGE: 0})
    project.eval_set("sums", 60)
    assert numbers(await run(project, NOBODY)) == (1, 1)


async def test_renaming_a_class_keeps_the_count(project: Project) -> None:
    """The cases tell that it is the same set; one that only has a few ids in common with another class is not."""
    project.eval_set("sums", 60)
    await run(project, NOBODY)
    (project.root / "evals/sums.yaml").rename(project.root / "evals/plus.yaml")
    project.config.update({"rules": [], "default_class": "plus"})
    project.save()
    assert numbers(await run(project, NOBODY)) == (1, 1)
    project.eval_set("plus", 61, cases=cases(range(61)))
    assert numbers(await run(project, NOBODY)) == (2, 2)
    (project.root / "evals/plus.yaml").rename(project.root / "evals/others.yaml")
    project.config["default_class"] = "others"
    project.save()
    project.eval_set("others", 60)  # the same ids, other questions
    assert numbers(await run(project, NOBODY)) == (1, 1)


async def test_another_class_with_the_same_cases_is_not_a_renamed_one(project: Project) -> None:
    """As long as both are there, each counts for itself."""
    project.eval_set("sums", 60)
    await run(project, NOBODY)
    project.eval_set("more", 61, cases=cases(range(61)))
    assert numbers(await run(project, NOBODY, only=("more",))) == (1, 1)


async def test_renaming_a_candidate_keeps_the_count(project: Project) -> None:
    """The same model asked in the same way is the same candidate; with another effort it is another."""
    project.eval_set("sums", 60)
    await run(project, NOBODY)
    project.config["candidates"] = {
        "tiny": project.config["candidates"]["small"],
        "large": project.config["candidates"]["large"] | {"effort": "low"},
    }
    project.config["ladders"] = {"main": ["tiny", "large"]}
    project.save()
    project.eval_set("sums", 61)
    planned = plan_run(project.root, EvalOptions(), clock)
    assert planned.header.classes["sums"].attempts == {"tiny": 2, "large": 1}


async def test_a_lowered_bar_is_another_chance_and_is_told(project: Project) -> None:
    """Before the run, in the table and in the report; a raised one is neither."""
    project.eval_set("sums", 60, bar=0.9)
    await run(project, {SMALL: 4, LARGE: 4})
    project.eval_set("sums", 60, bar=0.5)
    words = warnings_of(plan_run(project.root, EvalOptions(), clock))
    assert words == [
        "sums: attempt 2 after tests that did not prove it: alpha is divided by 4",
        "sums: the bar was 90% when it was tested and not proven; it is now 50%",
    ]
    of_class = await run(project, {SMALL: 4, LARGE: 4})
    assert (of_class.attempt, of_class.lowered_from) == (2, 0.9)
    build(project)
    table = load_table(project.root / "routes.yaml")
    assert table.routes["sums"].lowered_from == 0.9
    assert [one.text for one in _flags(project) if "lowered" in one.what] == [
        "The bar was 90% when it was tested and not proven; it is now 50%."
    ]
    project.eval_set("sums", 60, bar=0.95)
    of_class = await run(project, {SMALL: 4, LARGE: 4})
    assert (of_class.attempt, of_class.lowered_from) == (1, None)


def _flags(project: Project) -> list[Any]:
    from routerctl.review.report.answers import Answers

    table, runs = assemble(project.root, ladder=None, wanted=(), previous=None)
    listed = list(runs.values())
    return flags(table, listed, Answers(table, listed))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda project: project.eval_set("sums", 61), (2, 1)),
        (lambda project: project.eval_set("sums", 60, bar=0.7), (2, 1)),
        (lambda project: project.eval_set("sums", 60, description="Other."), (1, 1)),
        (lambda project: project.eval_set("sums", 61, prompt={"system": "Add."}), (1, 1)),
    ],
    ids=["grown", "lowered", "same", "other prompt"],
)
async def test_the_table_remembers_where_the_runs_are_gone(
    change: Callable[[Project], None], expected: tuple[int, int], project: Project
) -> None:
    """Runs may be pruned or left out of a clone; what the table says of each candidate counts then."""
    project.eval_set("sums", 60)
    await run(project, {SMALL: 4, LARGE: 0})
    build(project)
    shutil.rmtree(project.root / "reports")
    change(project)
    found = plan_run(project.root, EvalOptions(), clock).header.classes["sums"]
    assert numbers(found) == expected
    assert isinstance(found.bar, float)
    assert found.lowered_from == (0.8 if found.bar < 0.8 else None)


async def test_the_table_remembers_a_class_that_was_renamed(project: Project) -> None:
    """By what it says of itself: a table holds no cases."""
    project.eval_set("sums", 60)
    await run(project, {SMALL: 4, LARGE: 0})
    build(project)
    shutil.rmtree(project.root / "reports")
    (project.root / "evals/sums.yaml").unlink()
    project.config.update({"rules": [], "default_class": "plus"})
    project.save()
    project.eval_set("plus", 61, cases=cases(range(61)))
    assert numbers(plan_run(project.root, EvalOptions(), clock).header.classes["plus"]) == (2, 1)
    project.eval_set("plus", 61, cases=cases(range(61)), description="Something else.")
    assert numbers(plan_run(project.root, EvalOptions(), clock).header.classes["plus"]) == (1, 1)


@pytest.mark.parametrize("pruned", [False, True], ids=["runs at hand", "runs gone"])
async def test_a_rename_is_no_attempt(pruned: bool, project: Project) -> None:
    """The same cases in the same order at the same bar: the count goes along and nothing is added, however often."""
    project.eval_set("sums", 60)
    await run(project, NOBODY)
    project.eval_set("sums", 61, cases=cases(range(61)))
    for name, described in (("sums", "Sums."), ("plus", "Sums."), ("others", "Additions.")):
        for file in (project.root / "evals").iterdir():
            file.unlink()
        project.eval_set(name, 61, cases=cases(range(61)), description=described)
        project.config.update({"rules": [], "default_class": name})
        project.save()
        assert numbers(await run(project, NOBODY)) == (2, 2)
        build(project)
        if pruned:
            shutil.rmtree(project.root / "reports")


@pytest.mark.parametrize("pruned", [False, True], ids=["runs at hand", "runs gone"])
async def test_a_bar_lowered_on_a_set_that_proves_nothing_is_told(pruned: bool, project: Project) -> None:
    """No chance was used, so alpha stays; but the score was seen, and the bar is where it lets somebody pass."""
    project.eval_set("sums", 60, bar=0.96)
    await run(project, {SMALL: 4, LARGE: 9})
    build(project)
    if pruned:
        shutil.rmtree(project.root / "reports")
    project.eval_set("sums", 60, bar=0.7)
    found = await run(project, {SMALL: 4, LARGE: 9})
    assert (numbers(found), found.lowered_from) == ((1, 1), 0.96)


@pytest.mark.usefixtures("in_process")
def test_a_lowered_bar_is_told_in_the_terminal(project: Project) -> None:
    """By `eval` before the run and by `build-table` with the choice, as in table, report and comparison."""
    project.eval_set("sums", 60, bar=0.9)
    project.replies({"model-small": 0.8, "model-large": 0.85})
    assert project.run("eval").code == 0
    project.eval_set("sums", 60, bar=0.75)
    told = "warning: sums: the bar was 90% when it was tested and not proven; it is now 75%"
    for command in ("eval", "build-table"):
        assert project.run(command).err.count(told) == 1


@pytest.mark.parametrize("pruned", [False, True], ids=["runs at hand", "runs gone"])
async def test_another_order_of_the_same_cases_is_another_chance(pruned: bool, project: Project) -> None:
    """A test may end elsewhere in it: who tries seeds until one proves pays for each; a proof costs nothing."""
    project.eval_set("sums", 60)
    for attempt, seed in enumerate((1, 2, 3), 1):
        _set(project, seed=seed)
        assert numbers(await run(project, {SMALL: 4, LARGE: 0})) == (attempt, 1)
        build(project)
        if pruned:
            shutil.rmtree(project.root / "reports")
    assert numbers(await run(project, {SMALL: 4, LARGE: 0})) == (3, 1)


def _set(project: Project, **settings: Any) -> None:
    project.config.update(settings)
    project.save()


@pytest.mark.parametrize(
    ("before", "after", "attempt"),
    [
        ({}, {"mode": "margin", "margin": 0.1}, 2),
        ({"mode": "margin", "margin": 0.03}, {"mode": "margin", "margin": 0.1}, 2),
        ({"mode": "margin", "margin": 0.1}, {"mode": "margin", "margin": 0.03}, 1),
        ({"mode": "margin", "margin": 0.1}, {"mode": "proven"}, 1),
        ({"risk": 0.05}, {"risk": 0.2}, 1),
    ],
    ids=["margin", "wider margin", "narrower margin", "no margin", "risk"],
)
async def test_a_margin_below_the_bar_is_a_lowered_bar(
    before: dict[str, Any], after: dict[str, Any], attempt: int, project: Project
) -> None:
    """What is to be proven counts; at a greater risk the same outcomes prove all that they proved at the smaller."""
    project.eval_set("sums", 60)
    _set(project, **before)
    await run(project, NOBODY)
    build(project)
    _set(project, **after)
    assert numbers(await run(project, NOBODY)) == (attempt, attempt)


@pytest.mark.parametrize(
    ("change", "attempt"), [({"bar": 0.6}, 2), ({"pass_at": 0.5}, 2), ({"pass_at": 0.95}, 1), ({}, 1)]
)
async def test_a_declared_set_that_asks_for_less_is_another_chance(
    change: dict[str, Any], attempt: int, project: Project
) -> None:
    """That it may grow makes its additions one test, not whatever else becomes easier."""
    project.eval_set("sums", 60, max_cases=120, pass_at=0.9)
    await run(project, NOBODY)
    grown = [*cases(range(60)), *(case | {"batch": 2} for case in cases(range(60, 120)))]
    project.eval_set("sums", 120, cases=grown, **{"max_cases": 120, "pass_at": 0.9} | change)
    assert numbers(await run(project, NOBODY)) == (attempt, attempt)


async def test_scores_alone_spend_nothing(project: Project) -> None:
    """Mode `point` can prove nothing, so it gives no chance."""
    project.config["mode"] = "point"
    project.save()
    project.eval_set("sums", 60)
    await run(project, NOBODY)
    build(project)
    project.config["mode"] = "proven"
    project.save()
    project.eval_set("sums", 61)
    assert numbers(await run(project, NOBODY)) == (1, 1)


async def test_a_bar_against_a_model_is_lowered_by_allowing_more(project: Project) -> None:
    """And raised by allowing less; from a number to a model and back nobody knows, so it counts."""
    project.eval_set("sums", 200, bar={"within": 0.05, "of": "large"})
    await run(project, {SMALL: 5, LARGE: 0})
    for bar, expected, lowered in (
        ({"within": 0.3, "of": "large"}, (2, 1), RelativeBar(within=0.05, of="large")),
        ({"within": 0.03, "of": "large"}, (1, 1), None),
        (0.5, (2, 1), RelativeBar(within=0.05, of="large")),
    ):
        project.eval_set("sums", 200, bar=bar)
        found = plan_run(project.root, EvalOptions(), clock).header.classes["sums"]
        assert (numbers(found), found.lowered_from) == (expected, lowered)


@pytest.mark.parametrize(
    ("first", "then", "change", "was", "now"),
    [
        ({"within": 0.05, "of": "large"}, 0.9, "lowered", "large - 5 points (95.0%)", "90%"),
        ({"within": 0.05, "of": "large"}, 0.96, "changed", "large - 5 points (95.0%)", "96%"),
        (0.98, {"within": 0.05, "of": "large"}, "lowered", "98%", "large - 5 points"),
        (0.9, {"within": 0.05, "of": "large"}, "changed", "90%", "large - 5 points"),
    ],
)
async def test_a_bar_of_another_kind_is_lowered_only_where_the_scores_say_so(  # noqa: PLR0917
    first: Any, then: Any, change: str, was: str, now: str, project: Project
) -> None:
    """It is an attempt and told either way: in diff, report and terminal by the score that a model's bar came to."""
    project.eval_set("sums", 200, bar=first)
    await run(project, {SMALL: 5, LARGE: 0})
    build(project)
    before = load_table(project.root / "routes.yaml")
    for runs in ("at hand", "gone"):  # the table remembers what the bar came to
        project.eval_set("sums", 200, bar=then)
        words = warnings_of(plan_run(project.root, EvalOptions(), clock))
        assert f"sums: the bar was {was} when it was tested and not proven; it is now {now}" in words, runs
        shutil.rmtree(project.root / "reports", ignore_errors=True)
    assert (await run(project, {SMALL: 5, LARGE: 0})).attempts["small"] == 2
    build(project)
    after = load_table(project.root / "routes.yaml")
    (row,) = [row for row in compare(before, after).classes[0].differences if row.what == "bar"]
    assert row.after == f"{now} ({change} from {was}, at which it was not proven)"
    (flag,) = [one for one in _flags(project) if one.what == f"sums: {change} bar"]
    assert flag.text.startswith(f"The bar was {was} when it was tested and not proven; it is now {now}")


async def test_a_lowered_bar_shows_in_a_comparison_of_tables(project: Project) -> None:
    """Beside what the bar was in the other table, which may have been built long before."""
    project.eval_set("sums", 60, bar=0.9)
    await run(project, {SMALL: 4, LARGE: 4})
    build(project)
    before = load_table(project.root / "routes.yaml")
    project.eval_set("sums", 60, bar=0.5)
    await run(project, {SMALL: 4, LARGE: 4})
    build(project)
    (change,) = compare(before, load_table(project.root / "routes.yaml")).classes
    (row,) = [row for row in change.differences if row.what == "bar"]
    assert (row.before, row.after) == ("90%", "50% (lowered from 90%, at which it was not proven)")
    assert "other bar" in change.what
