"""Who may be asked when a table serves: as the evidence was made, with the policy as it is now."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.evaluation.pinning import pins_of
from routerctl.evaluation.run_files import read_header, run_folders
from routerctl.types import Candidate, OtherPlace, Policy, Price, ProviderSpec, RunHeader, evidence_part, with_policy_of

CLOUD = ProviderSpec(name="cloud", kind="fake")


@pytest.fixture
def header(built: Path) -> RunHeader:
    """The header of a run of two candidates at one provider; `small` may be asked elsewhere, too."""
    made = read_header(run_folders(built)[0])
    small = replace(made.candidates["small"], also=(OtherPlace(provider="cloud"),))
    return replace(
        made,
        candidates={**made.candidates, "small": small},
        providers={**made.providers, "cloud": CLOUD},
        prices={**made.prices, "small@cloud": price("7")},
    )


def price(usd: str) -> Price:
    """A price that the user states."""
    amount = Decimal(usd)
    return Price(date="2026-11-01", source="routerctl.yaml: made up", input_mtok_usd=amount, output_mtok_usd=amount)


def now(header: RunHeader, **small: Any) -> Policy:
    """The project as it is: the candidates of the run, `small` changed, its place in the cloud at another price."""
    changed = replace(header.candidates["small"], **small)
    return Policy(
        providers=header.providers,
        candidates={**header.candidates, "small": changed},
        prices={"small@cloud": price("3")},
    )


def test_without_a_project_all_is_as_it_was(header: RunHeader) -> None:
    """Imported outcomes need no routerctl.yaml."""
    pins = pins_of([header], Policy())
    assert (pins.providers, pins.candidates, pins.prices) == (header.providers, header.candidates, header.prices)


def test_the_price_of_another_place_is_policy(header: RunHeader) -> None:
    """It is the project's; the price that costs were counted with stays the run's."""
    policy = now(header)
    stated = replace(policy, prices={**policy.prices, "small": price("99")})
    assert pins_of([header], stated).prices == {**header.prices, "small@cloud": price("3")}


def test_a_place_that_is_gone_takes_its_provider_and_price_along(header: RunHeader) -> None:
    """And a new one comes without a run: the weights are the same."""
    gone = pins_of([header], now(header, also=()))
    assert set(gone.providers) == {"fake"}
    assert set(gone.prices) == {"small", "large"}
    policy = now(header, also=(OtherPlace(provider="new"),))
    new = replace(
        policy, providers={**policy.providers, "new": replace(CLOUD, name="new")}, prices={"small@new": price("1")}
    )
    pins = pins_of([header], new)
    assert list(pins.providers) == ["fake", "new"]
    assert pins.prices["small@new"] == price("1")


@pytest.mark.parametrize(
    "setting",
    [{"concurrency": 99}, {"timeout_s": 1.5}, {"max_attempts": 9}, {"api_key_env": "K"}, {"usd_per_hour": Decimal(2)}],
)
def test_limits_of_a_provider_are_policy(setting: dict[str, Any], header: RunHeader) -> None:
    """They change no answer: taken as they are now, and runs that differ in nothing else agree."""
    later = replace(header.providers["fake"], **setting)
    policy = replace(now(header), providers={**header.providers, "fake": later})
    assert pins_of([header], policy).providers["fake"] == later
    other = replace(header, run_id="9", providers={**header.providers, "fake": later})
    assert pins_of([other, header], Policy()).providers["fake"] == later  # the newest run's
    assert pins_of([header, other], Policy()).providers["fake"] == later


@pytest.mark.parametrize("setting", [{"base_url": "https://other.example"}, {"region": "eu"}, {"options": {"a": 1}}])
def test_what_an_answer_depends_on_is_the_run_s(setting: dict[str, Any], header: RunHeader) -> None:
    """A provider that is another one now lends the old address neither its limits nor its key; runs have to agree."""
    other = replace(header.providers["fake"], api_key_env="NEW_KEY", **setting)
    policy = replace(now(header), providers={**header.providers, "fake": other})
    assert pins_of([header], policy).providers["fake"] == header.providers["fake"]
    with pytest.raises(InputError, match="made with different providers"):
        pins_of([header, replace(header, run_id="9", providers={**header.providers, "fake": other})], Policy())


def test_a_candidate_that_is_another_one_now_lends_no_places(header: RunHeader) -> None:
    """The places of another model have other weights."""
    pins = pins_of([header], now(header, model="another", also=(OtherPlace(provider="new"),)))
    assert pins.candidates == header.candidates
    assert pins.prices["small@cloud"] == price("7")


def test_a_provider_without_evidence_is_the_project_s(header: RunHeader) -> None:
    """Where a place is reached is policy as a whole: nothing was measured there, so runs need not agree on it."""
    moved = replace(CLOUD, base_url="https://moved.example")
    policy = replace(now(header), providers={**header.providers, "cloud": moved})
    older = replace(header, run_id="0", providers={**header.providers, "cloud": replace(CLOUD, region="us")})
    assert pins_of([header, older], policy).providers["cloud"] == moved


def test_who_serves_beside_the_ladder_comes_along(header: RunHeader) -> None:
    """A successor has neither run nor evidence: all of it is the project's; who has evidence is not replaced."""
    heir = Candidate(name="heir", provider="far", model="m-heir")
    policy = now(header)
    policy = replace(
        policy,
        beside=("heir", "large"),
        candidates={**policy.candidates, "heir": heir, "large": replace(header.candidates["large"], effort="low")},
        providers={**policy.providers, "far": replace(CLOUD, name="far")},
        prices={**policy.prices, "heir": price("2")},
    )
    pins = pins_of([header], policy)
    assert list(pins.candidates) == ["heir", "small", "large"]
    assert pins.candidates["large"] == header.candidates["large"]
    assert pins.prices["heir"] == price("2")
    assert set(pins.providers) == {"far", "fake", "cloud"}


def test_policy_is_what_is_marked(header: RunHeader) -> None:
    """Of everything else a change makes another thing."""
    small = header.candidates["small"]
    assert evidence_part(small) == replace(small, also=())
    assert with_policy_of(small, None) is small
    assert with_policy_of(small, replace(small, also=())).also == ()
    assert with_policy_of(small, replace(small, also=(), effort="low")) == small
