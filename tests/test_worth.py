import itertools
import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl import worth
from routerctl.types import (
    Candidate,
    Evidence,
    Judgement,
    PromptSpec,
    ReplySpec,
    Result,
    Route,
    ScorerSpec,
    Stakes,
    Status,
    StopReason,
    Table,
    Verdict,
)

PROVEN, NOT_PROVEN, BELOW = Verdict.PROVEN, Verdict.NOT_PROVEN, Verdict.BELOW
LADDER = ("small", "mid", "top")


def evidence(candidate, passes, cost, verdict=PROVEN, *, cases=100, **more):
    """What one candidate showed: `passes` of `cases`, `cost` USD per case, an interval of +- 5 points."""
    score = passes / cases
    judgement = Judgement(
        verdict=verdict,
        cases=cases,
        passes=passes,
        n=cases,
        bar=0.8,
        alpha=0.01,
        interval=(max(0.0, score - 0.05), min(1.0, score + 0.05)),
        good_enough=0.9,
        least_cases=20,
        needed_cases=None,
    )
    cost = Decimal(cost)
    return Evidence(
        candidate=candidate,
        judgement=judgement,
        failed=0,
        unscored=0,
        refused=0,
        truncated=0,
        served_models=(),
        cost_per_case_usd=cost,
        cost_per_accepted_usd=cost * cases / passes if passes else None,
        latency_p50_s=1.0,
        latency_p95_s=2.0,
        **more,
    )


def route(name, *shown, chosen, **stakes):
    """A class with this evidence."""
    return Route(
        task_class=name,
        description="",
        bar=0.8,
        chosen=chosen,
        passing=any(one.candidate == chosen and one.judgement.verdict.passes for one in shown),
        rungs=(chosen,),
        evidence=shown,
        run_id="r",
        eval_set_digest="sha256:0",
        prompt=PromptSpec(),
        reply=ReplySpec(),
        scorer=ScorerSpec(name="exact"),
        stakes=Stakes(**stakes),
    )


def table(*routes):
    """A table of these classes on the ladder small, mid, top."""
    return Table(
        table_version=1,
        digest="",
        ladder_name="main",
        ladder=LADDER,
        mode="proven",
        risk=0.05,
        margin=0.0,
        seed=1,
        rules=(),
        default_class=None,
        providers={},
        candidates={name: Candidate(name=name, provider="p", model=name) for name in LADDER},
        prices={},
        routes={one.task_class: one for one in routes},
    )


def two_classes(requests=(None, None), **stakes):
    """An easy class served by `small`, a hard one by `top`; `top` was run on both, $0.01 against $0.001."""
    easy = (evidence("small", 95, "0.001"), evidence("top", 98, "0.01"))
    hard = (evidence("small", 50, "0.001", BELOW), evidence("top", 95, "0.01"))
    return table(
        route("easy", *easy, chosen="small", requests_per_month=requests[0], **stakes),
        route("hard", *hard, chosen="top", requests_per_month=requests[1], **stakes),
    )


# --- three numbers ----------------------------------------------------------------------------------------------------


def test_three_numbers_spread_evenly():
    """Price is the mean over classes, price per correct answer is C / p, wrong answers are counted per 1,000."""
    made = two_classes()
    found = worth.table_figures(made, worth.weighting(made))
    assert found.cost_usd == Decimal("0.0055")
    assert found.per_correct_usd == Decimal("0.0055") / Decimal("0.95")
    assert found.wrong_per_thousand == 50
    assert (found.total_usd, found.month_usd, found.month_total_usd) == (None, None, None)


def test_three_numbers_by_volume():
    """Where every class has a volume it weighs by it, and a month costs its requests plus its wrong answers."""
    made = two_classes((9000.0, 1000.0), wrong_answer_usd=Decimal("0.20"))
    found = worth.table_figures(made, worth.weighting(made))
    assert found.cost_usd == Decimal("0.0019")  # (9 x 0.001 + 1 x 0.01) / 10
    assert found.month_usd == 19
    assert found.total_usd == Decimal("0.0019") + Decimal("0.01")  # 5 % wrong at 20 cents
    assert found.month_total_usd == 19 + 100


