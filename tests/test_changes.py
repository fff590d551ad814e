"""Two tables compared: what is named, what is summed, what is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.errors import InputError
from routerctl.evaluation.differences import leaf_pair
from routerctl.files.codec import decode, encode, json_text
from routerctl.files.document import Document
from routerctl.review.diff import bill, bill_words, changes, compare, counts_words, headline
from routerctl.review.diff.wording import share_words
from routerctl.table import with_digest
from routerctl.types import (
    Candidate,
    Condition,
    Evidence,
    Example,
    Judgement,
    Price,
    PriceTier,
    PromptSpec,
    ProviderSpec,
    ReplySpec,
    Route,
    Rule,
    Sampling,
    ScorerSpec,
    Stakes,
    Strategy,
    Table,
    Verdict,
)
from routerctl.words import NBSP


def plain(text: str) -> str:
    """Write signs that look like others as these others."""
    return text.translate({0x2212: "-", 0x2013: "-", 0xD7: "x", ord(NBSP): " "})


def evidence(
    candidate: str, passes: int, cost: str | None, verdict: Verdict = Verdict.PROVEN, risk: float | None = None
) -> Evidence:
    """What 100 cases said of a candidate that costs so much a case."""
    usd = None if cost is None else Decimal(cost)
    return Evidence(
        candidate=candidate,
        judgement=Judgement(
            verdict=verdict,
            cases=100,
            passes=passes,
            n=120,
            bar=0.8,
            alpha=0.025,
            interval=(0.8, 0.99),
            good_enough=0.93,
            least_cases=14,
            needed_cases=None,
            risk=risk,
        ),
        failed=0,
        unscored=0,
        refused=0,
        truncated=0,
        served_models=("m-1",),
        cost_per_case_usd=usd,
        cost_per_accepted_usd=None if usd is None or not passes else usd * 100 / passes,
        latency_p50_s=0.5,
        latency_p95_s=1.0,
    )


OPUS = evidence("opus", 100, "0.0124")
HAIKU = evidence("haiku", 96, "0.0011")


def route(name: str, chosen: Evidence, *more: Evidence, **fields: Any) -> Route:
    """A class that chose the candidate of the first evidence."""
    made = Route(
        task_class=name,
        description="Sort the mail.",
        bar=0.8,
        chosen=chosen.candidate,
        level=chosen.judgement.verdict.level,
        rungs=(chosen.candidate,),
        evidence=(chosen, *more),
        run_id="run-1",
        eval_set_digest="sha256:00",
        prompt=PromptSpec(system="Be brief.", examples=(Example(input="a", reply="b"),)),
        reply=ReplySpec(max_tokens=16, json_schema={"type": "object", "required": ["a"]}),
        scorer=ScorerSpec(name="number", params={"rel": 0.01}),
        stakes=Stakes(requests_per_month=2000.0, wrong_answer_usd=Decimal("0.5")),
    )
    return replace(made, **fields)


def table(*routes: Route) -> Table:
    """A table of these classes."""
    return with_digest(
        Table(
            table_version=3,
            digest="",
            ladder_name="main",
            ladder=("haiku", "opus"),
            mode="proven",
            risk=0.05,
            margin=0.03,
            seed=1,
            rules=(
                Rule(name="short", task_class="mail", when=Condition(max_chars=9, keywords=("1", "yes"))),
                Rule(name="json", task_class="mail", when=Condition(is_json=True)),
            ),
            default_class="mail",
            providers={"far": ProviderSpec(name="far", kind="fake", usd_per_hour=Decimal("0.50"))},
            candidates={
                "haiku": Candidate(
                    name="haiku",
                    provider="far",
                    model="claude-haiku-5-5",
                    effort="low",
                    strategy=Strategy(name="self_consistency", samples=3),
                    sampling=Sampling(temperature=0.7),
                ),
                "opus": Candidate(name="opus", provider="far", model="claude-opus-5-5"),
            },
            prices={
                "haiku": Price(
                    date="2026-11-23", source="x", input_mtok_usd=Decimal("1.00"), output_mtok_usd=Decimal(5)
                ),
                "opus": Price(date="2026-11-23", source="x", usd_per_hour=Decimal("0.12")),
            },
            routes={one.task_class: one for one in routes},
        )
    )


CLOSE = evidence("haiku", 84, "0.0011", Verdict.PROVISIONAL, risk=0.192)
MAIL = route("mail", HAIKU, OPUS)
BASE = table(MAIL)


def with_route(**fields: Any) -> Table:
    """The base table with its class changed."""
    return table(replace(MAIL, **fields))


def with_candidate(**fields: Any) -> Table:
    """The base table with the chosen candidate changed."""
    return replace(BASE, candidates={**BASE.candidates, "haiku": replace(BASE.candidates["haiku"], **fields)})


def rows(after: Table, before: Table = BASE) -> dict[str, tuple[str, str]]:
    """Every row of a comparison, the classes' and the table's."""
    found = compare(before, after)
    listed = [*(row for one in found.classes for row in one.differences), *found.general]
    return {row.what: (plain(row.before), plain(row.after)) for row in listed}


def test_rows_stand_in_the_order_of_cause() -> None:
    """Settings, then what follows from them, then figures; a sentence is compared only where nothing else differs."""
    words = {"rule": "Nothing but proof counts here.", "verdict": "Not run."}
    found = with_route(when_unproven="top_rung", level="best available", rungs=("haiku", "opus"), bar=0.9, **words)
    (change,) = [one for one in compare(BASE, found).classes if one.task_class == "mail"]
    assert [row.what for row in change.differences] == ["bar", "when_unproven", "verdict", "fallbacks"]
    (change,) = [one for one in compare(BASE, with_route(**words)).classes if one.task_class == "mail"]
    assert [row.what for row in change.differences] == ["words: verdict", "words: rule"]


# --- what is named ----------------------------------------------------------------------------------------------------

PRICES = {**BASE.prices, "haiku": replace(BASE.prices["haiku"], input_mtok_usd=Decimal(2))}
TIER = PriceTier(above_input_tokens=100_000, input_mtok_usd=Decimal(2), output_mtok_usd=Decimal(10))
TIERS = {**BASE.prices, "haiku": replace(BASE.prices["haiku"], tiers=(TIER,), request_usd=Decimal("0.01"))}
DATES = {**BASE.prices, "haiku": replace(BASE.prices["haiku"], date="2026-12-01")}
FAR = {"far": replace(BASE.providers["far"], base_url="https://elsewhere")}
LONG = "Say which of the folders below this mail belongs to, and give nothing but the name of the folder"

NAMED = [
    (with_route(bar=0.9), ("other bar",), {"bar": ("80%", "90%")}),
    (with_route(rungs=("haiku", "opus")), ("other fallbacks",), {"fallbacks": ("none", "opus")}),
    (with_route(eval_set_digest="sha256:11"), ("other eval set",), {"eval set": ("sha256:00", "sha256:11")}),
    (with_route(level="best available"), ("other verdict",), {"verdict": ("proven", "best available")}),
    (
        with_route(when_unproven="top_rung"),
        ("other when_unproven",),
        {"when_unproven": ("provisional", "top_rung")},
    ),
    (
        with_route(prompt=replace(MAIL.prompt, template="Q: {{ input }}")),
        ("other prompt",),
        {"prompt template": ("{{ input }}", "Q: {{ input }}")},
    ),
    (
        with_route(prompt=replace(MAIL.prompt, examples=())),
        ("other prompt",),
        {"prompt examples": ('[{"input": "a", "reply": "b"}]', "[]")},
    ),
    (with_route(reply=replace(MAIL.reply, max_tokens=8)), ("other reply shape",), {"reply max_tokens": ("16", "8")}),
    (with_route(scorer=ScorerSpec(name="number")), ("other scorer",), {"scorer rel": ("0.01", "none")}),
    (with_route(stakes=Stakes()), ("other stakes",), {"per month": ("$2.20", "none")}),
    (with_route(description="Sort."), ("other description",), {"description": ("Sort the mail.", "Sort.")}),
    (
        with_candidate(model="claude-haiku-6"),
        ("other pin or settings",),
        {"model": ("claude-haiku-5-5", "claude-haiku-6")},
    ),
    (with_candidate(effort=None), ("other pin or settings",), {"effort": ("low", "none")}),
    (
        with_candidate(strategy=Strategy()),
        ("other pin or settings",),
        {"strategy name": ("self_consistency", "single_shot"), "strategy samples": ("3", "1")},
    ),
    (
        replace(BASE, providers=FAR),
        ("other pin or settings",),
        {"provider far base_url": ("none", "https://elsewhere")},
    ),
    (
        replace(BASE, prices=PRICES),
        ("other price",),
        {
            "price": (
                "input $1.00, output $5.00 per million tokens (2026-11-23, x)",
                "input $2.00, output $5.00 per million tokens (2026-11-23, x)",
            )
        },
    ),
    (
        replace(BASE, prices=TIERS),
        ("other price",),
        {
            "price": (
                "input $1.00, output $5.00 per million tokens (2026-11-23, x)",
                (
                    "input $1.00, output $5.00 per million tokens, $0.01 a request; above 100,000 input tokens input "
                    "$2.00, output $10.00 (2026-11-23, x)"
                ),
            )
        },
    ),
    (
        replace(BASE, prices=DATES),
        (),
        {
            "price of haiku": (
                "input $1.00, output $5.00 per million tokens (2026-11-23, x)",
                "input $1.00, output $5.00 per million tokens (2026-12-01, x)",
            )
        },
    ),
    (with_route(run_id="run-2"), (), {"run": ("run-1", "run-2")}),
    (
        with_route(evidence=(evidence("haiku", 90, "0.0011"), OPUS), run_id="run-2"),
        (),
        {
            "score": ("96.0% (80.0-99.0%, 96 of 100 cases)", "90.0% (80.0-99.0%, 90 of 100 cases)"),
        },
    ),
    (
        table(route("mail", replace(CLOSE, judgement=replace(CLOSE.judgement, risk=0.25)))),
        ("other verdict",),
        {"verdict": ("proven", "provisional"), "risk": ("none", "25%")},
    ),
    (
        with_route(evidence=(HAIKU,), run_id="run-2"),
        (),
        {"evidence of opus": ("proven, 100.0% (80.0-99.0%, 100 of 100 cases)", "not run")},
    ),
    (
        with_route(evidence=(replace(HAIKU, refused=2), OPUS)),  # the same run: somebody edited it
        (),
        {"evidence haiku refused": ("0", "2")},
    ),
    (replace(BASE, risk=0.01), (), {"risk": ("5%", "1%")}),
    (replace(BASE, mode="margin"), (), {"mode": ("proven", "margin")}),
    (replace(BASE, ladder=("haiku", "mid", "opus")), (), {"ladder": ("haiku, opus", "haiku, mid, opus")}),
    (replace(BASE, default_class=None), (), {"default class": ("mail", "none")}),
    (
        replace(BASE, rules=BASE.rules[1:]),
        (),
        {"rule short": ('class mail, max_chars 9, keywords ["1", "yes"]', "none")},
    ),
    (replace(BASE, rules=BASE.rules[::-1]), (), {"order of rules": ("short, json", "json, short")}),
    (
        replace(BASE, rules=(replace(BASE.rules[0], when=Condition(max_chars=7)), BASE.rules[1])),
        (),
        {"rule short max_chars": ("9", "7")},
    ),
]


@pytest.mark.parametrize(("after", "what", "named"), NAMED)
def test_each_difference_is_named(after: Table, what: tuple[str, ...], named: dict[str, tuple[str, str]]) -> None:
    """Every kind of decision has its words, every part its row with both values; a measurement is no decision."""
    found = rows(after)
    assert named.items() <= found.items()
    (change,) = changes(BASE, after)
    assert change.what == what


def test_tables_that_differ_in_their_version_alone_are_the_same() -> None:
    """The version counts builds: with nothing else new there is nothing to review."""
    found = compare(BASE, with_digest(replace(BASE, table_version=9)))
    assert (found.differs, counts_words(found)) == (False, "the tables are the same")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (route("mail", HAIKU, OPUS, today="opus"), "$22.60 less a month, -4.0 points against opus"),
        (
            route("mail", OPUS, HAIKU, today="haiku", stakes=Stakes()),
            "$11.30 more per 1,000 requests, +4.0 points against haiku",
        ),
        (route("mail", HAIKU, evidence("opus", 100, None), today="opus"), "-4.0 points against opus"),
        (route("mail", HAIKU, today="opus"), "opus was not run"),
        (route("mail", HAIKU, today="haiku"), "haiku itself"),
    ],
)
def test_a_choice_is_told_beside_todays_model(made: Route, said: str) -> None:
    """Money and risk against who serves now stand in a row of their own, as far as they were measured."""
    assert rows(table(made))["beside today's model"][1] == said


def test_another_candidate_is_named_with_its_pin_and_without_what_follows_from_it() -> None:
    """Its price and its fallbacks are its own: listing them as decisions would say the same thing thrice."""
    before = table(route("mail", OPUS, rungs=("opus",)))
    after = table(route("mail", HAIKU, rungs=("haiku", "opus")))
    (change,) = changes(before, after)
    assert change.what == ("other candidate",)
    assert change.chooses
    assert rows(after, before)["candidate"] == (
        "opus (claude-opus-5-5)",
        "haiku (claude-haiku-5-5, effort low, self consistency x 3)",
    )


def test_a_risk_that_was_measured_again_is_no_other_verdict() -> None:
    """Each run moves the risk of what is provisional: a figure, like the score; the level is the decision."""
    before, after = (
        table(route("mail", evidence("haiku", passes, "0.0011", Verdict.PROVISIONAL, risk), run_id=run))
        for passes, risk, run in ((84, 0.192, "run-1"), (86, 0.0804, "run-2"))
    )
    (change,) = changes(before, after)
    assert (change.what, change.chooses) == ((), False)
    assert rows(after, before)["risk"] == ("19%", "8%")
    assert plain(headline(change)) == (
        "mail: haiku, provisional, risk 19% -> provisional, risk 8%; $1.10 per 1,000 requests; score 84.0% -> 86.0%"
    )


def test_what_only_the_bytes_tell_apart_still_differs() -> None:
    """The order of entries is under the digest; a comparison that saw nothing would be silent where git is not."""
    turned = replace(BASE, candidates=dict(reversed(list(BASE.candidates.items()))))
    assert list(rows(turned)) == ["order or notation"]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values that hold no others."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, item in items for leaf in leaves(item, (*path, key))]
    return [path]


def altered(value: Any) -> list[Any]:
    """Other values of a like kind; the file's schema takes at least one of them."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, str):
        return [
            f"{value}x",
            "high",
            "point",
            "below",
            "judge",
            "exact",
            "betting",
            "reflexion",
            "skip",
            "provisional",
            "top_rung",
            "warn",
            "auto",
            "fail_closed",
        ]
    if isinstance(value, int | float | Decimal):
        return [value + 1]
    nested = (
        [{"name": "x"}],
        [{"name": "x", "cap_usd": 1}],
        [{"name": "x", "regions": ["eu"]}],
        [{"provider": "x"}],
        [encode(TIER)],
    )
    named: tuple[dict[str, Any], ...] = (
        {"x": {}},
        {"x": {"table": "x.yaml"}},
        {"x": {"y": 0.5}},
        {"x": "y"},
        {"candidate": "x"},
    )
    escalation = {"to": "x", "below": {"y": 0.5}}
    beside = {"reference": "x", "itself": True, "within": 0.1, "pairs": 1, "lost": 0, "gained": 0, "difference": 0}
    nested_objective = {"within": 0.01, "of": "x"}
    simple = ["x"], "x", 7, True, "low", {"x": 1}, [{"input": 1, "reply": "x"}], [{"max_chars": 1}]
    return [*simple, *nested, *named, nested_objective, escalation, {**beside, "interval": [0, 1]}]


