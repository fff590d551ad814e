"""What a table is worth beside one candidate for all, on results as a run writes them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.costs import NOT_KNOWN
from routerctl.evaluation import worth
from routerctl.evaluation.build import build_table
from routerctl.types import (
    Candidate,
    ClassHeader,
    Price,
    PromptSpec,
    ProviderSpec,
    ReplySpec,
    Result,
    Run,
    RunHeader,
    ScorerSpec,
    Stakes,
    Status,
    StopReason,
    Table,
)

COSTS = {"small": "0.0002", "mid": "0.002", "top": "0.01"}
Cells = Mapping[str, Mapping[str, Sequence[float]]]  # class -> candidate -> values of the first cases


def share(right: int, of: int, seed: int = 0) -> list[float]:
    """So many right answers, spread over the cases by lot."""
    made = [1.0] * right + [0.0] * (of - right)
    random.Random(f"{right}:{of}:{seed}").shuffle(made)  # noqa: S311 - sample data
    return made


def results(cells: Cells, costs: Mapping[str, str]) -> Iterator[Result]:
    """The results of these cells."""
    for task_class, rows in cells.items():
        for candidate, values in rows.items():
            for index, value in enumerate(values):
                yield Result(
                    task_class=task_class,
                    candidate=candidate,
                    case_id=str(index),
                    index=index,
                    input="x",
                    expected="y",
                    status=Status.SCORED,
                    passed=value == 1,
                    score=value,
                    extracted="y",
                    explanation="",
                    reply="y",
                    stop_reason=StopReason.END,
                    served_model="m",
                    calls=1,
                    input_tokens=100,
                    output_tokens=10,
                    cost_usd=Decimal(costs[candidate]),
                    latency_s=1.0,
                    cached=False,
                )


def run_of(cells: Cells, *, bars: Mapping[str, float] | None = None, n: int | None = None, **changes: Any) -> Run:
    """The run that has these cells; each class's bar is 0.9 unless given."""
    names = tuple(COSTS)
    classes = {
        name: ClassHeader(
            task_class=name,
            description="",
            digest=f"sha256:{name}",
            bar=(bars or {}).get(name, 0.9),
            pass_at=1.0,
            n=n or max(len(values) for values in rows.values()),
            prompt=PromptSpec(),
            reply=ReplySpec(),
            scorer=ScorerSpec(name="exact"),
        )
        for name, rows in cells.items()
    }
    price = Price(date="2026-11-30", source="x", input_mtok_usd=Decimal(100), output_mtok_usd=Decimal(0))
    header = RunHeader(
        run_id="20261130-000000-000000",
        created_at="2026-11-30T00:00:00Z",
        finished=True,
        seed=1,
        mode="proven",
        risk=0.05,
        margin=0.03,
        full=True,
        ladder_name="main",
        ladder=names,
        providers={"far": ProviderSpec(name="far", kind="fake")},
        candidates={name: Candidate(name=name, provider="far", model=name) for name in names},
        prices=dict.fromkeys(names, price),
        classes=classes,
        software={},
    )
    return Run(header=replace(header, **changes), results=tuple(results(cells, COSTS)))


def weighed(
    run: Run, *, stakes: Mapping[str, Stakes] | None = None, today: str = "", **more: Any
) -> tuple[Table, worth.Worth]:
    """The table of a run, and what it is worth."""
    runs = dict.fromkeys(run.header.classes, run)
    table = build_table(runs, previous=None, stakes=stakes or {}, today=dict.fromkeys(runs, today) if today else {})
    return table, worth.weigh(table, [run], **more)


def of(found: worth.Worth, candidate: str) -> worth.Constant:
    """One of the constants."""
    return next(one for one in found.constants if one.candidate == candidate)


ISSUE: Cells = {
    "easy": {"small": [float(k % 3 != 0) for k in range(100)], "mid": [1.0] * 100, "top": [1.0] * 100},
    "hard": {"small": share(80, 200), "mid": share(160, 200), "top": share(60, 200)},
}


