"""A run at other prices: counted anew where what was kept tells the cost exactly, refused elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.evaluation.build import build_table
from routerctl.evaluation.repricing import at_present_prices, at_prices_of, is_restated
from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.review.diff import compare
from routerctl.table import load_table
from routerctl.types import Candidate, Escalation, Price, Result, Run, Status
from routerctl.words import usd
from tests.conftest import Done, Project
from tests.test_build import header, of_class, result

Command = Callable[..., Done]
MTOK: dict[str, Any] = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}


def price(input_: str | None = None, output: str = "0", **changes: Any) -> Price:
    """A price that the user states, per million tokens."""
    amounts: dict[str, Any] = (
        {} if input_ is None else {"input_mtok_usd": Decimal(input_), "output_mtok_usd": Decimal(output)}
    )
    amounts |= {name: Decimal(amount) for name, amount in changes.items() if name != "source"}
    return Price(date="2026-11-01", source=changes.get("source", "routerctl.yaml: made up"), **amounts)


FLAT = price("1", "2")
CACHING = price("1", "2", cache_read_mtok_usd="0.1", cache_write_mtok_usd="1.25")
HOURLY = price(usd_per_hour="3600")  # a dollar a second
LISTED = price("1", "2", source="genai-prices 0.0.1, tiered")


def run_at(was: Price, *results: Result, **changes: Any) -> Run:
    """A run of `small` at a price."""
    made = header(prices={"small": was, "large": FLAT}, **changes)
    return Run(header=made, results=results)


def moved(run: Run, **prices: Price) -> tuple[Run, list[Decimal]]:
    """The run at the prices of a table that has these, and what its results cost there."""
    table = build_table({"sums": run}, previous=None)
    found = at_prices_of(run, replace(table, prices={**table.prices, **prices}))
    return found, [one.cost_usd for one in found.results]


@pytest.mark.parametrize(
    ("was", "now", "kept", "cost"),
    [
        (FLAT, price("3", "1"), {**MTOK, "cost_usd": "3"}, "4"),
        (FLAT, price("3", "1"), {**MTOK, "cost_usd": "3", "calls": 5, "retries": 2}, "4"),  # a vote: sums of tokens
        (FLAT, HOURLY, {**MTOK, "cost_usd": "3", "latency_s": 7.5}, "7.5"),
        (FLAT, price("0", "0"), {**MTOK, "cost_usd": "3"}, "0"),
        (HOURLY, price(usd_per_hour="7200"), {"cost_usd": "9", "latency_s": 4.0, "retries": 1}, "18"),  # lost seconds
        (HOURLY, FLAT, {**MTOK, "cost_usd": "9", "latency_s": 4.0}, "3"),
        (CACHING, FLAT, {**MTOK, "cost_usd": "2.5"}, "3"),  # it does not matter any more which were cached
        (CACHING, price("3", "2", cache_read_mtok_usd="1"), {**MTOK, "cost_usd": "3"}, "5"),  # none was
        (
            CACHING,
            price("2", "4", cache_read_mtok_usd="0.2", cache_write_mtok_usd="2.5"),
            {**MTOK, "cost_usd": "2.5"},
            "5",
        ),
        (FLAT, price("3", "1"), {"status": Status.FAILED, "calls": 0, "input_tokens": 0, "cost_usd": "0"}, "0"),
        (FLAT, HOURLY, {"status": Status.FAILED, "calls": 0, "latency_s": None, "cost_usd": "0"}, "0"),
    ],
)
def test_a_cost_that_the_sums_tell_is_counted_anew(was: Price, now: Price, kept: dict[str, Any], cost: str) -> None:
    """Exactly: linear prices of tokens, seconds of one call, or a price of which all parts have risen alike."""
    run = run_at(was, result(0, **kept | {"cost_usd": Decimal(kept["cost_usd"])}))
    found, costs = moved(run, small=now)
    assert costs == [Decimal(cost)]
    assert found.header.prices == {"small": now, "large": FLAT}
    assert found.results[0].made_usd == found.results[0].spent_usd == Decimal(kept["cost_usd"])


@pytest.mark.parametrize(
    ("was", "now", "kept", "why"),
    [
        (CACHING, price("3", "2", cache_read_mtok_usd="1"), {"cost_usd": "2.5"}, "not which of them were cached"),
        (FLAT, CACHING, {"cost_usd": "3"}, "not which of them were cached"),
        (
            price("0"),
            CACHING,
            {"cost_usd": "0"},
            "not which of them were cached",
        ),  # nothing costs nothing, cached or not
        (FLAT, price("3", "1"), {"cost_usd": "2.9"}, "the sums of tokens"),  # its own figures do not explain it
        (FLAT, LISTED, {"cost_usd": "3", "calls": 3}, "how long each call was"),
        (HOURLY, FLAT, {"cost_usd": "9", "input_tokens": 0, "output_tokens": 0}, "the sums of tokens"),
        (FLAT, HOURLY, {"cost_usd": "3", "calls": 3}, "what each attempt took"),
        (FLAT, HOURLY, {"cost_usd": "3", "retries": 1}, "what each attempt took"),
    ],
)
def test_a_cost_that_is_not_told_is_refused(was: Price, now: Price, kept: dict[str, Any], why: str) -> None:
    """Naming the candidate, the reason and the command, which costs nothing where the replies are at hand."""
    run = run_at(was, result(0, **{**MTOK, **kept, "cost_usd": Decimal(kept["cost_usd"])}))
    with pytest.raises(InputError, match=f"the price of 'small' has changed, .*{why}.*`routerctl eval`"):
        moved(run, small=now)


def test_what_a_list_says_of_another_day_changes_nothing() -> None:
    """Only what the user states does, or once stated."""
    older, newer = price("1", source="genai-prices 0.0.1"), price("2", source="genai-prices 0.0.2")
    run = run_at(older, result(0, cost_usd=Decimal("1e-6")))
    found, _ = moved(run, small=newer)
    assert found is run
    assert [is_restated(older, one) for one in (older, newer, FLAT)] == [False, False, True]
    assert is_restated(FLAT, older)


def test_of_a_cascade_both_prices_count() -> None:
    """Its sums are of two candidates: told where it did not escalate, or where both prices have risen alike."""
    first = Candidate(name="small", provider="far", model="small", escalation=Escalation(to="large", below={}))
    candidates = {**header().candidates, "small": first}
    alone = result(0, **MTOK, cost_usd=Decimal(3))
    both = result(1, **MTOK, cost_usd=Decimal(8), served_by="large", calls=2)
    run = run_at(FLAT, alone, both, candidates=candidates)
    twice = price("2", "4")
    assert moved(run, small=twice, large=twice)[1] == [6, 16]
    assert moved(replace(run, results=(alone,)), small=twice)[1] == [6]
    for one in ("small", "large"):
        with pytest.raises(InputError, match=f"price of '{one}' has changed.* what small's calls .*both candidates"):
            moved(run, **{one: twice})


def test_another_model_by_the_same_name_keeps_its_price() -> None:
    """Its price is not this one's."""
    run = run_at(FLAT, result(0, **MTOK, cost_usd=Decimal(3)))
    table = build_table({"sums": run}, previous=None)
    other = replace(table.candidates["small"], model="another")
    changed = replace(
        table, candidates={**table.candidates, "small": other}, prices={"small": price("9"), "large": FLAT}
    )
    assert at_prices_of(run, changed) is run