def test_no_value_of_the_file_can_change_unnamed() -> None:
    """Each value of routes.yaml, changed by itself, gives a row that names it, not merely the last resort."""
    silent = []
    for path in leaves(encode(BASE, keep_defaults=True)):
        if path[0] in ("table_version", "digest"):
            continue
        document = encode(BASE, keep_defaults=True)
        at = document
        for key in path[:-1]:
            at = at[key]
        original = at[path[-1]]
        for other in altered(original):
            at[path[-1]] = other
            if other == original:
                continue
            try:
                after = decode(Table, Document(file="", value=document, lines={}))
            except InputError:
                continue
            if set(rows(after)) <= {"order or notation"}:
                silent.append((path, other))
            break
        else:
            pytest.fail(f"no other value of {path} can be read")
    assert silent == []


def test_tables_edited_into_nonsense_are_compared_all_the_same() -> None:
    """A chosen candidate that is none, a class without evidence, an empty ladder: shown, not a traceback."""
    broken = replace(with_route(chosen="ghost", evidence=(), rungs=()), candidates={}, prices={}, ladder=(), rules=())
    for before, after in ((BASE, broken), (broken, BASE), (broken, broken)):
        found = compare(before, after)
        assert found.differs == (before is not after)
        assert all(headline(one) for one in found.classes)
    assert rows(broken)["candidate"][1] == "ghost (no such candidate)"