@pytest.mark.parametrize(
    ("stated", "measured", "by_volume", "requests"),
    [
        ((None, None), {}, False, {}),
        ((5.0, None), {}, False, {"easy": 5.0}),
        ((5.0, None), {"hard": 7.0, "gone": 1.0}, True, {"easy": 5.0, "hard": 7.0}),
        ((5.0, 6.0), {"hard": 7.0}, True, {"easy": 5.0, "hard": 6.0}),
        ((0.0, 0.0), {}, False, {"easy": 0.0, "hard": 0.0}),
    ],
)
def test_where_volumes_come_from(stated, measured, by_volume, requests):
    """A stated volume goes before a measured one; with one class unknown, or nothing asked, all weigh the same."""
    found = worth.weighting(two_classes(stated), measured)
    assert (found.by_volume, found.requests) == (by_volume, requests)


@pytest.mark.parametrize(
    ("more", "counts", "expected"),
    [
        ({}, {}, 100.0),
        ({"failed": 4}, {}, 60.0),
        ({"wrong_per_thousand": 12.5}, {}, 12.5),
        ({}, {"method": "betting", "mean": 0.9}, None),
        ({}, {"cases": 0, "passes": 0}, None),
    ],
)
def test_wrong_answers_of_older_tables(more, counts, expected):
    """Evidence without the figure gives it by its counts, where these are of one 0/1 reply a case."""
    one = replace(evidence("small", 90, "1"), **more)
    one = replace(one, judgement=replace(one.judgement, **counts))
    assert worth.wrong_per_thousand(one) == expected


@given(
    st.lists(
        st.tuples(st.integers(1, 100), st.integers(0, 10**6), st.integers(0, 10**5)),
        min_size=1,
        max_size=5,
    )
)
@settings(deadline=None)
def test_the_whole_lies_between_its_classes(rows):
    """A figure of several classes is no less than the least and no more than the greatest; a month is their sum."""
    made = table(
        *(
            route(f"c{k}", evidence("small", passes, f"{cost}e-6"), chosen="small", requests_per_month=float(n))
            for k, (passes, cost, n) in enumerate(rows)
        )
    )
    of = worth.weighting(made)
    found = worth.table_figures(made, of)
    costs = [Decimal(cost) / 10**6 for _, cost, _ in rows]
    assert min(costs) - Decimal("1e-20") <= found.cost_usd <= max(costs) + Decimal("1e-20")
    assert min(p for p, _, _ in rows) - 1e-9 <= 100 * found.correct <= max(p for p, _, _ in rows) + 1e-9
    if of.by_volume:
        month = sum(cost * n for cost, (_, _, n) in zip(costs, rows, strict=True))
        assert abs(found.month_usd - month) < Decimal("1e-12")


# --- one candidate for all --------------------------------------------------------------------------------------------


def test_a_constant_is_compared_on_the_classes_it_was_run_on():
    """Where a cheaper candidate had passed, the constant has no figure, and the table's is of the same classes."""
    made = two_classes()
    hard_only = replace(made.routes["easy"], evidence=made.routes["easy"].evidence[:1])
    made = replace(made, routes={**made.routes, "easy": hard_only})
    top = next(one for one in worth.constants(made, worth.weighting(made)) if one.candidate == "top")
    assert (top.covered, top.of, top.everywhere) == (1, 2, False)
    assert top.figures.cost_usd == top.table.cost_usd == Decimal("0.01")


def test_the_best_constant_passes_most():
    """Most bars passed comes first, though it be the dearest; a candidate that was never run is not listed."""
    found = worth.constants(two_classes(), worth.weighting(two_classes()))
    assert [(one.candidate, one.passes, one.worse) for one in found] == [("top", 2, ()), ("small", 1, ("hard",))]
    assert found[0].saved_usd == Decimal("0.0045")


