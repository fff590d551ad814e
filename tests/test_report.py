"""The report: its figures, its sentences, its picture, and a page that stays inert whatever a model wrote."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl import words
from routerctl.evaluation.build import build_table
from routerctl.evaluation.selection import Outcome, Question, alpha_per_candidate, judge
from routerctl.evaluation.worth import chosen_evidence, evaluation_usd, weigh
from routerctl.pages import coded
from routerctl.review.report import answers as answered
from routerctl.review.report import money, picture, render_report, weighing
from routerctl.review.report import wording as sentences
from routerctl.table import with_digest
from routerctl.types import (
    Bar,
    Candidate,
    ClassHeader,
    Evidence,
    Example,
    Judgement,
    Mode,
    Price,
    PromptSpec,
    ProviderSpec,
    RelativeBar,
    ReplySpec,
    Result,
    Route,
    Run,
    RunHeader,
    ScorerSpec,
    Stakes,
    Status,
    StopReason,
    Strategy,
    Table,
    TopRung,
    Verdict,
    WhenUnproven,
)

Sample = tuple[Table, list[Run]]  # a table and the runs that it was made from
Attributes = list[tuple[str, str | None]]  # of a tag, as the parser gives them

# --- a run as a team might have it ------------------------------------------------------------------------------------

CANDIDATES = {
    "qwen-small": Candidate(name="qwen-small", provider="local", model="qwen2.5-coder-0.5b-instruct-q4_k_m"),
    "haiku": Candidate(name="haiku", provider="anthropic", model="claude-haiku-5-5", effort="low"),
    "haiku-vote": Candidate(
        name="haiku-vote",
        provider="anthropic",
        model="claude-haiku-5-5",
        effort="low",
        strategy=Strategy(name="self_consistency", samples=5),
    ),
    "opus": Candidate(name="opus", provider="anthropic", model="claude-opus-5-5", effort="medium", region="eu"),
}
PRICES = {
    "qwen-small": Price(date="2026-11-01", source="routerctl.yaml: 0.12 USD an hour", usd_per_hour=Decimal("0.12")),
    "haiku": Price(
        date="2026-11-01",
        source="genai-prices 0.2.3",
        input_mtok_usd=Decimal("0.10"),
        output_mtok_usd=Decimal("0.50"),
        cache_read_mtok_usd=Decimal("0.01"),
        cache_write_mtok_usd=Decimal("0.125"),
    ),
    "opus": Price(
        date="2026-11-01", source="genai-prices 0.2.3", input_mtok_usd=Decimal(4), output_mtok_usd=Decimal(20)
    ),
}
PRICES["haiku-vote"] = PRICES["haiku"]
LADDER = tuple(CANDIDATES)
COSTS = {"qwen-small": "0.0000114", "haiku": "0.0000432", "haiku-vote": "0.0002171", "opus": "0.0026133"}
LATENCY_S = {"qwen-small": 0.34, "haiku": 0.61, "haiku-vote": 0.94, "opus": 2.35}
# class: description, bar, cases, accuracy of each candidate
CLASSES = {
    "classify": ("Say whether a product review is positive, negative or neutral.", 0.8, 150, (0.93, 0.97, 0.97, 0.98)),
    "extract": ("Extract person, date and total amount as JSON.", 0.8, 150, (0.55, 0.92, 0.95, 0.98)),
    "sql": ("Write one SQL query for a question about the shop's database.", 0.85, 200, (0.4, 0.83, 0.95, 0.97)),
    "reading": ("Answer a yes/no question about a short passage.", 0.8, 150, (0.66, 0.86, 0.88, 0.97)),
    "arithmetic": ("Solve a short word problem; the answer is a number.", 0.95, 200, (0.3, 0.88, 0.93, 0.965)),
    "plan": ("Break a request into tool calls.", 0.98, 60, (0.5, 0.85, 0.9, 0.93)),
}
HOSTILE = (
    "</script><script>alert('pwned')</script>",
    '<img src=x onerror="alert(1)">',
    "\x1b[31mred\x1b[0m and \x07 a bell",
    "paid \u202e00.001$\u202c to \u2066x\u2069",
    "NUL \x00 and a lone \ud800 surrogate, zero\u200bwidth\ufeff",
    "a very long reply " * 600,
    "]]></style><svg/onload=alert(2)>{{ 7*7 }}",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643",
)
TEXTS = (
    "The parcel came on Tuesday, two days early, and everything in it was whole. I only wish the manual were shorter.",
    "How many customers from Lisbon ordered more than three lamps in May?",
    "Booked for Ines Duarte on 9 May 2025: repair, parts 40, total $65.",
    "A train leaves at 14:10 with 84 people; 19 get off, 32 get on, and a third of the rest change at noon. How many?",
)


def _result(rng: random.Random, task_class: str, candidate: str, index: int, *, passed: bool, hostile: bool) -> Result:
    text = rng.choice(TEXTS)
    reply = (
        HOSTILE[index % len(HOSTILE)] if hostile and not passed else rng.choice(("positive", "no", "42", "SELECT 1"))
    )
    status = Status.SCORED if passed or rng.random() > 0.06 else rng.choice((Status.FAILED, Status.UNSCORED))
    failed, calls = status is Status.FAILED, CANDIDATES[candidate].strategy.samples
    return Result(
        task_class=task_class,
        candidate=candidate,
        case_id=f"{task_class[:4]}-{index:03d}",
        index=index,
        input={"passage": text, "question": "Is it so?"} if task_class == "reading" else text,
        expected={"name": "Ines Duarte", "amount": 65} if task_class == "extract" else "positive",
        status=status,
        passed=passed,
        score=(1.0 if passed else 0.0) if status is Status.SCORED else None,
        extracted=reply if status is Status.SCORED else None,
        explanation="" if passed else f"expected 'positive', found {reply[:40]!r}",
        reply="" if failed else reply,
        stop_reason=None if failed else StopReason.END,
        served_model=None if failed else CANDIDATES[candidate].model,
        calls=calls,
        input_tokens=180 * calls,
        output_tokens=12 * calls,
        cost_usd=Decimal(COSTS[candidate]) * rng.randrange(70, 131) / 100,
        latency_s=None if failed else LATENCY_S[candidate] * rng.uniform(0.7, 1.9),
        cached=rng.random() < 0.3,
        error="provider: 529 overloaded, 4 attempts" if failed else "",
    )


def sample(
    *,
    seed: int = 7,
    full: bool = False,
    mode: Mode = "proven",
    margin: float = 0.0,
    hostile: bool = True,
    version: int = 7,
) -> Sample:
    """A table and its run, 6 classes x 4 candidates; `full`: every candidate meets every case."""
    rng, alpha = random.Random(seed), alpha_per_candidate(0.05, len(LADDER))  # noqa: S311 - sample data
    results: list[Result] = []
    headers: dict[str, ClassHeader] = {}
    prompt = PromptSpec(
        system="Answer with one word.", template="{{ input }}", examples=(Example(input="Great!", reply="positive"),)
    )
    reply = ReplySpec(max_tokens=64, choices=("positive", "negative", "neutral"))
    for name, (description, bar, n, accuracies) in CLASSES.items():
        headers[name] = ClassHeader(
            task_class=name,
            description=description,
            digest=f"sha256:{hashlib.sha256(name.encode()).hexdigest()}",
            bar=bar,
            pass_at=1.0,
            n=n,
            prompt=prompt,
            reply=reply,
            scorer=ScorerSpec(name="choice"),
        )
        for candidate, accuracy in zip(LADDER, accuracies, strict=True):
            passed = [rng.random() < accuracy for _ in range(n)]
            judgement = judge(
                [Outcome(value=float(ok)) for ok in passed],
                Question(n=n, bar=bar, alpha=alpha, mode=mode, margin=margin),
            )
            stop = n if judgement.stopped_at is None else judgement.stopped_at
            made = n if full else min(n, stop + 4)  # four were on the way when the test ended
            results += [
                _result(rng, name, candidate, i, passed=ok, hostile=hostile) for i, ok in enumerate(passed[:made])
            ]
            if judgement.verdict.passes and not full:
                break
    header = RunHeader(
        run_id=f"2026-11-2{seed % 10}-1c0ffee",
        created_at="2026-11-22T14:03:11+00:00",
        finished=True,
        seed=seed,
        mode=mode,
        risk=0.05,
        margin=margin,
        full=full,
        ladder_name="default",
        ladder=LADDER,
        providers={
            "anthropic": ProviderSpec(name="anthropic", kind="anthropic", api_key_env="ANTHROPIC_API_KEY"),
            "local": ProviderSpec(name="local", kind="local"),
        },
        candidates=CANDIDATES,
        prices=PRICES,
        classes=headers,
        software={"routerctl": "0.1.0", "Python": "3.11.7", "anthropic": "2.12.0", "platform": "Linux x86_64"},
    )
    run = Run(header=header, results=tuple(results))
    table = build_table(dict.fromkeys(CLASSES, run), previous=None)
    return with_digest(replace(table, routes={name: table.routes[name] for name in CLASSES}, table_version=version)), [
        run
    ]


def _one(route: Route, candidate: str, **judged: Any) -> Route:
    """The route with one candidate's judgement changed."""
    evidence = tuple(
        replace(one, judgement=replace(one.judgement, **judged)) if one.candidate == candidate else one
        for one in route.evidence
    )
    return replace(route, evidence=evidence)