# --- values side by side ----------------------------------------------------------------------------------------------

PAIRS: list[tuple[Any, Any, tuple[str, str] | None]] = [
    ("a", "a", None),
    (None, None, None),
    (1, True, ("1", "true")),
    (Decimal("1.0"), Decimal("1.00"), ('"1.0"', '"1.00"')),
    (None, "none", ("none", '"none"')),
    ("", "eu", ("none", "eu")),
    (None, "", ("none", '""')),
    ("a b", "a  b", ("a b", '"a  b"')),
    ("a\nb", "a b", ('"a\\nb"', "a b")),
    (f"{LONG}.", f"{LONG}!", ("…t the name of the folder.", "…t the name of the folder!")),
]


@pytest.mark.parametrize(("old", "new", "shown"), PAIRS)
def test_values_are_shown_where_they_differ(old: Any, new: Any, shown: tuple[str, str] | None) -> None:
    """Short values whole, long ones around the first difference, white space and missing ones so that they are seen."""
    assert leaf_pair(old, new) == shown


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_what_differs_is_shown_as_different(old: str, new: str) -> None:
    """No cut hides the difference, and nothing is shown where there is none."""
    pair = leaf_pair(old, new)
    assert (pair is None) == (json_text(old) == json_text(new))
    assert pair is None or (pair[0] != pair[1] and max(map(len, pair)) <= 74)


