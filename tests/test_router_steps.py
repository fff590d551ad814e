"""A decision: who would be asked in which order, and where."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.classify.decide import decide
from routerctl.routing.explain import explain
from routerctl.routing.steps import RungStep, allowed_regions, places_for, steps_of
from routerctl.table import load_table
from routerctl.types import (
    Classifier,
    Condition,
    Decision,
    Escalation,
    Inquiry,
    OtherPlace,
    Price,
    ProviderSpec,
    Residency,
    Routing,
    ScorerSpec,
    Table,
)

TODAY = date(2026, 11, 24)
ASKED = Inquiry(prompt="What is 1+1?")


@pytest.fixture
def table(built: Path) -> Table:
    """One class with both rungs."""
    made = load_table(built / "routes.yaml")
    return replace(made, routes={"sums": replace(made.routes["sums"], rungs=("small", "large"), chosen="small")})


def _candidate(table: Table, name: str, **changes: Any) -> Table:
    changed = replace(table.candidates[name], **changes)
    return replace(table, candidates={**table.candidates, name: changed})


def _decision(table: Table) -> Decision:
    return decide(table, ASKED)


def _names(table: Table) -> list[str]:
    return [step.candidate for step in steps_of(table, _decision(table), TODAY)]


def test_rungs_are_steps_with_their_class_s_thresholds(table: Table) -> None:
    """A class's own thresholds stand in place of the default ones."""
    assert [step.below for step in steps_of(table, _decision(table), TODAY)] == [{}, {}]
    routing = Routing(thresholds={"default": {"refusal": 0.5}, "sums": {"length": 0.2}})
    steps = steps_of(replace(table, routing=routing), _decision(table), TODAY)
    assert [step.below for step in steps] == [{"length": 0.2}] * 2
    routing = Routing(thresholds={"default": {"refusal": 0.5}})
    assert steps_of(replace(table, routing=routing), _decision(table), TODAY)[0].below == {"refusal": 0.5}


def test_a_cascade_is_two_steps(table: Table) -> None:
    """The candidate with its thresholds, then the one it escalates to, who is not asked again as the next rung."""
    table = _candidate(table, "small", escalation=Escalation(to="large", below={"logprob": 0.8}))
    first, second = steps_of(table, _decision(table), TODAY)
    assert (first.candidate, first.below) == ("small", {"logprob": 0.8})
    assert (second.candidate, second.below) == ("large", {})


def test_a_retired_model_is_redirected_from_its_day_on(table: Table) -> None:
    """Before the day nothing changes; without a successor neither; a successor that is the next rung is asked once."""
    table = replace(
        table, retirements={"model-small": "2026-11-24"}, routing=Routing(successors={"model-small": "next"})
    )
    table = replace(table, candidates={**table.candidates, "next": replace(table.candidates["large"], name="next")})
    assert _names(table) == ["next", "large"]
    (note,) = steps_of(table, _decision(table), TODAY)[0].notes
    assert "model-small was retired on 2026-11-24: small is redirected to next" in note
    assert [step.candidate for step in steps_of(table, _decision(table), date(2026, 11, 23))] == ["small", "large"]
    assert _names(replace(table, routing=Routing())) == ["small", "large"]
    assert _names(replace(table, routing=Routing(successors={"model-small": "large"}))) == ["large"]


def test_successors_are_followed_to_the_end(table: Table) -> None:
    """Also a successor may be retired; a circle ends where it would close."""
    heirs = {name: replace(table.candidates["large"], name=name, model=f"model-{name}") for name in ("next", "last")}
    table = replace(
        table,
        candidates={**table.candidates, **heirs},
        retirements={"model-small": "2026-11-01", "model-next": "2026-11-02"},
        routing=Routing(successors={"model-small": "next", "model-next": "last"}),
    )
    first, _ = steps_of(table, _decision(table), TODAY)
    assert first.candidate == "last"
    assert [note.split(": ")[1].split(";")[0] for note in first.notes] == [
        "small is redirected to next",
        "next is redirected to last",
    ]
    circle = replace(table, routing=Routing(successors={"model-small": "next", "model-next": "small"}))
    assert _names(circle) == ["next", "large"]


def _two_places(table: Table, usd: str | None = None) -> Table:
    table = _candidate(table, "small", also=(OtherPlace(provider="cloud", model="cloud/model-small", region="eu"),))
    price = table.prices["small"]
    other = price if usd is None else replace(price, input_mtok_usd=Decimal(usd), output_mtok_usd=Decimal(usd))
    return replace(
        table,
        providers={**table.providers, "cloud": ProviderSpec(name="cloud", kind="openai")},
        prices={**table.prices, "small@cloud": other},
    )


def _places(table: Table, latencies_s: dict[str, float], allowed: frozenset[str] | None = None) -> list[str]:
    places = places_for(table, RungStep(candidate="small"), allowed, lambda provider, _model: latencies_s.get(provider))
    return [place.candidate.provider for place in places]