def _told(route: Route) -> Judgement:
    """What the table says of the candidate that serves."""
    chosen = chosen_evidence(route)
    assert chosen is not None
    return chosen.judgement


def _with_route(table: Table, route: Route) -> Table:
    return replace(table, routes={**table.routes, route.task_class: route})


class Page(HTMLParser):
    """What a browser would see: tags with attributes, open elements, and text."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.stack: list[str] = []
        self.style = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "style":
            self.style += data
        else:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="module")
def early() -> Sample:
    """A run that stopped each test early, with its table."""
    return sample()


@pytest.fixture(scope="module")
def whole() -> Sample:
    """A run of the full grid, with its table."""
    return sample(full=True)


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0", "$0"),
        ("0.000012", "$0.000012"),
        ("0.0000123456", "$0.0000123"),
        ("0.05", "$0.05"),
        ("0.84", "$0.84"),
        ("0.8437", "$0.844"),
        ("0.9996", "$1.00"),
        ("1.234", "$1.23"),
        ("20", "$20.00"),
        ("1234.5", "$1,234.50"),
        ("-0.84", "\u2212$0.84"),
    ],
)
def test_money(amount: str, expected: str) -> None:
    """Money has cents from a dollar on and three significant digits below."""
    assert words.usd(Decimal(amount)) == expected


@given(st.decimals(min_value="1e-9", max_value="1e6", allow_nan=False, places=12).filter(bool))
def test_money_stays_within_half_a_percent(amount: Decimal) -> None:
    """What is printed is within 0.5% of the amount."""
    printed = Decimal(words.usd(amount).replace("$", "").replace(",", ""))
    assert abs(printed - amount) <= amount * Decimal("0.005")


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, "0.0%"), (0.0001, "<0.1%"), (0.94, "94.0%"), (0.12345, "12.3%"), (0.99999, "99.9%"), (1.0, "100.0%")],
)
def test_percents(share: float, expected: str) -> None:
    """A percent has one decimal and never claims all or nothing by rounding."""
    assert words.percent(share) == expected


@pytest.mark.parametrize(
    ("write", "value", "expected"),
    [
        (words.spread, (0.881, 0.9604), "88.1\u201396.0%"),
        (words.spread, (0.0, 0.99999), "0.0\u201399.9%"),
        (words.as_written, 0.9, "90%"),
        (words.as_written, 0.9995, "99.95%"),
        (words.ends, (0.675, 0.9332), "67.5% to 93.3%"),
        (words.points_as_written, 0.02, "2 points"),
        (words.points_as_written, 0.01, "1 point"),
        (words.points_as_written, 0.005, "0.5 points"),
        (words.bar_words, 0.8, "80%"),
        (words.bar_words, RelativeBar(within=0.02, of="opus"), "opus - 2 points"),
        (words.odds, 0.05 / 3, "1.67%"),
        (words.odds, 0.0125, "1.25%"),
        (words.seconds, 0.0, "0\u00a0s"),
        (words.seconds, 0.00004, "0.00004\u00a0s"),
        (words.seconds, 0.00099, "0.00099\u00a0s"),
        (words.seconds, 0.0042, "0.0042\u00a0s"),
        (words.seconds, 0.00996, "0.010\u00a0s"),
        (words.seconds, 0.019, "0.019\u00a0s"),
        (words.seconds, 0.19, "0.19\u00a0s"),
        (words.seconds, 9.999, "10.0\u00a0s"),
        (words.seconds, 12.34, "12.3\u00a0s"),
        (words.seconds, 190.4, "190\u00a0s"),
        (words.lasting, 40, "40\u00a0s"),
        (words.lasting, 200, "3\u00a0min"),
        (words.lasting, 7200, "2\u00a0h"),
        (words.lasting, 86400 * 4, "4\u00a0d"),
        (words.count, 14042, "14,042"),
        (words.grouped, "3286 of 4000 cases (14042 planned)", "3,286 of 4,000 cases (14,042 planned)"),
        (words.grouped, "run 20261130-200715-301543, 2026-11-30", "run 20261130-200715-301543, 2026-11-30"),
        (words.grouped, "haiku-4-5-20251101, m2024, 0.12345, 1,234", "haiku-4-5-20251101, m2024, 0.12345, 1,234"),
        (words.grouped, "999 of 1000.", "999 of 1,000."),
        (words.day_and_time, "2026-11-22T14:03:11+00:00", "2026-11-22 14:03 UTC"),
        (words.day_and_time, "2026-11-22T14:03:11+02:00", "2026-11-22 12:03 UTC"),
        (words.day_and_time, "2026-11-22T14:03:11", "2026-11-22 14:03 UTC"),
        (words.day_and_time, "yesterday", "yesterday"),
        (words.as_text, "plain", "plain"),
        (words.as_text, {"a": "\u00e9"}, '{\n "a": "\u00e9"\n}'),
    ],
)
def test_other_figures(write: Callable[..., str], value: object, expected: str) -> None:
    """Intervals, chosen shares, odds, seconds, counts, dates and structures read as said."""
    assert write(value) == expected


def test_a_relative_bar_says_what_it_came_to_where_that_is_of_use() -> None:
    """The number that it asks for on these cases stands behind it; a bar that is a number has no other."""
    assert words.bar_words(RelativeBar(within=0.02, of="opus"), 0.933333) == "opus - 2 points (93.3%)"
    assert words.bar_words(0.8, 0.8) == "80%"


@pytest.mark.parametrize(
    ("before", "now", "scores", "expected"),
    [
        (0.9, 0.8, (None, None), "lowered"),
        (0.8, 0.9, (None, None), "changed"),
        (RelativeBar(within=0.02, of="opus"), RelativeBar(within=0.05, of="opus"), (0.9, 0.95), "lowered"),
        (RelativeBar(within=0.02, of="opus"), RelativeBar(within=0.05, of="max"), (None, None), "changed"),
        (RelativeBar(within=0.02, of="opus"), RelativeBar(within=0.05, of="max"), (0.9, 0.8), "lowered"),
        (RelativeBar(within=0.02, of="opus"), 0.9, (None, None), "changed"),
        (RelativeBar(within=0.02, of="opus"), 0.9, (0.93, None), "lowered"),
        (RelativeBar(within=0.02, of="opus"), 0.9, (0.9, None), "changed"),
        (0.9, RelativeBar(within=0.02, of="opus"), (None, 0.89), "lowered"),
        (0.9, RelativeBar(within=0.02, of="opus"), (None, None), "changed"),
    ],
)
def test_a_bar_is_called_lowered_only_where_that_is_known(
    before: Bar, now: Bar, scores: tuple[float | None, float | None], expected: str
) -> None:
    """Of two kinds, or beside two models, by what they come to; nobody knows beforehand."""
    assert words.bar_change(before, now, *scores) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("3.024", "0.999", "$2.02"),  # $3.02 - $0.999 = $2.021; the exact one is $2.025, which would be $2.03
        ("0.0142", "0.00844", "$0.00576"),
        ("14.204", "14.196", "$0.008"),  # what is shown does not differ at all
        ("5", "5", "$0"),
        ("0", "2.5", "$2.50"),
    ],
)
def test_a_difference_is_that_of_the_amounts_shown(one: str, other: str, expected: str) -> None:
    """Whoever subtracts finds the same, unless rounding would move the difference by more than one percent."""
    assert (
        words.usd_between(Decimal(one), Decimal(other)) == expected == words.usd_between(Decimal(other), Decimal(one))
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("caf\u00e9 \u6f22\u5b57\ttab\nline", "caf\u00e9 \u6f22\u5b57\ttab\nline"),
        ("\x1b[31mred\x00\x7f", "\u27e8ESC\u27e9[31mred\u27e8NUL\u27e9\u27e8DEL\u27e9"),
        ("a\r\nb\rc", "a\nb\u27e8CR\u27e9c"),
        (
            "\u202e\u2066\u200b\ufeff\u2028",
            "".join(f"\u27e8U+{c}\u27e9" for c in ("202E", "2066", "200B", "FEFF", "2028")),
        ),
        ("\ud800\x9b", "\u27e8U+D800\u27e9\u27e8U+009B\u27e9"),
        ("\u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645", "\u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645"),
    ],
)
def test_hidden_characters_are_shown(text: str, expected: str) -> None:
    """Controls, overrides, invisible characters and lone surrogates become visible; letters and joiners stay."""
    assert words.visible(text) == expected


@given(st.text(st.characters(exclude_categories=())))
def test_shown_text_can_be_written_and_stays(text: str) -> None:
    """Whatever comes in, UTF-8 can hold what comes out, and showing it twice changes nothing."""
    shown = words.visible(text)
    shown.encode()
    assert words.visible(shown) == shown


@given(st.text(max_size=300), st.integers(2, 60))
def test_one_line(text: str, width: int) -> None:
    """A shortened text has no line break and at most the width asked for."""
    short = words.one_line(text, width)
    assert len(short) <= width
    assert "\n" not in short


# --- pictures ---------------------------------------------------------------------------------------------------------

POINTS = st.lists(
    st.builds(
        picture.Point,
        name=st.text("abc-<&\"'4.", min_size=1, max_size=40),
        cost_usd=st.sampled_from(["0", "0.00001", "0.00002", "0.0003", "0.02", "1"]).map(Decimal),
        score=st.floats(0, 1),
        interval=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda ends: (min(ends), max(ends))),
        verdict=st.sampled_from(Verdict),
        chosen=st.booleans(),
        number=st.none() | st.integers(1, 12),
    ),
    min_size=1,
    max_size=12,
)


@given(POINTS, st.floats(0.05, 1))
@settings(deadline=None, max_examples=60)
def test_every_picture_is_xml_that_names_each_candidate(points: list[picture.Point], bar: float) -> None:
    """Any points, costs of zero and equal ones too, give well-formed SVG, a mark or a dot each, all within it."""
    svg = picture.scatter(points, bar=bar, bar_text="b<&", title="t<&")
    drawn = ElementTree.fromstring(f'<x xmlns:xlink="l">{svg}</x>')  # noqa: S314 - our own
    marks = list(drawn.iter("use"))
    numbered = [str(point.number) for point in points if point.number]
    assert len(marks) == len(numbered)
    assert [text.text for text in drawn.iter("text") if "name" in text.attrib["class"]] == numbered
    assert len([one for one in drawn.iter("circle") if "dot" in one.attrib["class"]]) == len(points) - len(marks)
    for mark in marks:
        assert picture.LEFT - 9 <= float(mark.attrib["x"]) <= picture.RIGHT
        assert picture.TOP - 9 <= float(mark.attrib["y"]) <= picture.BOTTOM
    titles = [element.text or "" for element in drawn.iter("title")]
    assert all(any(title.startswith(point.name) for title in titles) for point in points)


@given(st.lists(st.floats(picture.LEFT + 14, picture.RIGHT - 14), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_numbered_marks_stand_apart(xs: list[float]) -> None:
    """Up to 12 marks keep their order by cost, lie within the frame, and are as far apart as two digits are wide."""
    placed = picture.spread_out(xs)
    order = sorted(range(len(xs)), key=lambda place: xs[place])
    found = [placed[place] for place in order]
    assert all(picture.LEFT <= x <= picture.RIGHT - 14 + 1e-9 for x in found)
    assert all(b - a >= 18 - 1e-9 for a, b in itertools.pairwise(found))


# --- many candidates --------------------------------------------------------------------------------------------------


def crowd(scores: Sequence[int], chosen: str, proven: Sequence[str] = ()) -> Route:
    """A class with a candidate for each score, each twice as dear as the one before."""
    judged = Judgement(
        verdict=Verdict.BELOW,
        cases=100,
        passes=0,
        n=100,
        bar=0.8,
        alpha=0.05,
        interval=(0.0, 1.0),
        good_enough=0.9,
        least_cases=10,
        needed_cases=None,
    )
    evidence = tuple(
        Evidence(
            candidate=f"m{place}",
            judgement=replace(
                judged, passes=score, verdict=Verdict.PROVEN if f"m{place}" in proven else Verdict.PROVISIONAL
            ),
            failed=0,
            unscored=0,
            refused=0,
            truncated=0,
            served_models=(),
            cost_per_case_usd=Decimal(2) ** place,
            cost_per_accepted_usd=None,
            latency_p50_s=None,
            latency_p95_s=None,
        )
        for place, score in enumerate(scores)
    )
    return Route(
        task_class="c",
        description="",
        bar=0.8,
        chosen=chosen,
        level="provisional",
        rungs=(chosen,),
        evidence=evidence,
        run_id="r",
        eval_set_digest="",
        prompt=PromptSpec(),
        reply=ReplySpec(),
        scorer=ScorerSpec(name="exact"),
    )


def test_few_candidates_are_all_shown() -> None:
    """Up to the number that is shown nothing is left out, whatever the scores."""
    assert weighing.leading(crowd([50, 40, 30], "m0"), 3) == ("m0", "m1", "m2")


def test_of_many_candidates_those_that_lead_are_shown() -> None:
    """The chosen one, the cheapest that is proven, and near the choice those that score higher than all cheaper."""
    route = crowd([50, 40, 60, 55, 70, 65, 80, 79, 90, 95], "m5", proven=("m8", "m9"))
    assert weighing.leading(route, 9) == ("m0", "m2", "m4", "m5", "m6", "m8", "m9")
    assert weighing.leading(route, 4) == ("m4", "m5", "m6", "m8")
    assert weighing.leading(replace(route, chosen="not run"), 3) == ("m6", "m8", "m9")


# --- figures ----------------------------------------------------------------------------------------------------------


def test_the_cost_is_compared_with_the_most_accurate_constant(whole: Sample) -> None:
    """The sentence gives the mean cost over measured classes, and that of the candidate that is most often right."""
    table, runs = whole
    worth = weigh(table, runs)
    said, best = money.cost(table, worth), worth.constants[0]
    assert worth.figures is not None
    spread = f"1,000 requests spread as the cases are over the classes cost {words.usd(1000 * worth.figures.cost_usd)} "
    assert said.startswith(spread)
    assert f"The most accurate single candidate, {best.candidate}, would cost " in said
    fewer = [best, *(replace(one, covered=one.covered - 1) for one in worth.constants[1:])]
    among = "The most accurate single candidate of those run on every class, "
    assert money.best_constant(fewer).startswith(f"{among}{best.candidate}, would cost ")
    assert f"most accurate{money.among(worth.constants)}</span>" in render_report(table, runs)
    assert said.endswith(f" and passes {best.passes} of 6.")


def test_a_constant_that_was_not_run_everywhere_is_compared_where_it_was(early: Sample) -> None:
    """Figures of a candidate that a cheaper one made needless cover the classes it was run on, and say so."""
    worth = weigh(*early)
    partial = next(one for one in worth.constants if one.covered < one.of)
    said = money.best_constant([partial])
    assert f"was run on {partial.covered} of {partial.of} classes; there it costs" in said
    assert "(the table on these 5: " in said


def _stops(evidence: Sequence[Evidence]) -> dict[str, int]:
    """How many cases each candidate's test took."""
    ended = {one.candidate: one.judgement.stopped_at for one in evidence}
    return {one.candidate: one.judgement.cases for one in evidence} | {
        name: at for name, at in ended.items() if at is not None
    }