def test_imported_costs_that_the_price_does_not_explain_stay() -> None:
    """They came with the file or were given; those counted with the project's price follow it."""
    rows = [
        result(index, **MTOK, candidate=name, cost_usd=Decimal(3)) for index in (0, 1) for name in ("small", "large")
    ]
    rows[0] = replace(rows[0], cost_usd=Decimal("2.5"))
    run = run_at(FLAT, *rows, imported=("x.csv",))
    found, costs = moved(run, small=price("2", "4"), large=price("2", "4"))
    assert costs == [Decimal("2.5"), 6, 3, 6]
    assert found.header.prices["small"] == price("2", "4")


def test_paid_stays_paid() -> None:
    """What was paid in the run and what came from the cache are two sums of what was, not of what would be."""
    cached = result(0, **MTOK, cost_usd=Decimal(3), cached=True)
    part = result(1, **MTOK, cost_usd=Decimal(3), paid_usd=Decimal(1), paid_calls=1, calls=3)
    found, costs = moved(run_at(FLAT, cached, part), small=price("10", "20"))
    assert costs == [30, 30]
    assert [(one.spent_usd, one.made_usd) for one in found.results] == [
        (Decimal(0), Decimal(3)),
        (Decimal(1), Decimal(3)),
    ]


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def dear(project: Project, run: Command) -> Project:
    """Two candidates that are right, `large` the dearer; the replies are gone, as in a clone."""
    project.replies({"model-small": 1.0, "model-large": 1.0})
    project.config["prices"][1] |= {"input_mtok_usd": 5}
    project.save()
    assert run("eval", "--full").code == run("build-table").code == 0
    shutil.rmtree(project.root / ".routerctl")
    return project