@pytest.mark.parametrize(
    ("constant", "choice", "good", "alike"),
    [
        ((95, PROVEN), (85, PROVEN), True, False),  # passing is enough, whatever the scores
        ((84, NOT_PROVEN), (86, PROVEN), False, True),
        ((84, BELOW), (86, PROVEN), False, False),
        ((78, NOT_PROVEN), (80, NOT_PROVEN), True, True),
        ((78, BELOW), (80, NOT_PROVEN), False, False),
        ((60, BELOW), (61, BELOW), True, True),
        ((70, NOT_PROVEN), (80, NOT_PROVEN), False, False),  # the intervals meet, the scores lie outside
    ],
)
def test_as_good_and_alike(constant, choice, good, alike):
    """As good: passes like the choice, or is alike where that has not passed; alike: scores within the intervals."""
    shown = [evidence(name, passes, "1", verdict) for name, (passes, verdict) in (("small", constant), ("mid", choice))]
    made = table(route("c", *shown, chosen="mid"))
    one = next(one for one in worth.constants(made, worth.weighting(made)) if one.candidate == "small")
    assert (not one.worse, not one.apart) == (good, alike)


# --- is it worth it ---------------------------------------------------------------------------------------------------


def kinds(made, spend="10", volumes=None):
    """The reasons' kinds, marked where they decide."""
    found = worth.when_not_to_bother(made, Decimal(spend), volumes)
    return [f"{one.kind}{'!' if one.decides else ''}" for one in found]


def test_worth_it_is_paid_back_after_so_many_requests():
    """Break-even is the eval's dollars over what a request saves: 10 / 0.0045, rounded up."""
    found = worth.weigh(two_classes(), Decimal(10))
    assert found.answer == "worth it"
    assert found.reasons == ()
    assert "saves $4.50 per 1,000 requests and delivers 15\u00a0wrong answers more" in found.text
    assert "paid back after 2,223\u00a0requests" in found.text
    assert found.against.candidate == "top"


def test_one_class_and_one_choice():
    """One class needs no table, nor do several that all chose the same."""
    made = two_classes()
    assert kinds(table(made.routes["easy"])) == ["one class!"]
    same = replace(made, routes={n: replace(r, chosen="top") for n, r in made.routes.items()})
    assert kinds(same) == ["one choice!"]


def test_a_constant_that_costs_no_more():
    """One model that passes all that the table passes at no higher price makes the table needless."""
    made = two_classes()
    cheap = {n: replace(r, evidence=(r.evidence[0], replace(r.evidence[1], cost_per_case_usd=Decimal("0.0005"))))
             for n, r in made.routes.items()}  # fmt: skip
    found = worth.weigh(replace(made, routes=cheap), Decimal(10))
    assert found.answer == "not worth it"
    assert found.reasons[0].kind == "one model"
    assert found.reasons[0].numbers["constant_usd"] == Decimal("0.5")


def test_wrong_answers_may_cost_more_than_the_calls_save():
    """With the price of a wrong answer given, the dearer constant that delivers fewer of them may be cheaper."""
    assert kinds(two_classes(wrong_answer_usd=Decimal("0.1"))) == []  # 0.0045 saved, 0.0015 lost
    found = worth.weigh(two_classes(wrong_answer_usd=Decimal(1)), Decimal(10))
    assert found.answer == "not worth it"
    assert [one.kind for one in found.reasons] == ["wrong answers"]
    assert "15\u00a0wrong answers fewer: with what these cost, the table is $10.50 dearer" in found.reasons[0].text


@pytest.mark.parametrize(
    ("requests", "spend", "expected"),
    [
        ((100.0, 100.0), "10", ["volume!"]),  # saves 0.90 a month
        ((1000.0, 1000.0), "10", ["eval cost!"]),  # saves 9.00
        ((1200.0, 1200.0), "10", []),  # saves 10.80
        ((111.0, 100.0), "10", ["volume!"]),  # saves 0.999
        ((112.0, 100.0), "1.00", []),  # saves 1.008
    ],
)
def test_tiny_volumes(requests, spend, expected):
    """Saving less than a dollar a month, or less than a monthly eval, is not worth it; stated or measured alike."""
    assert kinds(two_classes(requests), spend) == expected
    assert kinds(two_classes(), spend, dict(zip(("easy", "hard"), requests, strict=True))) == expected