@pytest.mark.parametrize("mode", ["proven", "point"])
def test_what_a_full_grid_would_have_needed(mode: Mode) -> None:
    """Of a full grid the report counts the answers up to each stop, of candidates up to the first that passes."""
    table, runs = sample(full=True, mode=mode)
    answers = answered.Answers(table, runs)
    for name, route in table.routes.items():
        found = answers.replay(name)
        mine = [one for one in runs[0].results if one.task_class == name]
        passing = next((place for place, one in enumerate(route.evidence) if one.judgement.verdict.passes), 99)
        stops = _stops(route.evidence[: passing + 1])
        needed = [one for one in mine if one.index < stops.get(one.candidate, 0)]
        assert found.grid_calls == sum(one.calls for one in mine)
        assert (found.needed_calls, found.needed_usd) == (
            sum(one.calls for one in needed),
            sum((one.cost_usd for one in needed), Decimal(0)),
        )
        assert found.pick == (route.evidence[passing].candidate if passing < 99 else route.chosen)
    said = money.replayed([answers.replay(name) for name in table.routes])
    assert " ".join(said.split()) in Page(render_report(table, runs)).words
    spent_usd = evaluation_usd(table, runs)
    assert spent_usd is not None
    assert f"worth {words.usd(spent_usd)}" in said