def pays() -> Cells:
    """A table that no constant replaces: small does for one class, only top for the other."""
    return {
        "easy": {name: share(right, 200) for name, right in (("small", 195), ("mid", 196), ("top", 196))},
        "hard": {name: share(right, 200) for name, right in (("small", 90), ("mid", 130), ("top", 195))},
    }


# --- the answer -------------------------------------------------------------------------------------------------------


def test_where_one_candidate_is_the_best_everywhere_it_is_the_advice() -> None:
    """A hard class is served by who is best on it, not by the dearest; then one candidate serves all: no table."""
    table, found = weighed(run_of(ISSUE))
    assert {name: route.chosen for name, route in table.routes.items()} == {"easy": "mid", "hard": "mid"}
    assert (found.answer, found.advice) == ("not worth it", "always mid")


def test_a_dominated_table_is_said_to_be() -> None:
    """The policy that lets the top rung serve where nothing is proven makes a table that always mid beats on both."""
    run = run_of(ISSUE)
    classes = {name: replace(one, when_unproven="top_rung") for name, one in run.header.classes.items()}
    table, found = weighed(replace(run, header=replace(run.header, classes=classes)))
    assert {name: route.chosen for name, route in table.routes.items()} == {"easy": "mid", "hard": "top"}
    assert (found.answer, found.advice) == ("dominated", "always mid")
    one = of(found, "mid")
    assert one.dominates
    assert one.right.mean == pytest.approx(-100 / 300)  # 100 more right of 300, classes by their cases
    assert one.saved.mean == pytest.approx(-0.008 * 2 / 3)
    assert found.text.startswith(
        "Always mid costs $5.33 less per 1,000 requests and is no worse than the table: 333 fewer"
    )


def test_a_table_that_pays() -> None:
    """It saves against the constant that is as good, at a risk that is told with its interval."""
    table, found = weighed(run_of(pays()), spend_usd=Decimal(2))
    assert {name: route.chosen for name, route in table.routes.items()} == {"easy": "small", "hard": "top"}
    assert (found.answer, found.advice, found.reasons) == ("worth it", "the table", ())
    assert found.against is not None
    assert found.against.candidate == "top"
    told = worth.told(found.against, found.weighting)
    assert told.saved_usd == pytest.approx(Decimal("4.9"))
    assert told.per == "per 1,000 requests"
    assert told.more_wrong == pytest.approx(2.5)  # 1 of 200 on half of the requests
    assert told.more_wrong_interval[0] < 0 < told.more_wrong_interval[1]
    assert told.cost_share == pytest.approx(0.51)
    assert found.text.startswith("Against always top, the table saves $4.90 per 1,000 requests, at 51.0% of its cost; ")
    assert "2.5 more wrong in 1,000 (" in found.text
    assert "paid back after 409\u00a0requests" in found.text
    assert found.procedure.startswith("Choosing on four fifths of the cases and looking at the rest")


def test_a_month_is_told_where_volumes_are_known() -> None:
    """Against the candidate that serves today, in dollars a month and wrong answers in 1,000."""
    volumes = {"easy": 90_000.0, "hard": 10_000.0}
    stakes = {name: Stakes(requests_per_month=n) for name, n in volumes.items()}
    _, found = weighed(run_of(pays()), stakes=stakes, today="top")
    assert found.text.startswith("Against today's top, the table saves $882.00 a month, at 11.8% of its cost; 4.5 more")
    assert found.weighting.by_volume
    assert re.search(r"against today's top, such a table saves \$[\d.]+( \(.*?\))? a month; ", found.procedure)
    _, measured = weighed(run_of(pays()), volumes=volumes, today="top")
    assert measured.text == found.text


def test_a_saving_has_its_interval() -> None:
    """By the cases that both have, where calls differ in cost; where a candidate's all cost the same, it is exact."""
    run = run_of(pays())
    _, flat = weighed(run)
    varied = tuple(replace(one, cost_usd=one.cost_usd * (1 + one.index % 3)) for one in run.results)
    _, found = weighed(replace(run, results=varied))
    for each in (flat, found):
        told_ = worth.told(of(each, "top"), each.weighting)
        assert told_.saved_usd is not None
        assert told_.saved_interval_usd is not None
        low, high = told_.saved_interval_usd
        assert low <= told_.saved_usd <= high
        assert (high - low > Decimal("0.1")) is (each is found)
    assert re.match(
        r"Against always top, the table saves \$9\.\d\d \(\$\d\.\d\d to \$\d+\.\d\d\) per 1,000", found.text
    )