def test_a_class_that_is_hardly_asked():
    """A class that saves less than a dollar a month is named beside others that save more."""
    made = two_classes((5000.0, 100.0))
    rare = replace(made.routes["easy"], task_class="rare", stakes=Stakes(requests_per_month=100.0))
    found = worth.when_not_to_bother(replace(made, routes={**made.routes, "rare": rare}), Decimal(10))
    assert [(one.kind, one.decides, one.numbers) for one in found] == [("volume", False, {"rare": Decimal("0.9")})]
    assert "1\u00a0of 3 classes saves less than $1.00 a month: rare $0.90 (100 requests)." in found[0].text


def test_the_break_even_volume_is_given():
    """Where the eval costs more than a month saves, the reason says from which volume on it would not."""
    (found,) = worth.when_not_to_bother(two_classes((1000.0, 1000.0)), Decimal(10))
    assert found.numbers["break_even_requests"] == 2223
    assert "pays from 2,223\u00a0requests a month" in found.text


def test_cases_that_do_not_tell():
    """A cheaper constant within the intervals on every class is a caution, not a decision: it has not passed."""
    easy = (evidence("small", 84, "0.001", NOT_PROVEN), evidence("mid", 86, "0.002"), evidence("top", 98, "0.01"))
    hard = (
        evidence("small", 84, "0.001", NOT_PROVEN),
        evidence("mid", 80, "0.002", BELOW),
        evidence("top", 88, "0.01"),
    )
    made = table(route("easy", *easy, chosen="mid"), route("hard", *hard, chosen="top"))
    found = worth.weigh(made, Decimal(10))
    assert [(one.kind, one.decides) for one in found.reasons] == [("not told apart", False)]
    assert found.answer == "worth it"
    assert "has not passed the bar of easy, hard" in found.reasons[0].text


def test_quality_critical_recommends_the_strongest_proven():
    """The strongest that passed is named with its price; a table of nothing else is not worth it."""
    made = two_classes()
    critical = replace(made.routes["easy"], stakes=Stakes(quality_critical=True))
    found = worth.when_not_to_bother(replace(made, routes={**made.routes, "easy": critical}), Decimal(10))
    assert [(one.kind, one.decides, one.task_class) for one in found] == [("quality critical", False, "easy")]
    assert "the strongest is top (score 98.0%, $10.00 per 1,000): use that. mid was not run on it." in found[0].text
    assert found[0].numbers["strongest"] == "top"
    assert kinds(two_classes(quality_critical=True)) == ["quality critical!", "quality critical!"]


def test_what_was_not_run_cannot_be_told():
    """A candidate that failed nowhere but was not run everywhere leaves the question open, as does one never run."""
    made = two_classes()
    easy = replace(made.routes["easy"], evidence=made.routes["easy"].evidence[:1])
    found = worth.weigh(replace(made, routes={**made.routes, "easy": easy}), Decimal(10))
    assert found.answer == "cannot be told"
    assert "always top to be worse than the table, but it was run on 1 of 2 classes only" in found.text
    hard = route("hard", evidence("small", 50, "0.001", BELOW), evidence("mid", 95, "0.002"), chosen="mid")
    easy = route("easy", evidence("small", 95, "0.001"), evidence("mid", 60, "0.002", BELOW), chosen="small")
    found = worth.weigh(table(easy, hard), Decimal(10))
    assert (found.answer, "top could serve every class, but was not run" in found.text) == ("cannot be told", True)


def test_a_class_whose_choice_was_not_run_counts():
    """Who is seen to miss its bar is worse than what serves it unseen; what was not run on it leaves it open."""
    skipped = route("hard", evidence("small", 0, "0.001", BELOW), chosen="top")
    missed = worth.weigh(table(route("easy", evidence("small", 95, "0.001"), chosen="small"), skipped), Decimal(10))
    best = missed.constants[0]
    assert (best.candidate, best.passes, best.covered, best.of, best.worse) == ("small", 1, 2, 2, ("hard",))
    assert (missed.answer, missed.against) == ("cannot be told", None)  # top could do for both, nobody knows
    tiny = route("tiny", chosen="top")
    unseen = worth.weigh(table(route("easy", evidence("small", 95, "0.001"), chosen="small"), tiny), Decimal(10))
    assert (unseen.answer, unseen.constants[0].untold) == ("cannot be told", ("tiny",))
    itself = table(route("easy", evidence("small", 95, "0.001"), chosen="small"), route("tiny", chosen="small"))
    assert worth.weigh(itself).constants[0].everywhere