def test_without_costs_the_best_constant_stands_by_its_verdicts(whole: Sample) -> None:
    """Where no cost is known, the report still shows the best constant beside the table, and says nothing of money."""
    table, runs = whole
    routes = {
        name: replace(route, evidence=tuple(replace(one, cost_per_case_usd=None) for one in route.evidence))
        for name, route in table.routes.items()
    }
    page = Page(render_report(replace(table, routes=routes), runs)).words
    assert "most accurate" in page
    assert "No choice has a measured cost, so nothing is said of money." in page
    assert "Per 1,000 correct answers" not in page


def test_a_pick_that_costs_decided_otherwise_is_named(whole: Sample) -> None:
    """Where the whole grid chose by measured cost what the ladder would not, the class is named with both."""
    table, runs = whole
    route = replace(table.routes["classify"], chosen="haiku")
    answers = answered.Answers(_with_route(table, route), runs)
    said = money.replayed([answers.replay("classify"), answers.replay("sql")])
    assert "the same candidate for 1 of 2\u00a0classes; other: classify (qwen-small instead of haiku)." in said


def test_spend_is_the_plain_sum_of_the_results(whole: Sample) -> None:
    """Grouped sums equal those of a loop: calls, tokens, money paid and cached, and what came after the stop."""
    table, runs = whole
    mine = [one for one in runs[0].results if one.task_class == "sql"]
    stops = _stops(table.routes["sql"].evidence)
    beyond = [one for one in mine if one.index >= stops[one.candidate]]
    spend = answered.Answers(table, runs).spend("sql", 800)
    assert spend == answered.Spend(
        results=800,
        grid=800,
        calls=sum(one.calls for one in mine if not one.cached),
        cached_calls=sum(one.calls for one in mine if one.cached),
        input_tokens=sum(one.input_tokens for one in mine),
        output_tokens=sum(one.output_tokens for one in mine),
        paid_usd=sum((one.cost_usd for one in mine if not one.cached), Decimal(0)),
        cached_usd=sum((one.cost_usd for one in mine if one.cached), Decimal(0)),
        beyond=len(beyond),
        beyond_usd=sum((one.cost_usd for one in beyond), Decimal(0)),
    )
    assert spend.beyond > 0


