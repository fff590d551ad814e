"""A ladder that is not in order of price is told, by check, eval and build-table alike; none is reordered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from routerctl.evaluation.ladder_order import Costs, Spent, order_warning
from routerctl.types import Candidate, Escalation, Price, Strategy
from tests.conftest import Done, Project

Run = Callable[..., Done]
VOTE = Strategy(name="self_consistency", samples=5)
WORDS = (
    "ladder main: big ($5.00 in, $25.00 out per million tokens) stands before small ($0.25, $1.00), which is cheaper: "
    "rungs are tried in this order, so small is not asked where big passes; put the cheapest first"
)


def price(*amounts: str, source: str = "paper", hour: str | None = None) -> Price:
    """A price of input and output tokens, or of an hour."""
    names = ("input_mtok_usd", "output_mtok_usd")
    told: dict[str, Any] = {name: Decimal(amount) for name, amount in zip(names, amounts, strict=False)}
    return Price(date="2026-11-01", source=source, usd_per_hour=Decimal(hour) if hour else None, **told)


BIG, MID, SMALL = price("5", "25"), price("2", "10"), price("0.25", "1")


def warned(prices: Mapping[str, Price], costs: Costs | None = None, **asked: Mapping[str, Any]) -> str | None:
    """What is said of a ladder of candidates with these prices; `asked`: how some of them are."""
    candidates = {
        name: Candidate(name=name, provider="far", model=f"m-{name}", **asked.get(name, {})) for name in prices
    }
    return order_warning("main", tuple(prices), candidates, prices, costs)


def spent(usd: str, places: range = range(10)) -> Spent:
    """A candidate's cases, each of which cost so much."""
    return Spent(by_place=dict.fromkeys(places, Decimal(usd)), total=Decimal(usd) * len(places))


def test_the_words() -> None:
    """Both prices, what it means and what helps, of the first rung that is out of order and the cheapest behind it."""
    assert warned({"big": BIG, "small": SMALL}) == WORDS
    assert warned({"big": BIG, "mid": MID, "small": SMALL}) == f"{WORDS} (2 more pairs likewise)"
    by_hour = warned({"big": price(hour="2"), "small": price(hour="0.5")})
    assert by_hour is not None
    assert "big ($2.00 per hour) stands before small ($0.50), which is cheaper:" in by_hour


@pytest.mark.parametrize(
    ("prices", "asked", "told"),
    [
        pytest.param((SMALL, BIG), {}, False, id="cheapest first"),
        pytest.param((BIG, BIG), {}, False, id="the same price"),
        pytest.param((price("1", "5"), price("1", "4")), {}, True, id="one part alone"),
        pytest.param((price("1", "5"), price("2", "1")), {}, False, id="the other part is dearer"),
        pytest.param((BIG, price(hour="0.01")), {}, False, id="by token and by hour"),
        pytest.param((BIG, price("0", "0", source="not known")), {}, False, id="a cost that nobody knows"),
        pytest.param((BIG, price(source="imported")), {}, False, id="a cost by case"),
        pytest.param((BIG, SMALL), {"second": {"strategy": VOTE}}, False, id="another strategy"),
        pytest.param((BIG, SMALL), {"first": {"strategy": VOTE}, "second": {"strategy": VOTE}}, True, id="the same"),
        pytest.param((BIG, SMALL), {"second": {"effort": "high"}}, False, id="another effort"),
        pytest.param(
            (BIG, SMALL), {"second": {"escalation": Escalation(to="first", below={})}}, False, id="a cascade pays twice"
        ),
    ],
)
def test_who_is_compared(prices: tuple[Price, Price], asked: Mapping[str, Any], told: bool) -> None:
    """Only prices of the same unit, of candidates that are asked in the same way, and only where no part is dearer."""
    found = warned(dict(zip(("first", "second"), prices, strict=True)), **asked)
    assert (found is not None) == told


def test_what_was_measured_goes_before_prices() -> None:
    """On the cases that both have: a cheap token is no cheap request, and strategies can be compared by it."""
    prices = {"big": BIG, "small": SMALL}
    assert warned(prices, {"sums": {"big": spent("0.01"), "small": spent("0.02")}}) is None
    said = warned(
        prices, {"sums": {"big": spent("0.02"), "small": spent("0.01", range(5, 30))}}, small={"strategy": VOTE}
    )
    assert said is not None
    assert "big ($0.02 a request) stands before small ($0.01), which is cheaper on the same 5 cases:" in said
    apart = {"sums": {"big": spent("0.01"), "small": spent("0.02", range(10, 20))}}
    assert warned(prices, apart) == WORDS  # no case in common


@pytest.mark.parametrize(
    ("other", "told"), [(("0.005", "0.015"), True), (("0.005", "0.021"), False), (("0.02", "0.0199"), False)]
)
def test_a_measured_order_is_clear_in_every_class(other: tuple[str, str], told: bool) -> None:
    """Cheaper in one class and dearer in another is no order, nor is a difference of less than a tenth."""
    costs = {name: {"a": spent("0.02"), "b": spent(usd)} for name, usd in zip(("x", "y"), other, strict=True)}
    assert (warned({"a": SMALL, "b": BIG}, costs) is not None) == told


def turned(project: Project) -> None:
    """Put a dear candidate first, and one that is never on a ladder of its own behind it."""
    for at, (one, usd) in enumerate((("small", "0.25"), ("large", "5"))):
        project.config["prices"][at] |= {"model": f"model-{one}", "input_mtok_usd": usd, "output_mtok_usd": usd}
    project.config["ladders"] = {"main": ["large", "small"], "good": ["small", "large"], "spare": ["large", "small"]}
    project.save()


def test_check_eval_and_build_table_tell_it(project: Project, run: Run) -> None:
    """`check` of every ladder, the others of their own, once each, and nobody is moved."""
    turned(project)
    start = "warning: ladder main: large ($5.00 in, $5.00 out per million tokens) stands before small"
    checked = run("check")
    assert (checked.code, checked.err.count(start), checked.err.count("stands before")) == (0, 1, 2)
    for command in (("eval", "--dry-run"), ("eval",), ("build-table",)):
        done = run(*command)
        assert (done.code, done.err.count(start), done.err.count("stands before")) == (0, 1, 1), command
    assert "stands before" not in run("eval", "--ladder", "good").err
    assert "stands before" not in run("eval", "--candidate", "large").err


def test_a_changed_price_is_noticed_where_it_is_taken(project: Project, run: Run) -> None:
    """`build-table` takes a price without a call, and says whom it puts out of order, by what their cases cost now."""
    project.config["prices"][1] |= {"input_mtok_usd": 5, "output_mtok_usd": 10}
    project.save()
    assert run("eval").code == 0
    assert "stands before" not in run("build-table").err
    project.config["prices"][0] |= {"input_mtok_usd": 50, "output_mtok_usd": 100}
    project.save()
    built = run("build-table").err
    assert "warning: ladder main: small ($0.000" in built
    assert "which is cheaper on the same" in built
    for command in (("check",), ("eval", "--dry-run")):
        assert "which is cheaper on the same" in run(*command).err  # the same words wherever the evidence is at hand