def test_an_advantage_within_the_noise_settles_nothing() -> None:
    """A cheaper constant that is not shown to be worse leaves the question open, with the interval."""
    cells = {
        "easy": {"small": share(48, 50), "mid": share(48, 50), "top": share(48, 50)},
        "hard": {"small": share(43, 50), "mid": share(45, 50), "top": share(46, 50)},
    }
    table, found = weighed(run_of(cells))
    assert [route.chosen for route in table.routes.values()] == ["small", "mid"]
    assert (found.answer, found.advice) == ("not settled", "")
    assert found.text == "Always small costs less than the table, and is not shown to be worse."
    (compared,) = found.beside
    assert compared.startswith(
        "Against always small, the table costs $0.90 more per 1,000 requests, at 5.5 times its cost; "
    )
    assert "fewer wrong in 1,000 (" in compared
    assert compared.endswith(" small is at its bar in 1 of 2 classes.")
    assert found.settle == "More cases would tell."


def test_a_constant_that_is_better_on_a_class_is_better() -> None:
    """Passing a bar is not all: who is right more often, on a class that both pass, makes up for it elsewhere."""
    cells = {
        "easy": {"small": share(184, 200), "mid": share(199, 200), "top": share(199, 200)},
        "hard": {"small": share(100, 200), "mid": share(150, 200), "top": share(154, 200)},
    }
    run = run_of(cells)
    classes = {**run.header.classes, "hard": replace(run.header.classes["hard"], when_unproven="top_rung")}
    _, found = weighed(replace(run, header=replace(run.header, classes=classes)))
    assert of(found, "mid").right.mean == pytest.approx((-15 + 4) / 400)
    assert (found.answer, found.advice) == ("dominated", "always mid")


@pytest.mark.parametrize(
    ("requests", "spend", "kinds"),
    [
        (100.0, "10", ["volume!"]),  # saves $0.98 a month
        (1000.0, "10", ["eval cost!"]),  # $9.80
        (1100.0, "10", []),
    ],
)
def test_little_money_is_not_worth_a_table(requests: float, spend: str, kinds: list[str]) -> None:
    """Saving less than a dollar a month, or less than a monthly evaluation, against a constant that is as good."""
    stakes = {name: Stakes(requests_per_month=requests) for name in pays()}
    cells = {**pays(), "easy": {**pays()["easy"], "small": pays()["easy"]["top"]}}
    _, found = weighed(run_of(cells), stakes=stakes, spend_usd=Decimal(spend))
    assert [f"{one.kind}{'!' if one.decides else ''}" for one in found.reasons] == kinds
    assert found.answer == ("not worth it" if kinds else "worth it")


def test_the_price_of_wrong_answers_counts() -> None:
    """Where a wrong answer costs more than the call that avoids it, the constant with fewer of them is the cheaper."""
    cells = {**pays(), "easy": {**pays()["easy"], "top": [1.0] * 200}}
    stakes = {"easy": Stakes(wrong_answer_usd=Decimal(2))}
    _, found = weighed(run_of(cells), stakes=stakes)
    one = of(found, "top")
    assert one.saved.mean == pytest.approx(0.0049)
    assert one.saved_in_all.mean == pytest.approx(0.0049 - 0.5 * 5 / 200 * 2)
    assert (found.answer, found.advice) == ("dominated", "always top")
    assert "its wrong answers counted" in found.text
    said = worth.told_words(worth.told(one, found.weighting))
    assert ", its wrong answers counted (its calls alone: 51.0% of those of always top); " in said
    assert ", its wrong answers counted; " in found.procedure