def test_counts_are_recounted_from_the_results(early: Sample) -> None:
    """A table whose counts do not come out of its results is flagged by class and candidate; a true one is not."""
    table, runs = early
    assert answered.Answers(table, runs).disagreements() == []
    told = _told(table.routes["extract"])
    wrong = _with_route(table, _one(table.routes["extract"], table.routes["extract"].chosen, passes=told.passes - 1))
    (said,) = answered.Answers(wrong, runs).disagreements()
    assert said.startswith(
        f"extract, {table.routes['extract'].chosen}: the table says {told.passes - 1} of {told.cases}"
    )


def test_the_last_answer_to_a_case_counts(early: Sample) -> None:
    """A case asked again after an interruption counts once, with its last result; both are paid."""
    table, runs = early
    first = runs[0].results[0]
    again = replace(runs[0], results=(replace(first, passed=not first.passed), *runs[0].results))
    answers, before = answered.Answers(table, [again]), answered.Answers(table, runs)
    assert answers.disagreements() == []
    spent, spent_before = (one.spend(first.task_class, 0).results for one in (answers, before))
    assert spent == spent_before + 1


def _with_results(runs: Sequence[Run], change: Callable[[Result], Result], **header: Any) -> list[Run]:
    """The run with every result changed, and its classes' headers."""
    classes = {name: replace(one, **header) for name, one in runs[0].header.classes.items()}
    return [Run(header=replace(runs[0].header, classes=classes), results=tuple(map(change, runs[0].results)))]


def test_epochs_are_recounted_by_case(early: Sample) -> None:
    """A case of several replies passes with more than half of them; the table's counts are recounted so."""
    table, runs = early
    plain = runs[0].results
    three = [
        replace(one, epoch=epoch, passed=one.passed if epoch != 1 else not one.passed, latency_s=None)
        for one in plain
        for epoch in range(3)
    ]
    many = _with_results([replace(runs[0], results=tuple(three))], lambda one: one, epochs=3)
    assert answered.Answers(table, many).disagreements() == []
    lost = [one if one.epoch != 2 else replace(one, passed=False) for one in three]
    said = answered.Answers(table, [replace(many[0], results=tuple(lost))]).disagreements()
    assert len(said) >= len([r for r in table.routes.values() if r.evidence[0].judgement.passes])


def test_epochs_beyond_the_plan_are_not_counted(early: Sample) -> None:
    """Replies that a comparison asked for on top change no count; they are spent all the same."""
    table, runs = early
    more = tuple(replace(one, epoch=1, passed=False) for one in runs[0].results)
    answers = answered.Answers(table, [replace(runs[0], results=runs[0].results + more)])
    assert answers.disagreements() == []
    before = answered.Answers(table, runs).spend("sql", 0)
    assert answers.spend("sql", 0).beyond == before.beyond + before.results


@pytest.mark.parametrize(("told", "agrees"), [(0.6, True), (0.61, False)])
def test_means_are_recounted(early: Sample, told: float, agrees: bool) -> None:
    """A mean score is recounted with the cases' weights; a failed or unscored case counts nothing."""
    table, runs = early
    evidence = table.routes["classify"].evidence[0]
    judgement = replace(evidence.judgement, cases=4, passes=1, method="betting", mean=told)
    route = replace(table.routes["classify"], evidence=(replace(evidence, judgement=judgement),))
    given = [(0.5, 1.0), (1.0, 2.0), (None, 1.0), (0.5, 1.0)]  # score, weight
    first = [one for one in runs[0].results if one.task_class == "classify"][:4]
    rows = tuple(replace(one, score=score, weight=weight) for one, (score, weight) in zip(first, given, strict=True))
    measured = _with_results([replace(runs[0], results=rows)], lambda one: one, measure="mean_score")
    found = answered.Answers(replace(table, routes={"classify": route}), measured).disagreements()
    assert (found == []) is agrees
    assert agrees or found[0].endswith("the table says a mean of 0.6100, the results 0.6000")