def test_a_price_is_taken_without_a_reply(dear: Project, run: Command) -> None:
    """`check` asks for `build-table`, which chooses by the new price; report and replays tell the same costs."""
    table = load_table(dear.root / "routes.yaml")
    assert table.routes["sums"].chosen == "small"
    dear.config["prices"][0] |= {"input_mtok_usd": 50}
    dear.save()
    stopped = run("check")
    assert (stopped.code, stopped.last) == (
        3,
        "routerctl: price of small: changed since routes.yaml was built; run `routerctl build-table`",
    )
    assert run("build-table").code == run("check").code == 0
    after = load_table(dear.root / "routes.yaml")
    assert (after.routes["sums"].chosen, after.table_version) == ("large", 2)
    costs = {one.candidate: one.cost_per_case_usd for one in after.routes["sums"].evidence}
    replayed = run("replay", "--table", "routes.yaml", "--outcomes", table.routes["sums"].run_id, "--json")
    assert replayed.code == 0, replayed.err
    told = json.loads(replayed.out)
    assert told["classes"][0]["cost_usd"]["value"] == pytest.approx(float(costs["large"] or 0), rel=1e-12)
    assert costs["small"] is not None
    assert any(f"Always small: {usd(60 * costs['small'])}," in words for words in told["words"])
    paid_usd = sum((one.spent_usd for one in read_run(run_folders(dear.root)[0]).results), Decimal(0))
    assert f"Paid in this run: {usd(paid_usd)}; " in next((dear.root / "reports").glob("*/report.html")).read_text()
    dear.config["prices"][0] |= {"input_mtok_usd": 1}
    dear.save()
    assert run("build-table").code == 0
    assert load_table(dear.root / "routes.yaml").routes == table.routes


def test_a_price_s_tiers_are_pinned_and_paid_by(dear: Project, run: Command) -> None:
    """Written below a price they are in the table; a case and a routed prompt cost what their length does."""
    before = load_table(dear.root / "routes.yaml")
    tier = {"above_input_tokens": 1, "input_mtok_usd": 3, "output_mtok_usd": 3}
    dear.config["prices"][0]["tiers"] = [tier, {**tier, "above_input_tokens": 100_000, "input_mtok_usd": 30}]
    dear.save()
    assert "price of small: changed since" in run("check").last
    assert run("build-table").code == run("check").code == 0
    after = load_table(dear.root / "routes.yaml")
    assert [one.above_input_tokens for one in after.prices["small"].tiers] == [1, 100_000]
    costs = [table.routes["sums"].evidence[0].cost_per_case_usd for table in (before, after)]
    assert costs == [Decimal("0.000005"), Decimal("0.000012")]  # 3 tokens in, 1 out
    prompts = {"hi": "0.000011", "hi there": "0.000021", "hi " * 150_000: "3.375015"}  # 4 bytes a token, 5 tokens out
    for prompt, cost_usd in prompts.items():
        routed = run("route", "--class", "sums", "--json", stdin=prompt)
        assert Decimal(json.loads(routed.out, parse_float=Decimal)["cost_usd"]) == Decimal(cost_usd)


def test_a_table_from_before_prices_had_tiers_is_kept(project: Project, run: Command) -> None:
    """Its runs make the same bytes; `check` and `route` say what it lacks, and a new `eval` pins it for nothing."""
    project.config["providers"]["fake"]["base_url"] = "https://api.anthropic.com"  # whose list knows the price
    project.config["candidates"]["small"]["model"] = "claude-haiku-5-5"
    project.config["ladders"]["main"] = ["small"]
    project.replies({"claude-haiku-5-5": 1.0})
    project.save()
    assert run("eval").code == 0
    header = run_folders(project.root)[0] / "run.json"
    made = json.loads(header.read_text("utf-8"))
    del made["prices"]["small"]["tiers"]
    made["prices"]["small"]["source"] += ", tiered"
    header.write_text(json.dumps(made), encoding="utf-8")
    assert run("build-table").code == 0
    older = (project.root / "routes.yaml").read_bytes()
    checked = run("check")
    lacks = "pinned without what longer prompts cost"
    assert (
        checked.code,
        f"warning: routes.yaml: the price of small is {lacks}; run `routerctl eval`" in checked.err,
    ) == (0, True)
    assert (run("build-table").code, (project.root / "routes.yaml").read_bytes()) == (0, older)
    routed = run("route", "--class", "sums", "--json", stdin="x" * 500_000)
    assert routed.err.count(lacks) == 1
    assert Decimal(json.loads(routed.out, parse_float=Decimal)["cost_usd"]) > Decimal("0.0625")  # 125,000 at 0.50
    again = run("eval")
    assert "paid $0 for 0 calls" in again.err
    assert run("build-table").code == 0
    assert lacks not in run("check").err + run("route", "--class", "sums", stdin="hi").err