def test_quality_critical_classes_are_not_to_be_saved_on() -> None:
    """The strongest that passed is named; a table of nothing else is not worth it."""
    _, found = weighed(run_of(pays()), stakes={"easy": Stakes(quality_critical=True)})
    (reason,) = [one for one in found.reasons if one.kind == "quality critical"]
    assert (reason.decides, reason.numbers["strongest"]) == (False, "top")
    assert "the strongest is top (score 98.0%, $10.00 per 1,000 requests): use that." in reason.text


def test_of_equally_accurate_models_the_cheaper_is_the_best() -> None:
    """Both have 79 of 210 right; that sums of shares differ by rounding does not put the dearer one first."""
    counts = {"a": (30, 17, 13), "b": (70, 21, 28), "c": (110, 41, 38)}  # cases, right of mid, right of top
    cells = {
        name: {"small": share(5, n), "mid": share(mid, n, 1), "top": share(top, n, 2)}
        for name, (n, mid, top) in counts.items()
    }
    _, found = weighed(run_of(cells))
    assert [one.candidate for one in found.constants] == ["mid", "top", "small"]


# --- what was not run -------------------------------------------------------------------------------------------------


def test_what_was_not_run_is_an_interval_and_has_a_price() -> None:
    """A cell that a normal evaluation leaves empty may be anything; the two that would settle most are named."""
    cells = pays()
    stopped = {"easy": {"small": cells["easy"]["small"]}, "hard": cells["hard"]}
    _, found = weighed(run_of(stopped))
    one = of(found, "mid")
    (gap,) = one.gaps
    assert (gap.task_class, gap.candidate, gap.cases) == ("easy", "mid", 200)
    assert gap.right.low == pytest.approx(0.975 - 1)  # it cannot be better than all right
    assert gap.saved.mean == pytest.approx(0.0018)  # ten times small's cost, as on the other class
    assert gap.price_usd == pytest.approx(Decimal("0.4"))
    paired = (195 - 130) / 400
    assert one.right.mean == pytest.approx(paired)
    assert one.right.low < paired - 0.0125 < one.right.high
    assert found.procedure == "`routerctl eval --full` would also estimate how the choice does on other cases."
    said = worth.told_words(worth.told(one, found.weighting))
    assert said.startswith(
        "Against always mid, estimated on the 1 of 2 classes where it was not run, the table costs about $"
    )
    assert worth.told_words(worth.told(of(found, "small"), found.weighting)).startswith(
        "Against always small, the table costs $"
    )
    assert found.answer == "worth it"  # top is dearer whatever it does, mid cannot make up for hard


def test_what_is_estimated_is_said_to_be() -> None:
    """The figure is over all classes, so those without a case in common are named; "about" stands nowhere else."""
    cells = {
        "easy": {"small": share(195, 200), "top": share(196, 200)},
        "hard": {"small": share(90, 200), "mid": share(130, 200), "top": share(195, 200)},
        "odd": {"small": share(20, 200), "mid": share(20, 200), "top": share(190, 200)},
    }
    stakes = {name: Stakes(requests_per_month=500.0) for name in cells}
    _, found = weighed(run_of({**cells, "easy": {"small": cells["easy"]["small"]}}), stakes=stakes)
    for one in found.constants:
        said = worth.told_words(worth.told(one, found.weighting))
        assert ("estimated on the 1 of 3 classes where it was not run, the table " in said) is bool(one.gaps)
        assert (" about $" in said) is bool(one.gaps)
    skipped = run_of({**cells, "hard": {"small": cells["hard"]["small"]}}, top_rung="skip")
    table, found = weighed(skipped, stakes=stakes)
    assert table.routes["hard"].chosen == "top"
    said = worth.told_words(worth.told(of(found, "small"), found.weighting))
    assert said.startswith("Against always small, estimated on the 1 of 3 classes where not both were run, the table ")