def test_judging_and_retries_are_spent_too(early: Sample) -> None:
    """What a judge cost is paid or cached with the reply that it judged, and retries are counted."""
    table, runs = early
    judged = _with_results(
        runs, lambda one: replace(one, judge_calls=1, judge_usd=Decimal("0.001"), retries=2), judge="opus"
    )
    plain, found = (answered.Answers(table, some).spend("sql", 0) for some in (runs, judged))
    paid = sum(one.task_class == "sql" and not one.cached for one in runs[0].results)
    assert found.paid_usd - plain.paid_usd == Decimal("0.001") * paid
    assert (found.judge_calls, found.judge_usd, found.retries) == (
        plain.results,
        Decimal("0.001") * plain.results,
        2 * plain.results,
    )
    page = Page(render_report(table, judged)).words
    assert "for judging" in page
    assert "Retries" in page
    assert "Retries" not in Page(render_report(table, runs)).words


# --- sentences --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"served_models": ("another-model",)}, "the provider says it served another-model"),
    ],
)
def test_a_foreign_model_is_flagged(early: Sample, change: dict[str, Any], expected: str | None) -> None:
    """A chosen candidate that another model answered for is flagged; one served as pinned is not."""
    table, runs = early
    route = table.routes["classify"]
    route = replace(route, evidence=(replace(route.evidence[0], **change), *route.evidence[1:]))
    found = [flag.text for flag in sentences.flags(_with_route(table, route), runs, answered.Answers(table, runs))]
    assert any(expected in text for text in found) if expected else not any("pinned" in text for text in found)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"finished": False}, "was not finished"),
        ({"run_id": "other"}, "not available"),
        ({"classes": {}}, "not available"),
    ],
)
def test_loose_evidence_is_flagged(early: Sample, header: dict[str, Any], expected: str) -> None:
    """A run that is unfinished, missing or lacks the class is said at the top, once per class."""
    table, runs = early
    changed = [replace(runs[0], header=replace(runs[0].header, **header))]
    found = [flag.text for flag in sentences.flags(table, changed, answered.Answers(table, changed))]
    assert sum(expected in text for text in found) == len(table.routes)


@pytest.mark.parametrize(
    ("bar", "judged", "expected"),
    [
        (1.0, {"least_cases": None}, "cannot be proven by any number of cases"),
        (0.98, {"n": 60, "least_cases": 217}, "even a perfect score on 60 cases could not prove it; at least 217"),
        (
            0.9,
            {"bar": 0.9, "least_cases": 29, "needed_cases": 301, "n": 200, "cases": 200, "passes": 188},
            "301 cases in all, instead of 200, would prove opus (power 80%), if its accuracy is what was seen.",
        ),
        (0.9, {"least_cases": 29, "needed_cases": None}, "More cases will prove none of these candidates"),
    ],
)
def test_a_class_that_does_not_pass_says_what_to_do(
    early: Sample, bar: float, judged: dict[str, Any], expected: str
) -> None:
    """The remedy is another bar, so many cases, or a better candidate, as the judgements say."""
    route = early[0].routes["arithmetic"]
    evidence = (replace(route.evidence[-1], judgement=replace(route.evidence[-1].judgement, **judged)),)
    assert expected in sentences.remedy(replace(route, bar=bar, evidence=evidence), early[0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": Status.FAILED, "error": "529 overloaded"}, "the call failed: 529 overloaded"),
        ({"status": Status.UNSCORED, "explanation": "no JSON"}, "could not be scored: no JSON"),
        ({"stop_reason": StopReason.REFUSAL, "explanation": ""}, "refused; score 0.5 of 1 needed"),
        ({"stop_reason": StopReason.MAX_TOKENS, "explanation": "x"}, "cut off at the token limit; x"),
        ({"explanation": "", "score": None}, "no reason given"),
    ],
)
def test_why_a_case_did_not_pass(early: Sample, change: dict[str, Any], expected: str) -> None:
    """Every way not to pass has its words."""
    plain = {"status": Status.SCORED, "score": 0.5, "stop_reason": StopReason.END}
    assert sentences.why(replace(early[1][0].results[0], **{**plain, **change}), 1.0) == expected


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True])
def test_the_page_is_self_contained_and_inert(full: bool) -> None:
    """No script, no handler, no inline style, nothing to load; the policy admits exactly the one style sheet."""
    page = Page(render_report(*sample(full=full)))
    assert page.stack == []
    names = {name for name, _ in page.tags}
    assert names.isdisjoint(
        {"script", "img", "link", "iframe", "object", "embed", "base", "form", "image", "foreignobject"}
    )
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("style", "src", "srcset", "action") for name in attributes)
        assert all(value.startswith("#") for name, value in attributes.items() if name.endswith("href"))
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert b64encode(hashlib.sha256(page.style.encode()).digest()).decode() in policy
    assert not re.search(r"url\(|@import|https?:", page.style)


def test_every_reference_has_its_target(early: Sample) -> None:
    """Links and the verdicts' shapes point at ids that the page has, each id once."""
    page = Page(render_report(*early))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for _, attributes in page.tags if "href" in attributes} <= set(ids)


def test_hostile_text_is_shown_as_text(early: Sample) -> None:
    """Markup from a model arrives as text, and no control, override or surrogate reaches the file."""
    table, runs = early
    route = replace(table.routes["classify"], description='</p><script>x</script>" onclick="y\x1b')
    html = render_report(_with_route(table, route), runs)
    html.encode()
    page = Page(html)
    for text in (
        "</script><script>alert('pwned')</script>",
        '<img src=x onerror="alert(1)">',
        "{{ 7*7 }}",
        "\u27e8ESC\u27e9[31mred",
    ):
        assert text in page.words
    assert words.visible(html) == html


def test_the_same_input_gives_the_same_bytes() -> None:
    """Neither the clock nor the order of a set reaches the page."""
    assert render_report(*sample()) == render_report(*sample())


def test_long_texts_are_folded_then_cut(early: Sample) -> None:
    """A text of 10,800 characters shows 400, folds 1,600 and says how many are left out."""
    page = Page(render_report(*early))
    assert len(HOSTILE[5]) == 10800
    assert "10,400\u00a0more characters" in "".join(page.text)
    assert "8,800\u00a0characters left out" in "".join(page.text)


def test_cases_are_capped_with_the_count_of_the_rest(whole: Sample) -> None:
    """At most twenty cases a candidate are shown; the page says how many more did not pass, as the results have it."""
    table, runs = whole
    html = render_report(table, runs)
    missed = {
        (name, candidate): sum(
            1 for r in runs[0].results if (r.task_class, r.candidate, r.passed) == (name, candidate, False)
        )
        for name in table.routes
        for candidate in LADDER
    }
    assert html.count('<details class="case">') == sum(min(20, number) for number in missed.values())
    for number in missed.values():
        if number > 21:
            assert f"{number - 20}\u00a0further cases that did not pass" in html


