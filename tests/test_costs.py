"""Prices and the cost of calls, against numbers worked out by hand and against the price list's own arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl import costs, notices
from routerctl.costs import estimate, lost_usd, most_usd, price_of, pricer_of, rise
from routerctl.errors import InputError
from routerctl.types import Message, Price, PriceTier, Prompt, ProviderSpec, ReplySpec, Request, Usage

TODAY = date(2026, 11, 23)
ANTHROPIC = ProviderSpec(name="anthropic", kind="anthropic")
OPENAI = ProviderSpec(name="openai", kind="openai")
FLAT = Price(
    date="2026-11-01",
    source="routerctl.yaml: offer 17",
    input_mtok_usd=Decimal(2),
    output_mtok_usd=Decimal(10),
    cache_read_mtok_usd=Decimal("0.2"),
    cache_write_mtok_usd=Decimal("2.5"),
)


def _cost(spec: ProviderSpec, model: str, usage: Usage, on: date = TODAY) -> Decimal:
    return pricer_of(price_of(spec, model, {}, on), spec, model)(usage, 1.0)


@pytest.mark.parametrize(
    ("spec", "model", "usage", "usd"),
    [
        (ANTHROPIC, "claude-opus-5-5", Usage(input_tokens=1000, output_tokens=100), "0.006"),
        # A prompt of up to 100,000 tokens is cheap, one token more makes all of them dearer.
        (ANTHROPIC, "claude-haiku-5-5", Usage(input_tokens=100_000, output_tokens=1000), "0.0105"),
        (ANTHROPIC, "claude-haiku-5-5", Usage(input_tokens=100_001, output_tokens=1000), "0.0525005"),
        # Cached tokens are part of the input: 1000 = 700 fresh + 100 read + 200 written.
        (
            ANTHROPIC,
            "claude-haiku-4-5-20251001",
            Usage(input_tokens=1000, output_tokens=0, cache_read_tokens=100, cache_write_tokens=200),
            "0.00096",
        ),
        # ... and decide the tier together with the fresh ones.
        (
            ANTHROPIC,
            "claude-haiku-5-5",
            Usage(input_tokens=100_001, output_tokens=0, cache_read_tokens=100_000),
            "0.0050005",
        ),
        # gpt-4o has a price for reads and none for writes: those cost what input costs.
        (
            OPENAI,
            "gpt-4o-2024-11-20",
            Usage(input_tokens=1000, output_tokens=10, cache_read_tokens=100, cache_write_tokens=200),
            "0.002475",
        ),
        (OPENAI, "gpt-6-luna", Usage(), "0"),
    ],
)
def test_the_list_prices_calls_exactly(spec: ProviderSpec, model: str, usage: Usage, usd: str) -> None:
    """A listed model's call costs what the vendor's price page says, tiers and cache prices included."""
    assert _cost(spec, model, usage) == Decimal(usd)


def test_a_price_belongs_to_its_day() -> None:
    """The same tokens cost what they cost on the day of the price, before and after a vendor lowers it."""
    usage = Usage(input_tokens=1_000_000 // 10, output_tokens=0)
    assert _cost(OPENAI, "gpt-5.6-luna", usage, date(2026, 7, 29)) == Decimal("0.1")
    assert _cost(OPENAI, "gpt-5.6-luna", usage, date(2026, 7, 30)) == Decimal("0.02")


def _priced() -> list[tuple[ProviderSpec, str, Price]]:
    """Every model of both vendors that has a price for both directions: not embeddings, speech and images."""
    specs = {"anthropic": ANTHROPIC, "openai": OPENAI}
    found = []
    for seller in get_snapshot().providers:
        for model in seller.models if seller.id in specs else ():
            with suppress(InputError):
                found.append((specs[seller.id], model.id, price_of(specs[seller.id], model.id, {}, TODAY)))
    return found


PRICED = _priced()


@settings(max_examples=15)
@given(
    fresh=st.integers(0, 400_000),
    read=st.integers(0, 100_000),
    written=st.integers(0, 100_000),
    out=st.integers(0, 100_000),
)
def test_our_cost_is_the_lists_cost(fresh: int, read: int, written: int, out: int) -> None:
    """For every model of both vendors the cost equals the list's own, and for untiered ones the flat arithmetic too."""
    parts = {"cache_read_tokens": read, "cache_write_tokens": written}
    counts: dict[str, Any] = {"input_tokens": fresh + read + written, "output_tokens": out} | parts
    for spec, model, price in PRICED:
        theirs = genai_prices.calc_price(
            genai_prices.Usage(**counts),
            model,
            provider_id=spec.kind,
            genai_request_timestamp=datetime(2026, 11, 23, tzinfo=UTC),
        )
        assert pricer_of(price, spec, model)(Usage(**counts), 0.0) == theirs.total_price
        assert pricer_of(replace(price, source="stated"), spec, model)(Usage(**counts), 0.0) == theirs.total_price