def test_the_cells_that_would_settle_it() -> None:
    """Where an empty cell leaves the question open, it is named with the cases and dollars it takes."""
    cells = {
        "easy": {"small": share(40, 50), "mid": share(48, 50)},
        "hard": {"small": share(20, 50), "mid": share(30, 50), "top": share(47, 50)},
        "code": {"small": share(20, 50), "mid": share(31, 50), "top": share(46, 50)},
        "odd": {"small": share(49, 50)},
    }
    _, found = weighed(run_of(cells), today="small")
    assert [one.candidate for one in found.constants if one.gaps] == ["mid", "top"] or found.constants
    assert found.answer in ("worth it", "not settled")
    if found.answer == "not settled":
        assert {gap.candidate for gap in found.gaps} <= {"mid", "top"}


def test_a_candidate_never_run_is_priced_by_the_list() -> None:
    """What nobody saw costs what the price list makes of the others' tokens."""
    cells = {name: {one: values for one, values in rows.items() if one != "top"} for name, rows in pays().items()}
    _, found = weighed(run_of(cells))
    gaps = of(found, "top").gaps
    assert [gap.task_class for gap in gaps] == ["easy", "hard"]
    assert all(gap.price_usd == pytest.approx(Decimal(2)) for gap in gaps)  # 200 x 100 tokens at $100 a million


# --- without costs ----------------------------------------------------------------------------------------------------


def unpriced(run: Run) -> Run:
    """The same run where nobody knows what an answer costs."""
    price = Price(date="2026-11-30", source=NOT_KNOWN)
    return replace(run, header=replace(run.header, prices=dict.fromkeys(COSTS, price)))


@pytest.mark.parametrize("right", [196, 120], ids=["top is as accurate", "each model is shown to be worse"])
def test_without_costs_accuracy_alone_is_compared(right: int) -> None:
    """No money is invented: nothing is dominated, nothing is worth it, and wrong answers are compared all the same."""
    cells = {**pays(), "easy": {**pays()["easy"], "top": share(right, 200)}}
    _, found = weighed(unpriced(run_of(cells)))
    assert (found.figures, of(found, "top").priced, of(found, "top").dominates) == (None, False, False)
    assert (found.answer, found.advice, found.reasons, found.settle) == ("not settled", "", (), "")
    assert found.text == (
        "What models cost is not known, so nobody can say whether the table pays (`import --cost MODEL=USD`)."
    )
    assert re.match(r"Against always (top|mid), the table has [\d.]+ (more|fewer) wrong in 1,000 \(", found.beside[0])
    assert "$" not in found.told


def test_one_cost_that_is_not_known_settles_nothing() -> None:
    """Today's model was never run and nothing tells its price; the others' costs do not tell whether the table pays."""
    cells = {name: {one: values for one, values in rows.items() if one != "top"} for name, rows in pays().items()}
    run = run_of(cells, bars=dict.fromkeys(cells, 0.6))
    hourly = Price(date="2026-11-30", source="x", usd_per_hour=Decimal(1))
    run = replace(run, header=replace(run.header, prices=dict.fromkeys(COSTS, hourly)))
    table, found = weighed(run, today="top")
    assert [route.chosen for route in table.routes.values()] == ["small", "mid"]
    assert (of(found, "mid").priced, of(found, "top").priced) == (True, False)
    assert (found.answer, found.advice) == ("not settled", "")
    assert found.text == "What top costs is not known, so nobody can say whether the table pays."


def test_without_costs_one_choice_needs_no_table() -> None:
    """Reasons that need no money decide without it."""
    _, found = weighed(unpriced(run_of(ISSUE)))
    assert (found.answer, found.advice) == ("not worth it", "always mid")


def test_nothing_measured_invents_nothing() -> None:
    """Without results at hand there is no comparison, and no error."""
    table = build_table({"easy": run_of(pays()), "hard": run_of(pays())}, previous=None)
    found = worth.weigh(table)
    assert (found.answer, found.constants, found.against) == ("not settled", (), None)


# --- words ------------------------------------------------------------------------------------------------------------


