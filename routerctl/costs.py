"""Turns a model's price and the tokens or seconds of a call into dollars, exactly.

A price is what routerctl.yaml states, else the provider's `usd_per_hour`, else what the packaged list of `genai-prices`
says of the day asked for. It is complete: what a call costs follows from it alone, and nobody asks the list again. Does
not know who calls or why. The list takes a third of a second to import, so only the functions that need it do. It knows
list prices alone: no regional surcharge, no discount.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from routerctl import notices
from routerctl.errors import InputError
from routerctl.types import Price, PriceTier, ProviderSpec, RawRequest, Request, RunHeader, Table, Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

Pricer = Callable[[Usage, float], Decimal]  # (tokens, seconds of the successful request) -> USD

NOT_KNOWN = "not known"  # source of a Price that nobody could tell, of outcomes made elsewhere
LIST = "genai-prices"  # a Price whose source starts with this was read off the list
_NOTHING = Decimal(0)
_TIERED = ", tiered"  # how a source ended that has tiers, when tables did not pin them
_LISTED = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")  # names that the list shares with ours
MTOK = 1_000_000
HOUR_S = 3600
MOST_FRAME_TOKENS = 64  # what a chat template puts around the turns, and more
PICODOLLAR = Decimal("1e-12")  # a price by time is rounded here: 1/3600 has no end in decimals


def is_known(prices: Mapping[str, Price]) -> bool:
    """Tell whether costs at these prices are known; where one model's is not, none of them can be compared."""
    return len(known_prices(prices)) == len(prices)


def known_prices(prices: Mapping[str, Price]) -> dict[str, Price]:
    """Give the prices that somebody knows."""
    return {name: price for name, price in prices.items() if price.source != NOT_KNOWN}


def price_of(spec: ProviderSpec, model: str, stated: Mapping[tuple[str, str], Price], on: date) -> Price:
    """Find the price of a provider's model on a day.

    `stated`: the user's own prices by (provider name, model id); they win.

    Raises:
        InputError: nobody knows it; says how to state it.
    """
    if (spec.name, model) in stated:
        return stated[spec.name, model]
    if spec.usd_per_hour is not None:
        source = f"routerctl.yaml: usd_per_hour of provider {spec.name}"
        return Price(date=on.isoformat(), source=source, usd_per_hour=spec.usd_per_hour)
    listed = listed_price(spec, model, on)
    if listed is None:
        raise InputError(
            f"no price is known for model '{model}' of provider '{spec.name}' on {on.isoformat()}; add under `prices:` "
            f"{{provider: {spec.name}, model: {model}, date: {on.isoformat()}, source: ..., input_mtok_usd: ..., "
            "output_mtok_usd: ...}, or `usd_per_hour` to the provider if you host it",
            file="routerctl.yaml",
        )
    return listed


def listed_price(spec: ProviderSpec, model: str, on: date) -> Price | None:
    """Give the list's price of a day, tiers and all; None where it has none for both directions."""
    info = _find(spec, model)
    return None if info is None else _as_price(info.get_prices(_noon(on)), on)


def pricer_of(price: Price, spec: ProviderSpec, model: str) -> Pricer:
    """Make the function from tokens and seconds to USD; the price at hand stands, whatever a newer list says."""
    if price.usd_per_hour is not None:
        hourly = price.usd_per_hour
        return lambda _usage, seconds: (hourly * Decimal(repr(float(seconds))) / HOUR_S).quantize(PICODOLLAR)
    whole = _with_listed_tiers(price, spec, model) if lacks_tiers(price) else price
    return lambda usage, _seconds: _cost(whole, usage)


def pricers_of(header: RunHeader) -> dict[str, Pricer]:
    """Make each candidate's function from usage and seconds to USD, at the prices of a run."""
    return {
        name: pricer_of(header.prices[name], header.providers[item.provider], item.model)
        for name, item in header.candidates.items()
    }


def cost_of_reply(pricer: Pricer, usage: Usage, latency_s: float, lost_s: float) -> Decimal:
    """Cost in USD of the call that gave a reply, its failed attempts included where time is the price."""
    return pricer(usage, latency_s + lost_s)