def test_the_list_is_not_empty() -> None:
    """The test above looked at the models of both vendors, tiered and not."""
    assert len(PRICED) > 80
    assert {spec.kind for spec, _, _ in PRICED} == {"anthropic", "openai"}
    assert 10 < sum(bool(price.tiers) for _, _, price in PRICED) < len(PRICED) - 10


def test_every_seller_s_price_is_kept_whole() -> None:
    """Of every seller on the list: tiers at its own thresholds, the price of a request, none of a price lost."""
    noon, tiers, fees = datetime(2026, 11, 23, 12, tzinfo=UTC), set[int](), 0
    for seller in get_snapshot().providers:
        for model in seller.models:
            price = costs._as_price(model.get_prices(noon), TODAY)
            if price is None:  # of pictures, of sounds, of embeddings
                continue
            tiers |= {tier.above_input_tokens for tier in price.tiers}
            fees += price.request_usd is not None
            for tokens in (10, *(at + more for at in costs._starts(price) for more in (0, 1))):
                usage: dict[str, Any] = {
                    "input_tokens": tokens,
                    "output_tokens": 3,
                    "cache_read_tokens": 2,
                    "cache_write_tokens": 1,
                }
                theirs = model.calc_price(genai_prices.Usage(**usage), seller, genai_request_timestamp=noon)
                assert pricer_of(price, ANTHROPIC, "x")(Usage(**usage), 0.0) == theirs.total_price, model.id
    assert len(tiers) > 5
    assert fees


def test_a_stated_price_wins() -> None:
    """What the user wrote is used instead of the list, under its own date and source."""
    price = price_of(ANTHROPIC, "claude-opus-5-5", {("anthropic", "claude-opus-5-5"): FLAT}, TODAY)
    assert price is FLAT
    usage = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=500, cache_write_tokens=100)
    assert pricer_of(price, ANTHROPIC, "claude-opus-5-5")(usage, 0.0) == Decimal("0.00215")


def test_a_stated_price_without_cache_prices_charges_input() -> None:
    """Cached tokens without a price of their own cost what any input token costs."""
    bare = replace(FLAT, cache_read_mtok_usd=None, cache_write_mtok_usd=None)
    usage = Usage(input_tokens=1000, cache_read_tokens=500, cache_write_tokens=100)
    assert pricer_of(bare, ANTHROPIC, "x")(usage, 0.0) == Decimal("0.002")


@pytest.mark.parametrize(("seconds", "usd"), [(3600.0, "0.9"), (0.1, "0.000025"), (1.0, "0.00025"), (0.0, "0")])
def test_a_hosted_model_is_priced_by_time(seconds: float, usd: str) -> None:
    """`usd_per_hour` times the seconds, whatever the tokens."""
    spec = ProviderSpec(name="gpu", kind="openai", base_url="http://gpu:8000/v1", usd_per_hour=Decimal("0.9"))
    price = price_of(spec, "qwen2.5-7b", {}, TODAY)
    assert pricer_of(price, spec, "qwen2.5-7b")(Usage(input_tokens=10**6), seconds) == Decimal(usd)
    assert price.source == "routerctl.yaml: usd_per_hour of provider gpu"


def test_a_time_price_has_no_endless_fraction() -> None:
    """A cost by time is rounded to a picodollar, so that files do not carry 28 digits of 1/3600."""
    spec = ProviderSpec(name="gpu", kind="local", usd_per_hour=Decimal("0.1"))
    assert pricer_of(price_of(spec, "m", {}, TODAY), spec, "m")(Usage(), 0.7) == Decimal("0.000019444444")


@pytest.mark.parametrize(
    "spec",
    [
        ProviderSpec(name="far", kind="openai"),
        ProviderSpec(name="far", kind="local"),
        ProviderSpec(name="far", kind="fake"),
        ProviderSpec(name="far", kind="openai", base_url="http://127.0.0.1:8000/v1"),
    ],
    ids=lambda spec: f"{spec.kind}-{spec.base_url}",
)
def test_an_unpriced_model_says_what_to_write(spec: ProviderSpec) -> None:
    """A model without a price is the user's to price, and the error has the lines to add."""
    with pytest.raises(InputError, match=r"(?s)no price .*'nobody-7b'.*prices:.*provider: far.*usd_per_hour") as caught:
        price_of(spec, "nobody-7b", {}, TODAY)
    assert caught.value.file == "routerctl.yaml"