# --- money ------------------------------------------------------------------------------------------------------------


def monthly(name: str, chosen: Evidence, requests: float | None) -> Route:
    """A class with so many requests a month."""
    return route(name, chosen, stakes=Stakes(requests_per_month=requests))


UNTOLD = replace(HAIKU, wrong_per_thousand=None, judgement=replace(HAIKU.judgement, method="betting"))
BILLS: list[tuple[tuple[Route, ...], tuple[Route, ...], str]] = [
    (
        (monthly("a", OPUS, None), monthly("b", OPUS, None)),
        (monthly("a", HAIKU, None), monthly("b", OPUS, None)),
        "1,000 requests over 2 classes, weighed by their cases: $12.40 -> $6.75 (-45.6%), wrong in 1,000: 0 -> 20",
    ),
    (
        (monthly("a", OPUS, 10.0), monthly("b", OPUS, 10.0)),  # the newer volumes count for both sides
        (monthly("a", HAIKU, 3000.0), monthly("b", OPUS, 1000.0)),
        (
            "1,000 requests over 2 classes, weighed by their requests a month: $12.40 -> $3.92 (-68.3%), "
            "wrong in 1,000: 0 -> 30; a month of 4,000 requests: $49.60 -> $15.70"
        ),
    ),
    (
        (monthly("a", OPUS, 100.0), monthly("gone", OPUS, None)),
        (monthly("a", OPUS, None), monthly("new", HAIKU, None)),
        "1,000 requests over 1 class (new, gone left out): $12.40, wrong in 1,000: 0; a month of 100 requests: $1.24",
    ),
    (
        (monthly("a", HAIKU, None),),
        (monthly("a", OPUS, None),),
        "1,000 requests over 1 class: $1.10 -> $12.40 (11.3 times as much), wrong in 1,000: 40 -> 0",
    ),
    (
        (monthly("a", HAIKU, 0.0),),
        (monthly("a", HAIKU, 0.0),),
        "1,000 requests over 1 class: $1.10, wrong in 1,000: 40",
    ),
    (
        (monthly("a", OPUS, None), monthly("b", OPUS, None)),
        (monthly("a", HAIKU, None), monthly("b", UNTOLD, None)),  # of one choice nobody knows
        "1,000 requests over 2 classes, weighed by their cases: $12.40 -> $1.10 (-91.1%)",
    ),
    (
        (monthly("a", replace(HAIKU, wrong_per_thousand=73.333), None),),
        (monthly("a", replace(HAIKU, wrong_per_thousand=999.96), None),),
        "1,000 requests over 1 class: $1.10, wrong in 1,000: 73.3 -> 1,000",
    ),
    (
        (monthly("a", OPUS, None),),
        (monthly("a", evidence("haiku", 0, None), None),),
        "What the tables cost cannot be compared: no class has a measured cost in both",
    ),
]