def test_a_class_whose_choice_was_not_run_counts_without_costs_too():
    """The same by verdicts alone."""
    free = replace(evidence("small", 95, "0.001"), cost_per_case_usd=None)
    missed = replace(evidence("small", 0, "0.001", BELOW), cost_per_case_usd=None)
    made = table(route("easy", free, chosen="small"), route("hard", missed, chosen="top"), route("tiny", chosen="top"))
    (stand,) = worth.weigh(made).standings
    assert (stand.covered, stand.of, stand.passes, stand.worse, stand.untold) == (2, 3, 1, ("hard",), ("tiny",))


def test_a_table_that_no_single_candidate_replaces():
    """Where every candidate is worse somewhere, routing is worth it for what it passes."""
    shown = {
        name: [evidence(one, 95 if one == good else 50, "0.001", PROVEN if one == good else BELOW) for one in LADDER]
        for name, good in zip("abc", LADDER, strict=True)
    }
    made = table(*(route(name, *shown[name], chosen=good) for name, good in zip("abc", LADDER, strict=True)))
    found = worth.weigh(made, Decimal(10))
    assert found.answer == "worth it"
    assert "always small, the best of them, passes 1 of 3 classes, the table 3; it is worse on b, c." in found.text


@pytest.mark.parametrize("volumes", [None, {"easy": 1.0}])
def test_nothing_measured_invents_nothing(volumes):
    """Without a cost, without evidence, without a class: no figure, no error."""
    no_cost = route("easy", replace(evidence("small", 9, "1", cases=10), cost_per_case_usd=None), chosen="small")
    for made in (table(), table(route("easy", chosen="top")), table(no_cost, route("b", chosen="top"))):
        found = worth.weigh(made, None, volumes)
        assert found.figures is None
        assert found.constants == ()
    assert worth.evaluation_usd(table(), []) is None


def unpriced(*made):
    """The table of these classes with what nobody knows left out: every cost."""
    free = (
        (of, (replace(one, cost_per_case_usd=None, cost_per_accepted_usd=None) for one in of.evidence)) for of in made
    )
    return table(*(replace(of, evidence=tuple(shown)) for of, shown in free))


@pytest.mark.parametrize(
    ("rows", "answer", "text"),
    [
        # (passes of small, passes of top, chosen) a class
        (
            [(95, 50, "small"), (50, 95, "top"), (50, 96, "top")],
            "cannot be told",  # mid was not run
            "No choice has a measured cost, and mid could serve every class, but was not run.",
        ),
        (
            [(95, 94, "small"), (50, 95, "top")],
            "cannot be told",
            (
                "No choice has a measured cost, and always top is as good as the table on every class: only costs "
                "would tell whether the table saves anything."
            ),
        ),
        (
            [(95, None, "small"), (50, 95, "top")],
            "cannot be told",
            (
                "No choice has a measured cost, and no class shows always top to be worse than the table, but it was "
                "run on 1 of 2 classes only."
            ),
        ),
    ],
)
def test_without_costs_verdicts_are_compared(rows, answer, text):
    """Where no cost is known, the candidates stand beside the table by their verdicts, and no money is invented."""
    made = [
        route(
            str(number),
            *(
                evidence(name, passes, "1", PROVEN if passes > 90 else BELOW)
                for name, passes in (("small", small), ("top", top))
                if passes is not None
            ),
            chosen=chosen,
        )
        for number, (small, top, chosen) in enumerate(rows)
    ]
    found = worth.weigh(unpriced(*made))
    assert (found.answer, found.text) == (answer, text)
    assert (found.figures, found.constants) == (None, ())
    best = found.standings[0]
    assert best.passes == max(
        sum(n is not None and n > 90 for n in column) for column in list(zip(*rows, strict=True))[:2]
    )
    assert all(0 <= one.correct <= 1 and one.covered <= one.of == len(rows) for one in found.standings)