@pytest.mark.parametrize(
    ("base_url", "model", "usd"),
    [
        ("https://api.groq.com/openai/v1", "llama-3.3-70b-versatile", "0.59"),  # the list knows the host
        ("https://gateway.example.org/v1", "gpt-6.1-sol", "2"),  # a gateway to the vendor behind the kind
    ],
)
def test_the_base_url_finds_the_seller(base_url: str, model: str, usd: str) -> None:
    """The price is that of the host the list knows, else of the vendor whose model id it is."""
    spec = ProviderSpec(name="x", kind="openai", base_url=base_url)
    assert price_of(spec, model, {}, TODAY).input_mtok_usd == Decimal(usd)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is said meanwhile."""
    heard: list[str] = []
    before = notices.take(lambda text, _level: heard.append(text))
    yield heard
    notices.take(before)


def _without_tiers(**changes: Any) -> Price:
    """A price as tables had it before they pinned tiers."""
    listed = price_of(ANTHROPIC, "claude-haiku-5-5", {}, TODAY)
    return replace(listed, source="genai-prices 0.0.1, tiered", tiers=(), **changes)


LONG = Usage(input_tokens=150_000, output_tokens=1000)
LONG_CACHED = replace(LONG, cache_read_tokens=100_000, cache_write_tokens=10_000)


@pytest.mark.parametrize(
    "changes", [{"output_mtok_usd": "0.45"}, {"input_mtok_usd": "0.2"}, {"source": "genai-prices 0.0.1"}]
)
def test_a_pinned_price_stands_whole_against_a_newer_list(changes: dict[str, str], said: list[str]) -> None:
    """What the table pins is used, tiers too, whatever of it the list tells otherwise now; nothing is asked or said."""
    listed = price_of(ANTHROPIC, "claude-haiku-5-5", {}, TODAY)
    new: dict[str, Any] = {name: text if name == "source" else Decimal(text) for name, text in changes.items()}
    pinned = replace(listed, **new)
    for usage in (LONG, LONG_CACHED):
        assert pricer_of(pinned, ANTHROPIC, "claude-haiku-5-5")(usage, 0.0) == pricer_of(listed, ANTHROPIC, "x")(
            usage, 0.0
        )
    short = Usage(input_tokens=1000, output_tokens=100)
    flat = pricer_of(replace(pinned, tiers=()), OPENAI, "nobody-s")
    assert pricer_of(pinned, ANTHROPIC, "claude-haiku-5-5")(short, 0.0) == flat(short, 0.0)
    assert not said


@pytest.mark.parametrize(
    ("changes", "usd"),
    [
        ({}, "0.0775"),  # 150,000 at 0.50, 1,000 at 2.50
        ({"output_mtok_usd": "0.45"}, "0.07725"),  # 0.9 times 2.50
        ({"input_mtok_usd": "0.2"}, "0.1525"),  # twice 0.50
        ({"input_mtok_usd": "0"}, "0.0025"),
    ],
)
def test_an_older_table_s_price_has_the_list_s_tiers(changes: dict[str, str], usd: str, said: list[str]) -> None:
    """Tables that pinned none take the list's, in proportion to the price that they do pin; that is said, and once."""
    price = _without_tiers(**{name: Decimal(text) for name, text in changes.items()})
    notices._said.clear()
    for _ in range(3):
        assert pricer_of(price, ANTHROPIC, "claude-haiku-5-5")(LONG, 0.0) == Decimal(usd)
    (words,) = said
    assert (
        "claude-haiku-5-5 (2026-11-23) is pinned without what longer prompts cost: they are counted by genai-" in words
    )


def test_a_tier_that_nobody_knows_any_more_is_told(said: list[str]) -> None:
    """The list may have dropped the model since: what is left is the base price, and that is said."""
    notices._said.clear()
    assert pricer_of(_without_tiers(), ANTHROPIC, "claude-dropped")(LONG, 0.0) == Decimal("0.0155")
    assert "the list no longer has it: they are counted at the price of short ones" in said[0]


TIERED = replace(
    FLAT,
    tiers=(
        PriceTier(above_input_tokens=1000, input_mtok_usd=Decimal(4), output_mtok_usd=Decimal(20)),
        PriceTier(
            above_input_tokens=2000,
            input_mtok_usd=Decimal(8),
            output_mtok_usd=Decimal(20),
            cache_read_mtok_usd=Decimal(1),
        ),
    ),
)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage(input_tokens=1000, output_tokens=100), "0.003"),
        (Usage(input_tokens=1001, output_tokens=100), "0.006004"),  # all of its tokens, the reply's too
        (Usage(input_tokens=2001, output_tokens=0), "0.016008"),
        (Usage(input_tokens=2000, cache_read_tokens=1500), "0.008"),  # a tier's own cache prices: none here
        (Usage(input_tokens=3000, cache_read_tokens=2000, cache_write_tokens=500), "0.010"),
    ],
)
def test_a_stated_price_may_have_tiers(usage: Usage, usd: str) -> None:
    """The highest tier that a prompt is longer than prices all of the call; at its threshold it does not yet."""
    assert pricer_of(TIERED, ANTHROPIC, "m")(usage, 0.0) == Decimal(usd)