def told(**changes: Any) -> worth.Told:
    """A comparison of $1.00 with $3.024 and three more wrong answers."""
    plain = worth.Told(
        candidate="top",
        today=False,
        saved_usd=Decimal("2.0249"),
        saved_interval_usd=(Decimal("2.0249"), Decimal("2.0249")),
        cost_usd=Decimal("0.9995"),
        per="per 1,000 requests",
        counted=False,
        cost_share=0.33,
        more_wrong=3.0,
        more_wrong_interval=(1.0, 5.0),
        measured=True,
        estimated_on="",
    )
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (told(), "saves $2.02 per 1,000 requests, at 33.0% of its cost; 3 more wrong in 1,000 (1 to 5 more)"),
        (
            told(cost_share=50.5, saved_usd=Decimal("-0.98")),
            "costs $0.98 more per 1,000 requests, at 50.5 times its cost; 3 more wrong in 1,000 (1 to 5 more)",
        ),
        (
            told(cost_share=2.0, more_wrong_interval=(-2.0, 8.0)),
            "at 200.0% of its cost; 3 more wrong in 1,000 (2 fewer to",
        ),
        (told(more_wrong=-3.0, more_wrong_interval=(-5.0, 0.0)), "; 3 fewer wrong in 1,000 (0 to 5 fewer)"),
        (
            told(measured=False, estimated_on="on the 2 of 2 classes where it was not run"),
            "saves about $2.02 per 1,000 requests, at 33.0% of its cost; how many answers are wrong was not measured",
        ),
        (told(measured=False, saved_usd=None), "how many answers are wrong was not measured on the same cases"),
        (
            told(saved_interval_usd=(Decimal("1.95"), Decimal("2.1"))),
            "saves $2.02 ($1.95 to $2.10) per 1,000 requests, at 33.0% of its cost; ",
        ),
        (
            told(saved_interval_usd=(Decimal("-0.1"), Decimal("4.15"))),
            "saves $2.02 ($0.10 more to $4.15 less) per 1,000 requests, at",
        ),
        (
            told(saved_usd=Decimal("-0.98"), saved_interval_usd=(Decimal("-1.2"), Decimal("-0.76"))),
            "costs $0.98 more ($0.76 to $1.20) per 1,000 requests, at",
        ),
        (
            told(saved_usd=Decimal("-0.98"), saved_interval_usd=(Decimal("-2.2"), Decimal("0.24"))),
            "costs $0.98 more ($0.24 less to $2.20 more) per 1,000 requests, at",
        ),
        (
            told(saved_usd=Decimal("-47.66"), cost_share=0.241, counted=True, per="a month", saved_interval_usd=None),
            "costs $47.66 more a month, its wrong answers counted (its calls alone: 24.1% of those of always top)",
        ),
        (told(more_wrong=0.0, more_wrong_interval=(0.0, 0.0)), "at 33.0% of its cost; the same answers"),
    ],
)
def test_a_comparison_is_said_so_that_it_adds_up(found: worth.Told, said: str) -> None:
    """Large shares are times, ends on one side share a word, and nothing is called equal that nobody measured."""
    assert said in worth.beside_words(found)


def test_of_one_class_nothing_is_compared() -> None:
    """The choice is the constant: no other way of choosing, and no dearer constant, is told beside it."""
    cells = {"easy": {"small": share(190, 200), "mid": share(196, 200), "top": share(199, 200)}}
    _, found = weighed(run_of(cells))
    assert (found.answer, found.advice) == ("not worth it", "always small")
    assert (found.beside, found.settle, found.procedure) == ((), "", "")


def test_todays_model_is_told_before_the_best_constant() -> None:
    """The answer comes first, then what serves now, then who may do as well, then what would settle it."""
    cells = {
        "easy": {"small": share(48, 50), "mid": share(48, 50), "top": share(48, 50)},
        "hard": {"small": share(43, 50), "mid": share(45, 50), "top": share(46, 50)},
    }
    _, found = weighed(run_of(cells), today="top")
    assert [said.split(",")[0] for said in found.beside] == ["Against today's top", "Against always small"]
    assert found.told == " ".join((found.text, *found.beside, found.settle))


# --- properties -------------------------------------------------------------------------------------------------------

CLASS = st.tuples(*(st.lists(st.booleans(), min_size=12, max_size=12) for _ in COSTS))


