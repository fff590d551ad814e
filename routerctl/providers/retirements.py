"""A model and where it is asked -> the day on which it retires there, as far as anybody has said.

Two sources: `retirements.json`, days that vendors' pages told, each list with its source and date; and the installed
SDK's list. A day that was announced later is in neither until somebody looks again. What a vendor's API says of a model
is for whoever asks it (`providers.base.Probed`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

from routerctl.providers import sdk_lists
from routerctl.types import Candidate, ProviderSpec

_OTHERS = ("azure.com", "amazonaws.com", "googleapis.com")  # platforms that serve vendors' models by days of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class RetirementList:
    """What one page says of a vendor's models."""

    vendor: str  # the kind of provider that calls its API
    source: str  # URL
    as_of: str  # ISO day of the copy that was read
    models: Mapping[str, str]  # id -> ISO day


@cache
def shipped() -> Mapping[str, RetirementList]:
    """Give the lists that come with routerctl, by vendor."""
    text = files("routerctl").joinpath("providers", "retirements.json").read_text(encoding="utf-8")
    return {one["vendor"]: RetirementList(**one) for one in json.loads(text)["lists"]}


def list_of(spec: ProviderSpec) -> RetirementList | None:
    """Give the list that holds where a provider is; None: nobody lists what retires there."""
    host = urlsplit(spec.base_url or "").hostname or ""
    return None if host.endswith(_OTHERS) else shipped().get(spec.kind)


def retires_on(model: str, spec: ProviderSpec) -> date | None:
    """Give the day on which a model retires or has retired, the earlier one of two; None where none is known."""
    ours = list_of(spec)
    if ours is None:
        return None
    told = [date.fromisoformat(day) for name, day in ours.models.items() if name == model]
    theirs = (sdk_lists.ends(spec.kind) or {}).get(model)
    return min([*told, *([theirs] if theirs else [])], default=None)


def missing_lists(specs: Iterable[ProviderSpec]) -> Iterator[str]:
    """Say which lists of the vendors' SDKs are not found, a line each."""
    return sdk_lists.absent(sorted({spec.kind for spec in specs}))


def retirements_of(candidates: Iterable[Candidate], providers: Mapping[str, ProviderSpec]) -> dict[str, str]:
    """Give the day on which each candidate's model retires, by model id, where one is known."""
    days = {}
    for one in candidates:
        for provider, model in [(one.provider, one.model), *((at.provider, at.model or one.model) for at in one.also)]:
            spec = providers.get(provider)
            end = retires_on(model, spec) if spec else None
            if end:
                days[model] = end.isoformat()
    return dict(sorted(days.items()))