@pytest.mark.parametrize(("length", "usd"), [(100, "0.00141"), (900, "0.00341"), (950, "0.006056"), (2000, "0.018512")])
def test_what_a_call_can_cost_is_of_the_highest_tier_that_it_can_reach(length: int, usd: str) -> None:
    """A byte counts as a token, and 64 for the frame: who reserves that is not billed more."""
    prompt = Prompt(system="", messages=(Message(role="user", content="x" * length),))
    request = Request(model="m", prompt=prompt, reply=ReplySpec(max_tokens=100))
    pricer, longest = pricer_of(TIERED, ANTHROPIC, "m"), length + 64
    most = most_usd(pricer, request, 0.0)
    assert most == Decimal(usd)
    for tokens in range(1, longest + 1, 7):
        ways: list[dict[str, Any]] = [{}, {"cache_write_tokens": tokens}, {"cache_read_tokens": tokens}]
        for cached in ways:
            assert pricer(Usage(input_tokens=tokens, output_tokens=100, **cached), 0.0) <= most


def test_a_call_may_have_a_price_of_its_own() -> None:
    """Beside its tokens; a call that never was, which costs time alone, has none."""
    pricer = pricer_of(replace(FLAT, request_usd=Decimal("0.01")), ANTHROPIC, "m")
    assert pricer(Usage(input_tokens=1000, output_tokens=100), 0.0) == Decimal("0.013")
    assert pricer(Usage(), 5.0) == 0


def _doubled(price: Price) -> Price:
    names = ("input_mtok_usd", "output_mtok_usd", "cache_read_mtok_usd", "cache_write_mtok_usd")
    twice: dict[str, Any] = {name: amount * 2 for name in names if (amount := getattr(price, name))}
    tiers = tuple(
        replace(tier, **{name: amount * 2 for name in names if (amount := getattr(tier, name))}) for tier in price.tiers
    )
    return replace(price, **twice, tiers=tiers, date="2026-12-01", source="another")


@pytest.mark.parametrize(
    ("was", "now", "times"),
    [
        (FLAT, replace(FLAT, date="2026-12-01"), 1),
        (FLAT, _doubled(FLAT), 2),
        (TIERED, _doubled(TIERED), 2),
        (FLAT, replace(FLAT, output_mtok_usd=Decimal(20)), None),
        (FLAT, TIERED, None),
        (TIERED, replace(_doubled(TIERED), tiers=TIERED.tiers), None),
        (TIERED, replace(TIERED, tiers=TIERED.tiers[:1]), None),
        (FLAT, replace(FLAT, request_usd=Decimal(1)), None),
        (FLAT, replace(FLAT, cache_read_mtok_usd=None), None),
        (_without_tiers(), replace(_without_tiers(), date="2026-12-01"), 1),
        (price_of(ANTHROPIC, "claude-haiku-5-5", {}, TODAY), _without_tiers(), None),
    ],
)
def test_a_price_has_risen_where_all_of_it_has(was: Price, now: Price, times: int | None) -> None:
    """Every part of every tier alike; date and source are none of it."""
    assert rise(was, now) == times


def test_an_estimate_is_calls_times_a_call() -> None:
    """The dry run's figure is the number of calls times the cost of one."""
    pricer = pricer_of(FLAT, ANTHROPIC, "m")
    assert estimate(pricer, calls=300, input_tokens=1000, output_tokens=100) == Decimal("0.9")


def test_attempts_without_a_reply_cost_tokens_or_time() -> None:
    """By tokens each that may be billed costs its most and time nothing; by time the seconds do, whoever bills."""
    request = Request(model="m", prompt=Prompt(system="", messages=()), reply=ReplySpec(max_tokens=100))
    by_tokens = pricer_of(FLAT, ANTHROPIC, "m")
    assert lost_usd(by_tokens, request, 2, 60.0) == 2 * most_usd(by_tokens, request, 0.0) > 0
    assert lost_usd(by_tokens, request, 0, 60.0) == 0
    hour = Price(date="2026-11-01", source="mine", usd_per_hour=Decimal(3600))
    assert lost_usd(pricer_of(hour, ANTHROPIC, "m"), request, 2, 1.5) == Decimal("1.5")