@settings(deadline=None, max_examples=40)
@given(st.lists(CLASS, min_size=2, max_size=4), st.integers(0, 3))
def test_the_comparison_is_that_of_the_counts(rows: list[tuple[list[bool], ...]], few: int) -> None:
    """The lead over each constant is the difference of right answers over all cases; no dominated table is praised."""
    cells = {
        f"c{k}": {name: [float(v) for v in values] for name, values in zip(COSTS, row, strict=True)}
        for k, row in enumerate(rows)
    }
    run = run_of(cells, bars=dict.fromkeys(cells, (0.3, 0.5, 0.75, 0.9)[few]))
    table, found = weighed(run)
    total = 12 * len(cells)
    ours = sum(sum(cells[name][route.chosen]) for name, route in table.routes.items())
    our_usd = sum(12 * float(COSTS[route.chosen]) for route in table.routes.values())
    for one in found.constants:
        theirs = sum(sum(cells[name][one.candidate]) for name in cells)
        assert one.right.mean == pytest.approx((ours - theirs) / total)
        assert one.right.low <= one.right.mean <= one.right.high
        assert one.saved.mean == pytest.approx(float(COSTS[one.candidate]) - our_usd / total)
        if not one.same and theirs >= ours and float(COSTS[one.candidate]) <= our_usd / total + 1e-12:
            assert found.answer in ("dominated", "not worth it")


# --- one number, whatever kind of cases it is of ----------------------------------------------------------------------


def _designed(design: str) -> Run:
    """Two classes of 40 cases, all run by two candidates that cost differently from case to case."""
    drawn = random.Random(design)  # noqa: S311 - sample data
    cells = {
        name: {who: [float(drawn.random() < right) for _ in range(40)] for who, right in (("small", 0.9), ("top", 0.8))}
        for name in ("easy", "hard")
    }
    run = run_of(cells, bars={"easy": 0.6, "hard": 0.6})
    made = [
        replace(
            one, cost_usd=one.cost_usd * drawn.randint(1, 9), score=drawn.random() if "score" in design else one.score
        )
        for one in run.results
    ]
    classes = run.header.classes
    if "score" in design:
        classes = {name: replace(one, measure="mean_score", bar=0.3) for name, one in classes.items()}
    if "epochs" in design:  # of one class only
        made += [replace(one, epoch=1, cost_usd=2 * one.cost_usd) for one in made if one.task_class == "hard"]
        classes = {**classes, "hard": replace(classes["hard"], epochs=2)}
    if "weights" in design:
        made = [replace(one, weight=(1.0, 2.5)[one.index % 2]) for one in made]
        classes = {name: replace(one, max_weight=2.5, total_weight=70.0) for name, one in classes.items()}
    return replace(run, header=replace(run.header, classes=classes, full=True), results=tuple(made))


@pytest.mark.parametrize("design", ["plain", "epochs", "weights", "score", "epochs, weights", "epochs, weights, score"])
def test_money_and_wrong_answers_are_the_same_in_the_table_and_beside_a_constant(design: str) -> None:
    """Where all is run, what a comparison says is the difference of the two sides' own figures, by single replies."""
    run = _designed(design)
    table = build_table(dict.fromkeys(run.header.classes, run), previous=None)
    found = worth.weigh(table, [run])
    top = next(one for one in found.constants if one.candidate == "top")
    assert {route.chosen for route in table.routes.values()} == {"small"}
    assert top.figures is not None
    assert top.table is not None
    assert top.saved.mean == pytest.approx(float(top.figures.cost_usd - top.table.cost_usd), rel=1e-6)
    assert top.figures.wrong_per_thousand is not None
    assert top.table.wrong_per_thousand is not None
    fewer = top.figures.wrong_per_thousand - top.table.wrong_per_thousand
    assert 1000 * top.right.mean == pytest.approx(fewer, abs=0.11)  # told to a tenth
    for route in table.routes.values():
        (one,) = [each for each in route.evidence if each.candidate == "top"]
        assert one.judgement.score is not None
        assert one.wrong_per_thousand == pytest.approx(1000 * (1 - one.judgement.score), abs=0.06)