@pytest.mark.parametrize(
    ("usd", "latencies_s", "expected"),
    [
        (None, {}, ["fake", "cloud"]),  # nothing known: as written
        (None, {"fake": 2.0, "cloud": 0.5}, ["cloud", "fake"]),  # equals: the faster
        ("0.01", {"fake": 0.1, "cloud": 9.0}, ["cloud", "fake"]),  # the cheaper, however slow
        ("900", {"fake": 9.0, "cloud": 0.1}, ["fake", "cloud"]),
        (None, {"fake": 2.0}, ["fake", "cloud"]),  # never measured: not preferred, however slow the other is
        (None, {"cloud": 2.0}, ["cloud", "fake"]),
        ("0.01", {"fake": 0.1}, ["cloud", "fake"]),  # a price is known without a measurement
    ],
)
def test_the_cheapest_then_the_fastest_place(
    usd: str | None, latencies_s: dict[str, float], expected: list[str], table: Table
) -> None:
    """Places of one model are equal in quality: price decides, then measured latency."""
    assert _places(_two_places(table, usd), latencies_s) == expected


def test_a_price_by_the_hour_is_not_compared_with_one_by_tokens(table: Table) -> None:
    """A cent an hour is neither more nor less than a dollar a million tokens: the candidate's own place stays first."""
    two = _two_places(table)
    hourly = Price(date="2026-11-01", source="made up", usd_per_hour=Decimal("0.01"))
    assert _places(replace(two, prices={**two.prices, "small@cloud": hourly}), {"cloud": 0.1}) == ["fake", "cloud"]
    assert _places(replace(two, prices={**two.prices, "small": hourly}), {"cloud": 0.1}) == ["fake", "cloud"]


def test_a_place_asks_for_its_own_model_id(table: Table) -> None:
    """The same weights may have another id elsewhere; all else of the candidate stays."""
    (place,) = places_for(_two_places(table), RungStep(candidate="small"), frozenset({"eu"}), lambda *_: None)
    assert place.key == ("cloud", "cloud/model-small")
    assert (place.candidate.name, place.region) == ("small", "eu")


def test_residency_forbids_places(table: Table) -> None:
    """Rules that hold are all obeyed; one that does not hold says nothing."""
    eu = Residency(name="eu", regions=("eu", "ch"), when=Condition(tenant=("acme",)))
    ch = Residency(name="ch", regions=("ch", "us"), task_class=("sums",))
    other = Residency(name="other", regions=("us",), task_class=("talk",))
    acme = replace(ASKED, tenant="acme")
    assert allowed_regions((eu, ch, other), ASKED, "sums") == frozenset({"ch", "us"})
    assert allowed_regions((eu, ch, other), acme, "sums") == frozenset({"ch"})
    assert allowed_regions((eu, other), ASKED, "sums") is None
    assert _places(_two_places(table), {}, frozenset({"eu"})) == ["cloud"]
    assert _places(_two_places(table), {}, frozenset({"ch"})) == []


def test_before_the_class_is_known_every_residency_rule_counts(table: Table) -> None:
    """Who names the class sees the prompt before anybody knows which rule is about it."""
    eu = Residency(name="eu", regions=("eu", "ch"), task_class=("talk",), when=Condition(tenant=("acme",)))
    ch = Residency(name="ch", regions=("ch", "us"), task_class=("sums",))
    assert allowed_regions((eu, ch), ASKED, None) == frozenset({"ch", "us"})
    assert allowed_regions((eu, ch), replace(ASKED, tenant="acme"), None) == frozenset({"ch"})


def test_what_may_not_be_asked_beside_the_route_is_explained(table: Table) -> None:
    """A classifier and a judge without a place in an allowed region, and a judge that no class has."""
    rule = Residency(name="eu", regions=("eu",))
    table = replace(
        table,
        rules=(),
        default_class="sums",
        classifier=Classifier(candidate="large"),
        routing=Routing(thresholds={"sums": {"judge": 0.5}}, residency=(rule,)),
    )
    lines = explain(table, ASKED, _decision(table), TODAY)
    assert "classifier: large has no place in eu (routing.residency); the default class is used" in lines
    assert "judge: gives no value: the class's scorer is exact" in lines
    route = replace(table.routes["sums"], scorer=ScorerSpec(name="judge", params={"candidate": "large"}))
    lines = explain(replace(table, routes={"sums": route}), ASKED, _decision(table), TODAY)
    assert "judge: large has no place in eu (routing.residency)" in lines


def test_the_order_is_explained(table: Table) -> None:
    """Redirects, thresholds, several places and forbidden regions stand under the rungs."""
    table = _two_places(_candidate(table, "large", region="us"))
    routing = Routing(
        thresholds={"sums": {"logprob": 0.8}},
        residency=(Residency(name="eu", regions=("eu",), when=Condition(tenant=("acme",))),),
    )
    table = replace(table, routing=routing)
    lines = explain(table, ASKED, _decision(table), TODAY)
    assert "small at: fake, cloud" in lines
    assert "small: escalates where logprob < 0.8" in lines
    lines = explain(table, replace(ASKED, tenant="acme"), _decision(table), TODAY)
    assert "only in: eu" in lines
    assert "large: no place in an allowed region" in lines


def test_a_price_by_the_hour_counts(table: Table) -> None:
    """A self-hosted place without token prices is ordered by its hour."""
    table = _two_places(table)
    hourly = Price(date="2026-11-24", source="test", usd_per_hour=Decimal(99))
    assert _places(replace(table, prices={**table.prices, "small@cloud": hourly}), {}) == ["fake", "cloud"]