def estimate(pricer: Pricer, *, calls: int, input_tokens: int, output_tokens: int, seconds: float = 0.0) -> Decimal:
    """Cost in USD of planned calls; tokens and seconds are those of one call, nothing of it cached."""
    return calls * pricer(Usage(input_tokens=input_tokens, output_tokens=output_tokens), seconds)


def most_usd(pricer: Pricer, request: Request | RawRequest, seconds: float) -> Decimal:
    """Give the most USD that one attempt at a call can cost: a byte counted as a token, every token it may write.

    `seconds`: that it may take; of several attempts at one call, where time is the price, that all of them may take.
    """
    tokens, most = most_tokens(request)
    plain = Usage(input_tokens=tokens, output_tokens=most)
    # Writing a prompt into the provider's cache may cost more than reading it plainly.
    written = Usage(input_tokens=tokens, output_tokens=most, cache_write_tokens=tokens)
    return max(pricer(plain, seconds), pricer(written, seconds))


def most_tokens(request: Request | RawRequest) -> tuple[int, int]:
    """Give the most tokens that the prompt of one attempt can be, and its reply can have."""
    if isinstance(request, RawRequest):
        return request.most_input_tokens, request.most_output_tokens
    return request_bytes(request) + MOST_FRAME_TOKENS, request.reply.max_tokens


def lost_usd(pricer: Pricer, request: Request, billed: int, seconds: float) -> Decimal:
    """Give the most USD that attempts without a reply may have cost.

    `billed`: how many of them the far side may charge tokens for; `seconds`: what all of them took.
    """
    return billed * most_usd(pricer, request, 0.0) + pricer(Usage(), seconds)


def request_bytes(request: Request) -> int:
    """Count the bytes of everything that a provider puts before the model; no tokenizer makes more tokens of them."""
    prompt, reply = request.prompt, request.reply
    texts = [prompt.system, *(message.content for message in prompt.messages), *reply.choices]
    if reply.json_schema is not None:
        texts.append(json.dumps(reply.json_schema, ensure_ascii=False))
    return sum(len(text.encode()) for text in texts)


def rates(price: Price, input_tokens: int) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Give USD per million tokens of a call with so many: plain input, read from the cache, written to it, output.

    Cached tokens without a price of their own cost what any input costs.
    """
    longer = price.tiers and [tier for tier in price.tiers if input_tokens > tier.above_input_tokens]
    return _rates(longer[-1] if longer else price)


def rise(was: Price, now: Price) -> Fraction | None:
    """Give by how much all of a price has risen, 1 = not at all; None where its parts moved apart."""
    if (lacks_tiers(was), _starts(was)) != (lacks_tiers(now), _starts(now)):
        return None
    pairs = list(zip(_parts(was), _parts(now), strict=True))
    ratios = {Fraction(new) / Fraction(old) if old else None for old, new in pairs if old or new}
    return None if len(ratios) > 1 else next(iter(ratios), Fraction(1))


def lacks_tiers(price: Price) -> bool:
    """Tell whether a price is of a table from before tiers were pinned, and had some: the list is asked for them."""
    return price.source.startswith(LIST) and price.source.endswith(_TIERED) and not price.tiers


def goes_by_call(price: Price) -> bool:
    """Tell whether what several calls cost depends on more than the sums of their tokens."""
    return bool(price.tiers) or price.request_usd is not None or lacks_tiers(price)


def _cost(price: Price, usage: Usage) -> Decimal:
    """Cached tokens are part of the input tokens."""
    plain, read, write, out = rates(price, usage.input_tokens)
    uncached = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    total = plain * uncached + read * usage.cache_read_tokens + write * usage.cache_write_tokens
    of_call = price.request_usd if price.request_usd and (usage.input_tokens or usage.output_tokens) else _NOTHING
    return (total + out * usage.output_tokens) / MTOK + of_call


def _rates(of: Price | PriceTier) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    plain, read, write = of.input_mtok_usd or _NOTHING, of.cache_read_mtok_usd, of.cache_write_mtok_usd
    return plain, plain if read is None else read, plain if write is None else write, of.output_mtok_usd or _NOTHING


def _parts(price: Price) -> tuple[Decimal, ...]:
    """Give what a token of each kind costs, tier by tier, a call and an hour."""
    longer = [amount for tier in price.tiers for amount in _rates(tier)]
    return (*_rates(price), *longer, price.request_usd or Decimal(0), price.usd_per_hour or Decimal(0))


def _starts(price: Price) -> list[int]:
    return [tier.above_input_tokens for tier in price.tiers]


# --- tables that pinned no tiers --------------------------------------------------------------------------------------


def _with_listed_tiers(price: Price, spec: ProviderSpec, model: str) -> Price:
    """Give a price with the tiers that the list has now, in proportion where it pins another base price; say so."""
    listed = listed_price(spec, model, date.fromisoformat(price.date))
    what = f"the price of {model} ({price.date}) is pinned without what longer prompts cost"
    if listed is None or not listed.tiers:
        say = f"{what}, and the list no longer has it: they are counted at the price of short ones"
    else:
        price = replace(price, tiers=tuple(_scaled(tier, listed, price) for tier in listed.tiers))
        say = f"{what}: they are counted by {listed.source}, in proportion"
    notices.warn_once(f"{say}; `routerctl eval` and `routerctl build-table` pin it (replies already paid for are free)")
    return price


def _scaled(tier: PriceTier, listed: Price, pinned: Price) -> PriceTier:
    """Move a tier of the list as far as each part of the pinned price stands from the list's."""
    parts = zip(_rates(tier), _rates(listed), _rates(pinned), strict=True)
    plain, read, write, out = (there * now / then if then else max(there, now) for there, then, now in parts)
    return PriceTier(
        above_input_tokens=tier.above_input_tokens,
        input_mtok_usd=plain,
        output_mtok_usd=out,
        cache_read_mtok_usd=read,
        cache_write_mtok_usd=write,
    )