@pytest.mark.parametrize(("before", "after", "said"), BILLS)
def test_the_same_requests_are_priced_under_both_tables(
    before: tuple[Route, ...], after: tuple[Route, ...], said: str
) -> None:
    """Both sums are over the same classes in the same proportions; what is left out is named."""
    assert plain(bill_words(bill(table(*before), table(*after)))) == said


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.decimals("0.000001", 10, places=6), st.decimals("0.000001", 10, places=6), st.floats(0.001, 1e6)),
        min_size=1,
        max_size=6,
    )
)
def test_a_sum_lies_between_its_classes(classes: list[tuple[Decimal, Decimal, float]]) -> None:
    """However classes are weighed, the mean is none outside of what the classes cost, on both sides."""
    made = [
        tuple(monthly(f"c{k}", evidence("haiku", 90, str(cost)), volume) for cost in costs)
        for k, (*costs, volume) in enumerate(classes)
    ]
    found = bill(table(*(old for old, _ in made)), table(*(new for _, new in made)))
    assert found is not None
    before, after, _ = zip(*classes, strict=True)
    for total, costs in ((found.before_usd, before), (found.after_usd, after)):
        assert min(costs) * Decimal("0.999999") <= total <= max(costs) * Decimal("1.000001")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("12.40", "1.10", "-91.1%"),
        ("1", "1.5", "+50.0%"),
        ("1", "2", "2.0 times as much"),
        ("1", "0", "-100.0%"),
        ("1", "0.0001", "-99.9%"),
        ("1", "1.000", ""),
        ("0", "1", ""),
        (None, "1", ""),
        ("1", None, ""),
    ],
)
def test_shares_are_said_in_words(before: str | None, after: str | None, said: str) -> None:
    """A share of nothing is not said; from double on, times are plainer than hundreds of percents."""
    costs = [None if cost is None else Decimal(cost) for cost in (before, after)]
    assert plain(share_words(*costs)) == said