@pytest.mark.parametrize(
    ("policies", "top", "expected"),
    [
        (("provisional",), "report", "no candidate reaches the bar, and this one scores best, or costs less and "),
        (("top_rung",), "report", "no candidate is proven to reach the bar, and the top rung serves (when_unproven: "),
        (("top_rung",), "skip", "no candidate is proven to reach the bar, and the top rung serves (when_unproven: "),
        (("provisional",), "skip", "no candidate reaches the bar, and the top rung serves, which is not tested ("),
        (("top_rung", "provisional"), "report", "two points less, or no candidate is proven to reach the bar, and the"),
    ],
)
def test_the_legend_says_why_the_best_available_serves(
    early: Sample, policies: tuple[WhenUnproven, ...], top: TopRung, expected: str
) -> None:
    """By its score only where scores decide: by what the classes say that are served so, else by what all say."""
    table, runs = early
    names = list(table.routes)
    routes = {
        name: replace(route, level="best available", when_unproven=policies[at % len(policies)])
        for at, (name, route) in enumerate(table.routes.items())
    }
    changed = with_digest(replace(table, routes=routes, top_rung=top))
    said = sentences.best_available(changed)
    assert (expected in said, "scores best" in said) == (True, "provisional" in policies and top == "report")
    page = render_report(changed, runs)
    assert page.count(said) == 2 or page.count(said[1:]) == 2  # under the choices, and where the method is explained
    proven = replace(routes[names[0]], level="proven", when_unproven="top_rung")
    if policies == ("provisional",):
        assert sentences.best_available(replace(changed, routes=routes | {names[0]: proven})) == said


def test_a_cell_that_was_not_run_says_why(early: Sample) -> None:
    """After a candidate that passed the cells say so; a class without a passing one has none."""
    table, runs = early
    skipped = sum(len(LADDER) - len(route.evidence) for route in table.routes.values())
    assert skipped > 0
    page = render_report(table, runs)
    assert page.count("not run: an earlier rung serves") == skipped
    assert "cheapest first" not in page  # nobody knows whether the ladder is
    assert "</span> (in the order they are tried)</dd>" in page


def test_what_changed(early: Sample) -> None:
    """A first table says so; a second shows candidate, verdict, score and cost before and after."""
    table, runs = early
    assert "This is the first table" in render_report(replace(table, table_version=1), runs)
    assert "The table before this one is not at hand" in render_report(table, runs)
    before = _with_route(table, replace(table.routes["extract"], chosen="qwen-small"))
    before = replace(before, table_version=6)
    page = Page(render_report(table, runs, before)).words
    assert "Table 6 against table 7: 1\u00a0class differs of 6".replace("\u00a0", " ") in page
    assert f"qwen-small \u2192 {table.routes['extract'].chosen}" in page


@pytest.mark.parametrize(
    ("mode", "margin", "said"),
    [
        ("proven", 0.0, "at most 0.3 proven choices of this table are expected to be below their bars"),
        ("margin", 0.03, "an accuracy of the bar less 3% is proven"),
        ("point", 0.0, "promises nothing about other traffic"),
    ],
)
def test_every_mode_explains_itself(mode: Mode, margin: float, said: str) -> None:
    """Each mode says what its verdicts mean, and each verdict stands in words beside its shape."""
    table, runs = sample(mode=mode, margin=margin)
    page = Page(render_report(table, runs))
    assert page.stack == []
    assert said in page.words
    for route in table.routes.values():
        assert _told(route).verdict.value in page.words


def test_missing_runs_and_classes_leave_a_page_that_says_so(early: Sample) -> None:
    """Without its runs, or without any class, the report still renders and invents no figure."""
    table, _ = early
    page = Page(render_report(table, []))
    assert page.stack == []
    assert "what they cost cannot be shown" in page.words
    assert Page(render_report(replace(table, routes={}), [])).stack == []


def test_a_missing_figure_gives_its_reason(early: Sample) -> None:
    """Every em dash that stands for a number carries a reason in its title."""
    page = Page(render_report(*early))
    reasons = [attributes.get("title") for name, attributes in page.tags if name == "abbr"]
    assert reasons
    assert all(reasons)


# --- what is it worth -------------------------------------------------------------------------------------------------


def test_the_section_on_worth_gives_three_numbers_beside_the_best_constant(whole: Sample) -> None:
    """The table's and the best constant's price, price per correct answer and wrong answers are on the page."""
    table, runs = whole
    worth = weigh(table, runs, evaluation_usd(table, runs))
    page = Page(render_report(table, runs)).words
    assert f"{worth.answer.capitalize()}. {' '.join(worth.text.replace('`', '').split())}" in page
    for figures in (worth.figures, worth.constants[0].figures):
        assert figures is not None
        assert figures.per_correct_usd is not None
        row = [words.usd(1000 * figures.cost_usd), words.usd(1000 * figures.per_correct_usd)]
        assert f"{row[0]}{row[1]}{figures.wrong_per_thousand:.0f}" in page.replace(" ", "")


def test_volumes_weigh_the_classes(whole: Sample) -> None:
    """Measured volumes weigh the classes and give a price per month; without them the page says that cases do."""
    table, runs = whole
    assert "The classes weigh by their cases" in Page(render_report(table, runs)).words
    worth = weigh(table, runs, None, dict.fromkeys(table.routes, 500.0))
    page = Page(render_report(table, runs, worth=worth)).words
    assert "as the decision log counts them" in page
    assert "Per month" in page


def test_cascades_are_shown_where_they_can_be_counted(whole: Sample) -> None:
    """A check that rejects enough gives a row with q and its interval; where none does, the page says so."""
    table, runs = whole
    page = Page(render_report(table, runs)).words
    assert "Accepts right / wrong ones" in page
    thirds = [(one.index % 3 + 1) / 3 for one in runs[0].results]
    marked = [
        replace(one, agreement=third, mean_logprob=-third) for one, third in zip(runs[0].results, thirds, strict=True)
    ]
    page = Page(render_report(table, [replace(runs[0], results=tuple(marked))])).words
    assert "form, agreement 1" in page
    assert "form, logprob 0.51, the median" in page  # e ** (-2/3)
    assert re.search(r"form \d+of", page)
    usable = [replace(one, status=Status.SCORED, reply="x", stop_reason=StopReason.END) for one in runs[0].results]
    assert "None could be counted" in Page(render_report(table, [replace(runs[0], results=tuple(usable))])).words


