"""One part of a table -> the words a reviewer reads for it: a pin, a price, a score, a prompt cut to where it differs.

Knows nothing of before and after but `leaf_pair`. What it gives is not yet safe to print: descriptions and prompts are
as foreign as the tables they stand in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from routerctl.evaluation.differences import NONE, _cut, _leaf, leaf_pair
from routerctl.files.codec import encode
from routerctl.levels import level_name, level_words, risk_shown
from routerctl.types import Candidate, Evidence, Price, PriceTier, Route
from routerctl.words import count, percent, plain, plural, points, seconds, spread, usd


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Lay nested mappings out on one level (`sampling temperature`); lists and empty mappings stay whole."""
    if isinstance(value, Mapping) and value:
        parts = [flat(item, f"{path} {key}".strip()) for key, item in value.items()]
        return {key: item for part in parts for key, item in part.items()}
    return {path: value}


def settings_words(value: Any) -> str:
    """List what an entry says beyond defaults: `provider far, model m-1, effort low`."""
    if value is None:
        return NONE
    return ", ".join(f"{key} {_cut(_leaf(item), 0)}" for key, item in flat(encode(value)).items() if key != "name")


def pin_words(name: str, candidate: Candidate | None) -> str:
    """Name a candidate with its pin, as in `haiku (claude-haiku-5-5, effort low)`."""
    if candidate is None:
        return f"{name} (no such candidate)"
    strategy = candidate.strategy.name.replace("_", " ")
    if candidate.strategy.samples > 1:
        strategy += f" \u00d7 {candidate.strategy.samples}"
    said = [
        candidate.model,
        f"effort {candidate.effort}" if candidate.effort else "",
        strategy if candidate.strategy.name != "single_shot" else "",
        candidate.region or "",
        f"then {candidate.escalation.to}" if candidate.escalation else "",
    ]
    return f"{name} ({', '.join(part for part in said if part)})"


def price_words(price: Price | None) -> str:
    """Name a price with its date and source."""
    if price is None:
        return NONE
    if price.usd_per_hour is not None:
        amounts = f"{usd(price.usd_per_hour)} an hour"
    else:
        known = _amounts(price)
        if not known:  # imported outcomes: a cost a case, or none that anybody knows, which is not a price of nothing
            return f"{price.source} ({price.date})"
        of_call = f", {usd(price.request_usd)} a request" if price.request_usd is not None else ""
        tiers = (f"; above {count(one.above_input_tokens)} input tokens {_amounts(one)}" for one in price.tiers)
        amounts = f"{known} per million tokens{of_call}{''.join(tiers)}"
    return f"{amounts} ({price.date}, {price.source})"


def _amounts(price: Price | PriceTier) -> str:
    kinds = {
        "input": price.input_mtok_usd,
        "output": price.output_mtok_usd,
        "cache read": price.cache_read_mtok_usd,
        "cache write": price.cache_write_mtok_usd,
    }
    return ", ".join(f"{kind} {usd(amount)}" for kind, amount in kinds.items() if amount is not None)


def verdict_words(route: Route, chosen: Evidence | None, *, risk: bool = True) -> str:
    """Name the level of the chosen candidate, its risk, and whose word it is where that is not a program's."""
    said = level_words(route) if risk else level_name(route)
    return said if chosen is None or chosen.judgement.trust == "scorer" else f"{said} ({chosen.judgement.trust})"


def risk_or_none(route: Route) -> str:
    """Give the risk of what is provisional; `none` for the other levels."""
    return risk_shown(route) or NONE


def score_words(one: Evidence | None) -> str:
    """Give a score with its interval and the cases behind it."""
    if one is None or one.judgement.score is None:
        return "no case run"
    judgement = one.judgement
    kind = "" if judgement.mean is None else "mean "
    counted = f"{count(judgement.passes)} of {plain(plural(judgement.cases, 'case'))}"
    return f"{kind}{percent(one.judgement.score or 0.0)} ({spread(judgement.interval)}, {counted})"


def beside_today(route: Route) -> str:
    """Say what the choice does beside the model that serves now, each on the cases it was run on; `none`: nobody said.

    Money is per 1,000 requests, or a month where the class states its volume.
    """
    if not route.today:
        return NONE
    if route.today == route.chosen:
        return f"{route.today} itself"
    by_name = {one.candidate: one for one in route.evidence}
    one, now = by_name.get(route.chosen), by_name.get(route.today)
    if one is None or now is None or not now.judgement.cases:
        return f"{route.today} was not run"
    gained = (one.judgement.score or 0.0) - (now.judgement.score or 0.0)
    return f"{_saved(route, one, now)}{points(gained)} against {route.today}"


def _saved(route: Route, one: Evidence, now: Evidence) -> str:
    if one.cost_per_case_usd is None or now.cost_per_case_usd is None:
        return ""
    volume = route.stakes.requests_per_month
    saved = (now.cost_per_case_usd - one.cost_per_case_usd) * Decimal(repr(float(volume or 1000)))
    unit = "per 1,000 requests" if volume is None else "a month"
    return f"{usd(abs(saved))} {'less' if saved >= 0 else 'more'} {unit}, "


def usd_words(cost: Decimal | None, times: float) -> str:
    """Give a cost that many times over; `none` where it was not measured."""
    return NONE if cost is None else usd(cost * Decimal(repr(times)))


def seconds_words(latency_s: float | None) -> str:
    """Give a latency; `none` where it was not measured."""
    return NONE if latency_s is None else seconds(latency_s)


def number_words(value: float | None) -> str:
    """Give a plain number; `none` where it was not measured."""
    return NONE if value is None else f"{value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing before and after, as a reader sees it; `none` on the side that does not have it."""

    what: str  # "bar", "prompt template", "price of haiku", ...
    before: str
    after: str
    kind: str = ""  # the decision it belongs to, as `Change.what` names it; "" = measured, or the table's own


def parts(what: str, old: Any, new: Any, kind: str) -> Iterator[Difference]:
    """Compare two values part by part, defaults included; a part that only one side has stands against `none`."""
    ours, theirs = (flat(encode(value, keep_defaults=True)) for value in (old, new))
    for key in dict.fromkeys([*ours, *theirs]):
        pair = leaf_pair(ours.get(key), theirs.get(key))
        if pair:
            name = " ".join(part for part in (what, key) if part)
            yield Difference(what=name, before=pair[0], after=pair[1], kind=kind)
    if ours.keys() == theirs.keys() and list(ours) != list(theirs):  # a model sees a schema's keys in their order
        pair = leaf_pair(list(ours), list(theirs)) or ("", "")
        yield Difference(what=f"{what} order".strip(), before=pair[0], after=pair[1], kind=kind)