# --- sentences --------------------------------------------------------------------------------------------------------

POOR = evidence("haiku", 50, "0.0011", Verdict.NOT_PROVEN)
JUDGED = replace(HAIKU, judgement=replace(HAIKU.judgement, trust="judge"))
HEADLINES: list[tuple[Route | None, Route | None, str]] = [
    (
        route("extract", OPUS),
        route("extract", HAIKU),
        "extract: opus -> haiku, proven; $12.40 -> $1.10 per 1,000 requests (-91.1%); score 100.0% -> 96.0%",
    ),
    (
        route("extract", HAIKU),
        route("extract", POOR, bar=0.9),
        (
            "extract: haiku, proven -> best available, undecided; $1.10 per 1,000 requests; "
            "score 96.0% -> 50.0%; other bar"
        ),
    ),
    (
        route("extract", HAIKU),
        route("extract", JUDGED),
        "extract: haiku, proven -> proven (judge); $1.10 per 1,000 requests; score 96.0%",
    ),
    (
        route("extract", evidence("haiku", 0, "0.0011", Verdict.BELOW)),
        route("extract", OPUS),
        (
            "extract: haiku -> opus, best available -> proven; $1.10 -> $12.40 per 1,000 requests (11.3 times as "
            "much); score 0.0% -> 100.0%"
        ),
    ),
    (None, route("extract", HAIKU), "extract: new class: haiku, proven; $1.10 per 1,000 requests; score 96.0%"),
    (route("extract", OPUS), None, "extract: removed: was opus, proven; $12.40 per 1,000 requests; score 100.0%"),
    (
        route("extract", HAIKU, evidence=()),
        route("extract", HAIKU, evidence=(), bar=0.5),
        "extract: haiku, not run; other bar",
    ),
]


