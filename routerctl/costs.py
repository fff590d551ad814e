"""Turns a model's price and the tokens or seconds of a call into dollars, exactly.

A price is what routerctl.yaml states, else the provider's `usd_per_hour`, else what the packaged list of `genai-prices`
says of the day asked for. Does not know who calls or why. The list takes a third of a second to import, so only the
functions that need it do. It knows list prices alone: no regional surcharge, no discount.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from routerctl.errors import InputError
from routerctl.types import Price, ProviderSpec, Reply, Request, RunHeader, Table, Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

Pricer = Callable[[Usage, float], Decimal]  # (tokens, seconds of the successful request) -> USD

NOT_KNOWN = "not known"  # source of a Price that nobody could tell, of outcomes made elsewhere
LIST = "genai-prices"  # a Price whose source starts with this was read off the list
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
    """Find the price of a provider's model on a day; a tiered price shows its lowest tier.

    `stated`: the user's own prices by (provider name, model id); they win.

    Raises:
        InputError: nobody knows it; says how to state it.
    """
    if (spec.name, model) in stated:
        return stated[spec.name, model]
    if spec.usd_per_hour is not None:
        source = f"routerctl.yaml: usd_per_hour of provider {spec.name}"
        return Price(date=on.isoformat(), source=source, usd_per_hour=spec.usd_per_hour)
    listed = _listed(spec, model, on)
    if listed is None:
        raise InputError(
            f"no price is known for model '{model}' of provider '{spec.name}' on {on.isoformat()}; add under `prices:` "
            f"{{provider: {spec.name}, model: {model}, date: {on.isoformat()}, source: ..., input_mtok_usd: ..., "
            "output_mtok_usd: ...}, or `usd_per_hour` to the provider if you host it",
            file="routerctl.yaml",
        )
    return listed


def pricer_of(price: Price, spec: ProviderSpec, model: str) -> Pricer:
    """Make the function from tokens and seconds to USD.

    A listed price goes through the list itself, which knows the tiers (a token of a prompt over 100,000 tokens costs
    more) - unless a newer list tells another price of that day: then the numbers at hand stand, a lock file pins them.
    """
    if price.usd_per_hour is not None:
        hourly = price.usd_per_hour
        return lambda _usage, seconds: (hourly * Decimal(repr(float(seconds))) / HOUR_S).quantize(PICODOLLAR)
    if price.source.startswith(LIST):
        day = date.fromisoformat(price.date)
        found = _find(spec, model)
        now = _listed(spec, model, day)
        if found and now and _amounts(now) == _amounts(price):
            return _list_pricer(*found, day)
    return lambda usage, _seconds: _flat_cost(price, usage)


def pricers_of(header: RunHeader) -> dict[str, Pricer]:
    """Make each candidate's function from usage and seconds to USD, at the prices of a run."""
    return {
        name: pricer_of(header.prices[name], header.providers[item.provider], item.model)
        for name, item in header.candidates.items()
    }


def cost_of_reply(reply: Reply, pricer: Pricer) -> Decimal:
    """Cost in USD of the call that gave a reply, its failed attempts included where time is the price."""
    return pricer(reply.usage, reply.latency_s + reply.lost_s)


def estimate(pricer: Pricer, *, calls: int, input_tokens: int, output_tokens: int, seconds: float = 0.0) -> Decimal:
    """Cost in USD of planned calls; tokens and seconds are those of one call, nothing of it cached."""
    return calls * pricer(Usage(input_tokens=input_tokens, output_tokens=output_tokens), seconds)


def most_usd(pricer: Pricer, request: Request, seconds: float) -> Decimal:
    """Give the most USD that one attempt at a call can cost: a byte counted as a token, every token it may write.

    `seconds`: that it may take; of several attempts at one call, where time is the price, that all of them may take.
    """
    tokens, most = request_bytes(request) + MOST_FRAME_TOKENS, request.reply.max_tokens
    plain = estimate(pricer, calls=1, input_tokens=tokens, output_tokens=most, seconds=seconds)
    # Writing a prompt into the provider's cache may cost more than reading it plainly.
    return max(plain, pricer(Usage(input_tokens=tokens, output_tokens=most, cache_write_tokens=tokens), seconds))


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


def _flat_cost(price: Price, usage: Usage) -> Decimal:
    """Cached tokens are part of the input tokens; without a price of their own they cost what any input costs."""
    fresh, out = price.input_mtok_usd or Decimal(0), price.output_mtok_usd or Decimal(0)
    read = fresh if price.cache_read_mtok_usd is None else price.cache_read_mtok_usd
    write = fresh if price.cache_write_mtok_usd is None else price.cache_write_mtok_usd
    uncached = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    total = fresh * uncached + read * usage.cache_read_tokens + write * usage.cache_write_tokens
    return (total + out * usage.output_tokens) / MTOK


def _amounts(price: Price) -> tuple[Decimal | None, ...]:
    return (price.input_mtok_usd, price.output_mtok_usd, price.cache_read_mtok_usd, price.cache_write_mtok_usd)


# --- the packaged list ------------------------------------------------------------------------------------------------


def _listed(spec: ProviderSpec, model: str, on: date) -> Price | None:
    """The list's price of that day; None where it has none for both directions."""
    import genai_prices
    from genai_prices.types import TieredPrices

    found = _find(spec, model)
    if found is None:
        return None
    prices = found[1].get_prices(_noon(on))
    names = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    values = [getattr(prices, name) for name in names]
    amounts = [value.base if isinstance(value, TieredPrices) else value for value in values]
    if amounts[0] is None or amounts[1] is None:
        return None
    return Price(
        date=on.isoformat(),
        source=f"{LIST} {genai_prices.__version__}" + (", tiered" if values != amounts else ""),
        **{f"{name}_usd": amount for name, amount in zip(names, amounts, strict=True)},
    )


def _find(spec: ProviderSpec, model: str) -> tuple[Provider, ModelInfo] | None:
    """The list's entry: by the base URL's host if the list knows it, else the vendor behind the kind.

    A base URL that it does not know is taken for a gateway to that vendor: a self-hosted model has another name.
    """
    from genai_prices.data_snapshot import get_snapshot

    for place in ({"provider_api_url": spec.base_url}, {"provider_id": spec.kind}):
        if any(place.values()):
            try:
                return get_snapshot().find_provider_model(
                    model, None, place.get("provider_id"), place.get("provider_api_url")
                )
            except LookupError:
                continue
    return None


def _list_pricer(provider: Provider, info: ModelInfo, on: date) -> Pricer:
    """Cost through the list's own arithmetic; its `input_tokens` counts cached tokens too, as ours does."""
    from genai_prices import Usage as ListUsage

    def cost(usage: Usage, _seconds: float) -> Decimal:
        tokens = ListUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        return info.calc_price(tokens, provider, genai_request_timestamp=_noon(on)).total_price

    return cost


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