# --- the packaged list ------------------------------------------------------------------------------------------------


def _as_price(prices: ModelPrice, on: date) -> Price | None:
    import genai_prices
    from genai_prices.types import TieredPrices

    parts = {f"{name}_usd": getattr(prices, name) for name in _LISTED}
    starts = {tier.start for part in parts.values() if isinstance(part, TieredPrices) for tier in part.tiers}
    base, *longer = ({name: _at(part, above) for name, part in parts.items()} for above in (-1, *sorted(starts)))
    if base["input_mtok_usd"] is None or base["output_mtok_usd"] is None:
        return None
    fee = _at(prices.requests_kcount, -1)
    return Price(
        date=on.isoformat(),
        source=f"{LIST} {genai_prices.__version__}",
        request_usd=None if fee is None else fee / 1000,
        tiers=tuple(PriceTier(above_input_tokens=at, **of) for at, of in zip(sorted(starts), longer, strict=True)),
        **base,
    )


def _at(part: Decimal | TieredPrices | None, above: int) -> Any:
    """Give the part of a price that a prompt of more than so many tokens costs; -1: the shortest."""
    if part is None or isinstance(part, Decimal):
        return part
    return next((tier.price for tier in reversed(part.tiers) if tier.start <= above), part.base)


def _find(spec: ProviderSpec, model: str) -> ModelInfo | None:
    """The list's entry: by the base URL's host if the list knows it, else the vendor behind the kind.

    A base URL that it does not know is taken for a gateway to that vendor: a self-hosted model has another name.
    """
    from genai_prices.data_snapshot import get_snapshot

    for place in ({"provider_api_url": spec.base_url}, {"provider_id": spec.kind}):
        if any(place.values()):
            try:
                return get_snapshot().find_provider_model(
                    model, None, place.get("provider_id"), place.get("provider_api_url")
                )[1]
            except LookupError:
                continue
    return None


def _noon(day: date) -> datetime:
    """A moment of the day, because the list asks for one: prices start at midnight UTC."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def pricer_for(table: Table | RunHeader) -> Callable[[ProviderSpec, str], Pricer]:
    """Give the function that finds the price of a model at a provider, as the table or run has it."""
    prices = {(item.provider, item.model): table.prices[name] for name, item in table.candidates.items()}
    for name, item in table.candidates.items():
        for place in item.also:
            prices.setdefault((place.provider, place.model or item.model), table.prices[f"{name}@{place.provider}"])
    return lambda spec, model: pricer_of(prices[spec.name, model], spec, model)