def test_without_costs_a_table_that_no_single_candidate_replaces():
    """Verdicts alone show that each candidate is worse somewhere; what the table saves is said to be unknown."""
    shown = {
        name: [evidence(one, 95 if one == good else 50, "1", PROVEN if one == good else BELOW) for one in LADDER]
        for name, good in zip("abc", LADDER, strict=True)
    }
    made = unpriced(*(route(name, *shown[name], chosen=good) for name, good in zip("abc", LADDER, strict=True)))
    found = worth.weigh(made)
    assert found.answer == "worth it"
    assert found.text == (
        "No single candidate does what the table does: always small, the best of them, passes 1 of 3 classes, the "
        "table 3; it is worse on b, c. No choice has a measured cost, so what it saves is not known."
    )


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=6))
def test_a_known_cost_changes_no_standing(rows):
    """By verdicts a constant stands as it does with costs: the same passes, the same classes on which it is worse."""
    made = [
        route(
            str(number),
            *(
                evidence(name, passes, "1", PROVEN if passes > 90 else BELOW)
                for name, passes in (("small", small), ("top", top))
            ),
            chosen="small" if small > 90 else "top",
        )
        for number, (small, top) in enumerate(rows)
    ]
    stand = {one.candidate: one for one in worth.weigh(unpriced(*made)).standings}
    with_costs = worth.weigh(table(*made)).constants
    assert stand.keys() == {one.candidate for one in with_costs}
    for one in with_costs:
        other = stand[one.candidate]
        assert (one.passes, one.table_passes, one.worse, one.apart) == (
            other.passes,
            other.table_passes,
            other.worse,
            other.apart,
        )


# --- cascades ---------------------------------------------------------------------------------------------------------


def result(index, *, passed, candidate="a", cost="0.001", usable=True, **more):
    """One result; not usable = no answer was found in the reply."""
    return Result(
        task_class="c",
        candidate=candidate,
        case_id=f"case-{index}",
        index=index,
        input="",
        expected="",
        status=Status.SCORED,
        passed=passed,
        score=float(passed),
        extracted="x" if usable else None,
        explanation="",
        reply="x",
        stop_reason=StopReason.END,
        served_model="m",
        calls=1,
        input_tokens=1,
        output_tokens=1,
        cost_usd=Decimal(cost),
        latency_s=1.0,
        cached=False,
        **more,
    )


def cascade(first, second, **more):
    """The cascade of two candidates' results by the check that a reply came back whole."""
    first = worth.replies_of(first)
    return worth.cascade(first, worth.replies_of(second), first.where(worth.usable), **more)


def test_a_cascade_by_hand():
    """20 cases, 10 rejected of which the second gets 6 right: every figure as counted by hand."""
    first = [result(k, passed=k < 8, usable=k < 10) for k in range(20)]  # 8 right and 2 wrong accepted
    second = [result(k, passed=k < 16, cost="0.01", candidate="b") for k in range(20)]
    found = cascade(first, second, check_usd=Decimal("0.0005"))
    assert (found.cases, found.rejected, found.rescued, found.q, found.accepted) == (20, 10, 6, 0.6, 0.5)
    assert (found.tpr, found.fpr) == (1.0, 2 / 12)
    assert found.cost_usd == Decimal("0.0065")  # 0.001 + 0.0005 + 10/20 x 0.01
    assert (found.correct, found.wrong) == (14 / 20, 6 / 20)
    assert (found.first_correct, found.second_correct, found.second_usd) == (0.4, 0.8, Decimal("0.01"))
    assert found.cheaper
    assert found.q_interval == pytest.approx((0.2624, 0.8784), abs=1e-4)  # Clopper-Pearson, 6 of 10


ROWS = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=10, max_size=60)


@given(ROWS, st.sampled_from(["0", "0.002"]))
@settings(deadline=None)
def test_the_counts_obey_the_formulas(rows, check):
    """C = c1 + g + (1-a) c2, correct = p1 TPR + (1-a) q, undetected wrong = (1-p1) FPR + (1-a)(1-q)."""
    first = [result(k, passed=one and usable, usable=usable) for k, (one, _, usable) in enumerate(rows)]
    second = [result(k, passed=two, cost="0.01", candidate="b") for k, (_, two, _) in enumerate(rows)]
    found = cascade(first, second, check_usd=Decimal(check), least_rejected=1)
    if found is None:
        assert all(usable for _, _, usable in rows)
        return
    p1, a, c = found.first_correct, found.accepted, Decimal("0.001") + Decimal(check)
    assert float(found.cost_usd) == pytest.approx(float(c) + (1 - a) * 0.01)
    assert found.correct == pytest.approx(p1 * (found.tpr or 0) + (1 - a) * found.q)
    assert found.wrong == pytest.approx((1 - p1) * (found.fpr or 0) + (1 - a) * (1 - found.q))
    assert found.q_interval[0] <= found.q <= found.q_interval[1]