@pytest.mark.parametrize(("before", "after", "said"), HEADLINES)
def test_a_class_is_said_in_one_sentence(before: Route | None, after: Route | None, said: str) -> None:
    """Choice, verdict, money and score, moved or not, then what else was decided."""
    (change,) = changes(*(table(*([one] if one else [])) for one in (before, after)))
    assert plain(headline(change)) == said


def test_names_can_be_quoted() -> None:
    """Whoever prints Markdown marks the foreign names; the program's own words stay as they are."""
    (change,) = changes(table(route("mail", OPUS)), table(route("mail", HAIKU)))
    mark: Callable[[str], str] = "<{}>".format
    assert headline(change, mark).startswith("<mail>: <opus> -> <haiku>, proven; $12.40")


def test_another_level_is_no_other_choice() -> None:
    """The same candidate, proven before and provisional now, is a decision of its own; a choice that moved is none."""
    worse = evidence("haiku", 84, "0.0011", Verdict.PROVISIONAL, 0.192)
    before, after = table(route("a", HAIKU), route("b", OPUS)), table(route("a", worse), route("b", worse))
    found = compare(before, after)
    assert [(one.chooses, one.levels) for one in found.classes] == [(False, True), (True, False)]
    assert plain(counts_words(found)) == (
        "2 of 2 classes differ; 1 with another choice; 1 with the same choice on another level"
    )
    (only,) = changes(table(route("a", HAIKU)), table(route("a", worse)))
    assert plain(counts_words(replace(found, classes=(only,)))) == (
        "1 of 1 class differs; no choice differs; 1 with the same choice on another level"
    )


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [("", "opus", "none -> opus"), ("opus", "haiku", "opus -> haiku"), ("opus", "", "opus -> none")],
)
def test_todays_model_is_told_in_words(was: str, now: str, said: str) -> None:
    """Who serves now is a decision of the class; nobody named is `none`, not a pair of quotes."""
    before, after = (table(route("mail", HAIKU, today=name)) for name in (was, now))
    (change,) = changes(before, after)
    assert change.what == ("other model today",)
    assert " -> ".join(rows(after, before)["today's model"]) == said


def test_classes_are_counted() -> None:
    """Decisions, choices among them, and mere measurements apart."""
    before = table(*(route(name, OPUS) for name in "abcd"))
    after = table(route("a", HAIKU), route("b", OPUS, bar=0.7), route("c", OPUS, run_id="run-2"), route("d", OPUS))
    said = plain(counts_words(compare(before, after)))
    assert said == "2 of 4 classes differ; 1 with another choice; 1 measured again"
