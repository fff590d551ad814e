"""Headers of a table's runs and a policy -> the providers, candidates and prices of the table.

What answers and costs depend on is as the evidence was made; the rest (limits of a provider, other places of the same
weights and their prices) is as the policy has it now. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from routerctl.costs import known_prices
from routerctl.errors import InputError
from routerctl.types import Candidate, Policy, Price, ProviderSpec, RunHeader, evidence_part, with_policy_of

T = TypeVar("T", Candidate, Price, ProviderSpec)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What may be called when a table serves."""

    providers: Mapping[str, ProviderSpec]
    candidates: Mapping[str, Candidate]
    prices: Mapping[str, Price]  # by candidate; of its other places by "candidate@provider"


def pins_of(headers: Sequence[RunHeader], policy: Policy) -> Pins:
    """Combine what was asked in any of the runs and what serves beside the ladder, with the present policy.

    Raises: InputError where two runs mean different things by one name.
    """
    headers = sorted(headers, key=lambda one: one.run_id)
    made = _merged(headers, "candidates", lambda one: one.candidates, evidence_part)
    beside = {name: policy.candidates[name] for name in policy.beside if name not in made}
    candidates = beside | {name: with_policy_of(one, policy.candidates.get(name)) for name, one in made.items()}
    return Pins(
        providers=_providers(headers, policy, made, candidates),
        candidates=candidates,
        prices=_prices(headers, policy, made, candidates),
    )


def _providers(
    headers: Sequence[RunHeader], policy: Policy, made: Mapping[str, Candidate], candidates: Mapping[str, Candidate]
) -> dict[str, ProviderSpec]:
    """Give the providers of all places; one that made no evidence is as the policy has it."""
    asked = {one.provider for one in made.values()}
    known = _merged(headers, "providers", lambda one: one.providers, evidence_part, asked)
    specs = {name: spec for header in headers for name, spec in header.providers.items()}
    specs |= {**policy.providers} | {
        name: with_policy_of(spec, policy.providers.get(name)) for name, spec in known.items()
    }
    places = [at for one in candidates.values() for at in (one.provider, *(place.provider for place in one.also))]
    return {name: specs[name] for name in dict.fromkeys(places)}


def _prices(
    headers: Sequence[RunHeader], policy: Policy, made: Mapping[str, Candidate], candidates: Mapping[str, Candidate]
) -> dict[str, Price]:
    """Give the prices that costs were counted with, and those of other places."""
    recorded = {key: price for header in headers for key, price in header.prices.items()}
    own = _merged(headers, "prices", lambda one: known_prices(one.prices), lambda one: one, made.keys())
    unknown = {key: recorded[key] for key in made if key in recorded}  # of imported outcomes
    known = {**unknown, **policy.prices, **own}
    prices = {name: known[name] for name in candidates if name in known}
    for name, one in candidates.items():
        now = policy.candidates.get(name)
        of_policy = now is not None and evidence_part(now) == evidence_part(one)
        for place in one.also:
            key = f"{name}@{place.provider}"
            prices[key] = (policy.prices if of_policy else recorded)[key]
    return prices


def _merged(
    headers: Sequence[RunHeader],
    what: str,
    of: Callable[[RunHeader], Mapping[str, T]],
    compared: Callable[[T], T],
    names: Container[str] | None = None,
) -> dict[str, T]:
    """Give what the newest run says of each name, among `names`; all have to agree on what is `compared`.

    Raises: InputError.
    """
    merged: dict[str, tuple[T, RunHeader]] = {}
    for header in reversed(headers):  # the newest first
        for key, value in of(header).items():
            if names is None or key in names:
                known, newer = merged.setdefault(key, (value, header))
                if compared(known) != compared(value):
                    raise disagreement(header, newer, what)
    return {key: value for key, (value, _) in merged.items()}


def disagreement(header: RunHeader, newest: RunHeader, name: str) -> InputError:
    """Make the error of two runs that cannot be in one table."""
    return InputError(
        f"runs {header.run_id} and {newest.run_id} were made with different {name.replace('_', ' ')}; "
        "run `routerctl eval` for all classes again (replies already paid for cost nothing)"
    )