def test_q_is_what_the_second_does_on_rejected_cases():
    """With cases hard for both, q lies well below the second's own share: the product formula would flatter."""
    rng = random.Random(3)  # noqa: S311 - sample data
    hard = [rng.random() < 0.3 for _ in range(2000)]
    first = [result(k, passed=(ok := rng.random() < (0.4 if h else 0.95)), usable=ok) for k, h in enumerate(hard)]
    second = [result(k, passed=rng.random() < (0.7 if h else 0.99), candidate="b") for k, h in enumerate(hard)]
    found = cascade(first, second)
    assert found.q < found.second_correct - 0.1
    assert found.q == pytest.approx((0.3 * 0.6 * 0.7 + 0.7 * 0.05 * 0.99) / (0.3 * 0.6 + 0.7 * 0.05), abs=0.05)


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"status": Status.FAILED, "stop_reason": None}, False),
        ({"stop_reason": StopReason.REFUSAL}, False),
        ({"stop_reason": StopReason.MAX_TOKENS}, False),
        ({"extracted": None}, False),
        ({"status": Status.UNSCORED}, True),  # at run time nobody scores
    ],
)
def test_usable(change, accepted):
    """A reply is usable when it came back whole with an answer in it; whether it is right plays no part."""
    assert all(worth.usable(replace(result(0, passed=right), **change)) is accepted for right in (True, False))


def test_checks_with_thresholds():
    """Agreement and log-probability accept from their threshold on, and only usable answers that have them."""
    votes = [replace(result(0, passed=True), agreement=share) for share in (None, 1 / 3, 2 / 3, 1.0)]
    assert [worth.agreement_at_least(2 / 3)(one) for one in votes] == [False, False, True, True]
    sure = [replace(result(0, passed=True), mean_logprob=value) for value in (None, -2.0, -0.5)]
    assert [worth.logprob_at_least(-0.5)(one) for one in sure] == [False, False, True]
    assert not worth.agreement_at_least(0.5)(replace(votes[3], extracted=None))
    assert [check.name for check in worth.checks_for([*votes, *sure])] == [
        "usable",
        "all samples agree",
        "mean log-probability at least -1.2, the median",
    ]


def test_no_cascade_without_common_rejected_cases():
    """Fewer than ten rejected cases that both were run on give no figure, nor do no cases at all."""
    first = [result(k, passed=False, usable=False) for k in range(30)]
    second = [result(k, passed=True, candidate="b") for k in range(30)]
    assert cascade(first, second[:9]) is None
    assert cascade(first, second[:10]).cases == 10
    assert cascade(first[:10], second[10:]) is None
    assert cascade([], []) is None


def test_a_case_counts_once():
    """Of several epochs one pair counts, of a case asked twice the last result, in whatever order they come."""
    first = [result(k, passed=False, usable=False, epoch=e) for k, e in itertools.product(range(12), range(3))]
    second = [result(k, passed=k < 6, candidate="b", epoch=e) for k, e in itertools.product(range(12), (1, 2))]
    again = [replace(second[0], passed=True), *second, replace(second[0], passed=False)]
    found = cascade(first, random.Random(1).sample(again[1:-1], 24) + again[-1:])  # noqa: S311 - sample data
    assert (found.cases, found.rescued) == (12, 5)


@pytest.mark.parametrize(
    ("hits", "n", "alpha", "expected"),
    [(190, 200, 0.1, (0.91666, 0.97256)), (0, 10, 0.05, (0.0, 0.30850)), (10, 10, 0.05, (0.69150, 1.0))],
)
def test_exact_interval(hits, n, alpha, expected):
    """The interval of a share is Clopper and Pearson's."""
    assert worth.share_interval(hits, n, alpha) == pytest.approx(expected, abs=1e-4)
