"""The days on which models retire: whose they are, where from, and where they do not hold."""

from __future__ import annotations

from datetime import date

import pytest

from routerctl.providers import sdk_lists
from routerctl.providers.pins import alias_problem
from routerctl.providers.retirements import list_of, missing_lists, retirements_of, retires_on, shipped
from routerctl.types import Candidate, OtherPlace, ProviderSpec

ANTHROPIC, OPENAI = (ProviderSpec(name=kind, kind=kind) for kind in ("anthropic", "openai"))


@pytest.mark.parametrize(
    ("model", "spec", "day"),
    [
        ("claude-sonnet-4-5-20250929", ANTHROPIC, "2026-11-30"),
        ("claude-opus-4-5-20251101", ANTHROPIC, "2027-01-22"),
        ("claude-opus-4-1-20250805", ANTHROPIC, "2026-08-05"),  # no SDK lists it
        ("gpt-4o-2024-08-06", OPENAI, "2027-01-14"),
        ("gpt-5-2025-08-07", OPENAI, "2026-12-11"),
        (
            "gpt-5-2025-08-07",
            ProviderSpec(name="g", kind="openai", base_url="https://gateway.example/v1"),
            "2026-12-11",
        ),
    ],
)
def test_a_day_that_a_vendor_has_told_is_known(model: str, spec: ProviderSpec, day: str) -> None:
    """Of both vendors, whichever SDK is installed; a gateway leads to the vendor."""
    assert retires_on(model, spec) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("model", "spec"),
    [
        ("claude-opus-5-5", ANTHROPIC),
        ("claude-from-the-future", ANTHROPIC),
        ("gpt-6-luna", OPENAI),
        ("claude-opus-4-5-20251101", OPENAI),  # another vendor's
        ("gpt-4o-2024-08-06", ANTHROPIC),
        ("gpt-4o-2024-08-06", ProviderSpec(name="l", kind="local")),
        (
            "gpt-4o-2024-08-06",
            ProviderSpec(name="a", kind="openai", base_url="https://mine.openai.azure.com/openai/v1"),
        ),
        (
            "claude-opus-4-5-20251101",
            ProviderSpec(name="b", kind="anthropic", base_url="https://bedrock.amazonaws.com"),
        ),
    ],
)
def test_nothing_is_known_of_others(model: str, spec: ProviderSpec) -> None:
    """A model that runs on, another vendor's, a local one, and one on a platform with days of its own."""
    assert retires_on(model, spec) is None


def test_every_list_has_its_source_and_every_pin_a_day() -> None:
    """As a price does: who wonders can look, and a day that is none would be found here."""
    assert shipped().keys() == {"anthropic", "openai"}
    for one in shipped().values():
        assert one.source.startswith("https://")
        assert date(2026, 9, 1) < date.fromisoformat(one.as_of) <= date(2026, 11, 30)
        assert all(date.fromisoformat(day) for day in one.models.values())
        assert len(one.models) > 10


def test_the_sdk_and_our_list_agree() -> None:
    """Where both name a model it is on the same day; a list of ours that lacks one of the SDK's is behind."""
    ours, theirs = shipped()["anthropic"].models, sdk_lists.ends("anthropic") or {}
    assert ours.keys() & theirs.keys()
    assert {model: theirs[model].isoformat() for model in ours.keys() & theirs.keys()}.items() <= ours.items()
    still = {
        model for model, day in theirs.items() if day > date(2026, 11, 1) and not alias_problem(model, "anthropic")
    }
    assert still <= ours.keys()


def test_other_places_are_looked_up_as_well() -> None:
    """Each place has its vendor's days."""
    both = Candidate(
        name="a",
        provider="anthropic",
        model="claude-opus-5-5",
        also=(OtherPlace(provider="openai", model="gpt-4.1-2025-04-14"),),
    )
    assert retirements_of([both], {"anthropic": ANTHROPIC, "openai": OPENAI}) == {"gpt-4.1-2025-04-14": "2027-01-14"}


def test_who_has_no_list_is_no_missing_one() -> None:
    """A kind of provider that never had one, a plug-in's or a local one, is not warned of."""
    assert (
        list(
            missing_lists(
                [ANTHROPIC, OPENAI, ProviderSpec(name="l", kind="local"), ProviderSpec(name="p", kind="acme")]
            )
        )
        == []
    )
    assert list_of(ProviderSpec(name="p", kind="acme")) is None


def test_a_proposed_pin_that_retires_is_told_with_its_day() -> None:
    """Nobody goes from an alias to a model that ends unseen."""
    assert "'gpt-4.1-2025-04-14' (which retires on 2027-01-14)" in (alias_problem("gpt-4.1", "openai") or "")
    assert "retires" not in (alias_problem("claude-opus-latest", "anthropic") or "")