@pytest.mark.parametrize(
    ("judged", "header", "expected"),
    [
        ({"trust": "judge"}, {"judge": "opus"}, ["proven (judge)", "the word of a judge (opus)", "Whose word"]),
        ({"trust": "labels", "labels": 60}, {}, ["proven (labels)", "60 human labels"]),
        ({"method": "betting", "mean": 0.91}, {"measure": "mean_score"}, ["Mean score", "91.0%"]),
        ({"method": "clusters", "mean": 0.91, "clusters": 12}, {"clusters": 12}, ["12 clusters"]),
        ({"attempt": 2, "total_alpha": 0.02}, {"attempt": 2}, ["attempt 2", "at most 0.33 proven choices"]),
    ],
)
def test_what_a_verdict_rests_on_is_visible(
    early: Sample, judged: dict[str, Any], header: dict[str, Any], expected: list[str]
) -> None:
    """Judge, labels, mean scores, clusters and attempts stand beside the verdict; a plain table has none of them."""
    table, runs = early
    route = table.routes["classify"]
    changed = _with_route(table, _one(route, route.chosen, **judged))
    page = Page(render_report(changed, _with_results(runs, lambda one: one, **header))).words
    for text in expected:
        assert text in page
    plain = Page(render_report(table, runs)).words
    assert not any(text in plain for text in expected[:1])


def test_an_imported_run_says_that_no_call_was_made(early: Sample) -> None:
    """The files that outcomes came from are named at the head, and the costs are not called paid."""
    table, runs = early
    header = replace(runs[0].header, imported=("results/<b>.json",))
    page = Page(render_report(table, [replace(runs[0], header=header)])).words
    assert "imported from results/<b>.json: no call was made" in page
    assert "were imported; no call was made" in page
    assert "Paid in this run" not in page
    assert "paid for the evaluation" not in page


def _imported(runs: Sequence[Run], **unknown: Any) -> list[Run]:
    """The same outcomes as an import of which this is not known."""
    results = tuple(replace(one, **unknown) for one in runs[0].results)
    return [replace(runs[0], header=replace(runs[0].header, imported=("o.csv",)), results=results)]


def test_what_an_import_does_not_say_is_left_out(early: Sample) -> None:
    """No prompt, no limit, no call, no money that nobody here paid; of a case without a text its id alone."""
    table, runs = early
    unknown = {"input": None, "expected": None, "extracted": None, "reply": "", "explanation": "", "error": ""}
    html = render_report(table, _imported(runs, **unknown))
    page = Page(html).words
    for never in ("Template", "tokens ", "Calls", "Paid", "full grid", "there is no reply", "no answer found", "null"):
        assert never not in page, never
    assert f"Of {len(table.routes)} classes the outcomes were imported" in page
    assert 'class="case"' not in html
    name = next(route for route in table.routes.values() if route.evidence).task_class
    case = next(one for one in runs[0].results if one.task_class == name and not one.passed)
    assert case.case_id in page


def test_what_an_import_says_is_shown(early: Sample) -> None:
    """A case's question and reply stand there; what is missing beside them does not."""
    table, runs = early
    page = Page(render_report(table, _imported(runs, expected=None, extracted=None, input="what is it?"))).words
    assert "what is it?" in page
    assert "Reply" in page
    for never in ("Extracted", "expected null", "no answer found"):
        assert never not in page, never


def test_latency_and_prices_that_nobody_knows_have_no_column(early: Sample) -> None:
    """Where some are known, the others say why they are not."""
    table, runs = early
    routes = {
        name: replace(
            route, evidence=tuple(replace(one, latency_p50_s=None, latency_p95_s=None) for one in route.evidence)
        )
        for name, route in table.routes.items()
    }
    prices = {name: Price(date="2026-11-30", source="each reply's cost as the file has it") for name in table.prices}
    page = Page(render_report(with_digest(replace(table, routes=routes, prices=prices)), _imported(runs))).words
    for never in ("p95", "Input, 1M tokens", "Per hour", "no call succeeded"):
        assert never not in page, never
    one_timed = routes | dict([next(iter(table.routes.items()))])
    html = render_report(with_digest(replace(table, routes=one_timed)), _imported(runs))
    assert "the import does not say" in html
    assert "no call succeeded" not in html


def test_imported_outcomes_beside_own_ones_are_not_called_paid(early: Sample) -> None:
    """What was paid is that of the classes that were evaluated here, at the head and in the section on cost."""
    table, runs = early
    first, *others = table.routes
    header = replace(runs[0].header, run_id="20261130-000000-000000", imported=("o.csv",))
    moved = replace(table.routes[first], run_id=header.run_id)
    both = [*runs, replace(runs[0], header=header)]
    page = Page(render_report(with_digest(replace(table, routes={**table.routes, first: moved})), both)).words
    answers = answered.Answers(table, runs)
    paid = answered.total([answers.spend(name, 0) for name in others]).paid_usd
    assert f"Paid in this run: {words.usd(paid)};" in page
    assert words.usd(paid) in page.partition("paid for the evaluation")[2][:20]
    assert "imported; no call was made for them. When they were made they cost" in page


def test_a_skipped_top_rung_makes_the_grid_smaller(early: Sample) -> None:
    """Where the last rung is not tested it is no part of the grid that the run is compared with."""
    table, runs = early
    skipping = [replace(runs[0], header=replace(runs[0].header, top_rung="skip"))]
    page = Page(render_report(table, runs)).words
    assert "answers of the full grid (" in page
    cases = sum(one.n for one in runs[0].header.classes.values())
    assert f"of the {3 * cases:,} answers" in Page(render_report(table, skipping)).words


def test_a_quality_critical_class_is_marked(early: Sample) -> None:
    """The stakes stand beside the verdict, and the reason names the strongest that passed."""
    table, runs = early
    route = replace(table.routes["classify"], stakes=Stakes(quality_critical=True))
    page = Page(render_report(_with_route(table, route), runs)).words
    assert "\u00b7 quality critical" in page
    assert "classify is quality critical: do not save on it." in page


@given(st.text(max_size=60))
def test_commands_in_sentences_are_set_as_code(text: str) -> None:
    """Whatever stands between backticks is code, everything is escaped, and nothing is lost."""
    shown = str(coded(text))
    assert Page(f"<p>{shown}</p>").stack == []
    assert "".join(Page(f"<p>{shown}</p>").text) == words.visible(text).replace("`", "")