@pytest.mark.parametrize(
    ("model", "tiers", "warned"),
    [
        ("claude-haiku-5-5", [], True),
        ("claude-haiku-5-5", [{"above_input_tokens": 100_000, "input_mtok_usd": 1, "output_mtok_usd": 2}], False),
        ("claude-sonnet-5-5", [], False),  # the list has one price of it
        ("mine", [], False),
    ],
)
def test_a_stated_price_that_says_nothing_of_long_prompts_is_told(
    model: str, tiers: list[dict[str, int]], warned: bool, project: Project, run: Command
) -> None:
    """Where the list has a dearer price for them; who pays one price for all says so by a tier of the same price."""
    project.config["providers"]["far"] = {"kind": "anthropic"}
    project.config["prices"].append({**project.config["prices"][0], "provider": "far", "model": model, "tiers": tiers})
    project.save()
    checked = run("check")
    assert (checked.code, "warning: prices.2: genai-prices" in checked.err) == (0, warned)


def test_a_price_by_the_hour_is_taken_too(dear: Project, run: Command) -> None:
    """From tokens to time and from one rate to another; the report says what was paid then."""
    dear.config["prices"] = []
    dear.config["providers"]["fake"]["usd_per_hour"] = 3600
    dear.save()
    assert run("check").code == 3
    assert run("build-table").code == run("check").code == 0
    once_built = load_table(dear.root / "routes.yaml")
    assert once_built.providers["fake"].usd_per_hour == 3600
    once = once_built.routes["sums"].evidence[0].cost_per_case_usd
    dear.config["providers"]["fake"]["usd_per_hour"] = 7200
    dear.save()
    assert run("build-table").code == run("check").code == 0
    (change,) = compare(once_built, load_table(dear.root / "routes.yaml")).classes
    assert change.what == ("other price",)
    twice = load_table(dear.root / "routes.yaml").routes["sums"].evidence[0].cost_per_case_usd
    assert once is not None
    assert twice is not None
    assert float(twice) == pytest.approx(2 * float(once), rel=1e-3)


def test_build_table_says_why_a_price_is_not_taken(dear: Project, run: Command) -> None:
    """One line, exit 2, and the table stays; `check` leads there."""
    before = (dear.root / "routes.yaml").read_bytes()
    dear.config["prices"][0] |= {"cache_read_mtok_usd": 0.5}
    dear.save()
    assert "price of small: changed" in run("check").last
    done = run("build-table")
    assert done.code == 2
    assert done.last.startswith("routerctl: the price of 'small' has changed, and run ")
    assert done.last.endswith("run `routerctl eval` (replies already paid for cost nothing)")
    assert (dear.root / "routes.yaml").read_bytes() == before


def test_runs_at_two_stated_prices_make_one_table(dear: Project, run: Command) -> None:
    """Both are told at the price of now: a class evaluated later does not make the others be asked again."""
    dear.config["prices"][0] |= {"input_mtok_usd": 2}
    dear.save()
    dear.eval_set("more", 60)
    dear.replies({"model-small": 1.0, "model-large": 1.0}, ("sums", "more"))
    assert run("eval", "--full", "--class", "more").code == 0
    done = run("build-table")
    # The risk per class is as configured, so that nothing else differs between the two runs.
    assert (done.code, done.err.count("different")) == (0, 0)
    table = load_table(dear.root / "routes.yaml")
    assert len({route.run_id for route in table.routes.values()}) == 2
    assert table.prices["small"].input_mtok_usd == 2


def test_without_a_project_nothing_is_counted_anew() -> None:
    """Imported outcomes need no routerctl.yaml."""
    run = Run(header=header(of_class()), results=(result(0),))
    assert at_present_prices(run, None) is run
