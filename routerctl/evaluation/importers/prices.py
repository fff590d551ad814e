"""Records and the prices that the user gives -> what each reply cost, so that costs compare, and what is missing.

In this order: a cost per case that the user gives, a price that the user gives times the tokens, the file's own cost,
the project's price times the tokens. A call that failed costs what it had used by then. A reply from the runner's cache
without tokens or cost counts at the mean of the model's others: what it would have cost; so do a few others whose cost
the file does not have. Costs are compared to choose the cheapest, so they are kept only where every model has one: a
model whose cost nobody knows must not pass for free. It knows no class and no bar.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from routerctl.costs import MTOK, NOT_KNOWN, Pricer
from routerctl.errors import InputError
from routerctl.evaluation.importers.base import Reading, Record
from routerctl.types import Price, Status, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedModel:
    """What the user says of one model, and what the project does."""

    cost_usd: Decimal | None = None  # a case
    input_mtok_usd: Decimal | None = None
    output_mtok_usd: Decimal | None = None
    latency_s: float | None = None
    project: Pricer | None = None  # the price of the candidate that the model is in routerctl.yaml


Way = Callable[[Record], Decimal]
_MOST_LACKING = 0.1  # of a model's replies: so few without a cost, or tokens, are counted at the mean of the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """Replies of a model whose cost, or number of tokens, the files do not have."""

    replies: int
    of: int  # replies of the model that are billed
    what: Literal["cost", "tokens"]
    first: str  # file and line of the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Costed:
    """How each model's replies are costed; where `missing` names a model, nobody's are."""

    ways: Mapping[str, Way | None]  # by model; None: its cost is not known
    latencies_s: Mapping[str, float]  # by model, where the user says one
    mean_usd: Mapping[str, Decimal]  # a reply, by model whose cost is known
    missing: tuple[str, ...]  # models whose cost is not known
    lacking: Mapping[str, Lacking]  # by model, where the files do not have all of them
    replaced: tuple[str, ...]  # models whose costs in the files are not used, since the user gives others
    tokens: frozenset[str]  # models whose tokens are known
    at_full_price: Mapping[
        str, float
    ]  # by model: the share of input tokens that a cache had, where --price counts them
    prices: Mapping[str, Price]  # by model: where its cost comes from, or that nobody knows it

    def cost_usd(self, record: Record) -> Decimal | None:
        """What a reply cost; a call that failed and used nothing is not billed. None: not every model's is known."""
        way = self.ways[record.model]
        return None if self.missing or way is None else way(record)

    def latency_s(self, record: Record) -> float | None:
        """What a reply took: as the user says, else as the file does; None: nobody does."""
        if record.status is Status.FAILED:
            return record.latency_s
        return self.latencies_s.get(record.model, record.latency_s)


def cost(readings: Sequence[Reading], told: Mapping[str, StatedModel], on: date) -> Costed:
    """Find how every model's replies are costed; `on` is the day of import, which the prices are dated by.

    Raises: InputError where a price by token is given for a model without tokens.
    """
    by_model: dict[str, list[Record]] = defaultdict(list)
    for reading in readings:
        for record in reading.records:
            by_model[record.model].append(record)
    tokens = frozenset(name for name, records in by_model.items() if any(map(_says_tokens, _billed(records))))
    for name, item in told.items():
        if item.input_mtok_usd is not None and name not in tokens:
            raise InputError(
                f"--price {name}: the files have no token counts of it; give --cost {name}=USD, for a case"
            )
    found = {name: _way(records, told.get(name, StatedModel()), name in tokens) for name, records in by_model.items()}
    ways = {name: one.way for name, one in found.items()}
    missing = tuple(name for name, way in ways.items() if way is None)
    return Costed(
        ways=ways,
        latencies_s={name: item.latency_s for name, item in told.items() if item.latency_s is not None},
        mean_usd={name: _mean(by_model[name], way) for name, way in ways.items() if way},
        missing=missing,
        lacking={name: _lacking(one, readings) for name, one in found.items() if one.lacking},
        replaced=tuple(name for name in by_model if _is_given(told.get(name)) and any(map(_says_cost, by_model[name]))),
        tokens=tokens,
        at_full_price=_at_full_price(by_model, told),
        prices={
            name: Price(
                date=on.isoformat(),
                source=one.source,
                input_mtok_usd=told[name].input_mtok_usd if name in told else None,
                output_mtok_usd=told[name].output_mtok_usd if name in told else None,
            )
            for name, one in found.items()
        },
    )


def _at_full_price(by_model: Mapping[str, Sequence[Record]], told: Mapping[str, StatedModel]) -> dict[str, float]:
    priced = [name for name in by_model if name in told and told[name].input_mtok_usd is not None]
    tokens = {name: sum(record.input_tokens for record in by_model[name]) for name in priced}
    cached = {name: sum(record.cached_tokens for record in by_model[name]) for name in priced}
    return {name: cached[name] / tokens[name] for name in priced if cached[name]}


def _is_given(told: StatedModel | None) -> bool:
    return told is not None and (told.cost_usd is not None or told.input_mtok_usd is not None)


def _mean(records: Sequence[Record], way: Way) -> Decimal:
    return sum(map(way, records), Decimal(0)) / len(records)


def _is_billed(record: Record) -> bool:
    """Whether a reply costs something: a call that failed does where it had used tokens by then, or cost something."""
    return record.status is not Status.FAILED or _says_tokens(record) or bool(record.cost_usd)


def _billed(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if _is_billed(record)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    source: str
    way: Way | None  # None: it is not known
    lacking: tuple[Record, ...] = ()  # billed, not from a cache, and without it in the file
    of: int = 0  # billed replies, without those from a cache that lack it
    what: Literal["cost", "tokens"] = "cost"


def _way(records: Sequence[Record], told: StatedModel, tokens: bool) -> _Found:
    """Find the source of a model's costs and how a reply's cost follows."""
    flat, project, billed = told.cost_usd, told.project, _billed(records)
    if flat is not None:
        return _Found(
            source=f"given at import: {flat:f} USD a case",
            way=lambda record: flat if _is_billed(record) else Decimal(0),
        )
    if told.input_mtok_usd is not None and tokens:
        prices = (told.input_mtok_usd, told.output_mtok_usd or Decimal(0))
        return _by_most("given at import: --price", billed, "tokens", lambda record: _by_tokens(record, *prices))
    in_file = "each reply's cost as the file has it"
    own = _by_most(in_file, billed, "cost", lambda record: record.cost_usd or Decimal(0))
    if own.way or project is None or not tokens:
        return own

    def priced(record: Record) -> Decimal:
        usage = Usage(
            input_tokens=record.input_tokens,
            output_tokens=record.output_tokens,
            cache_read_tokens=min(record.cached_tokens, record.input_tokens),
        )
        return project(usage, record.latency_s or 0.0)

    return _by_most("the candidate's price", billed, "tokens", priced)


def _by_most(source: str, billed: Sequence[Record], what: Literal["cost", "tokens"], way: Way) -> _Found:
    """Count replies whose cost, or tokens, the file does not have at the mean of the others, where these are enough."""
    says = _says_cost if what == "cost" else _says_tokens
    said = [record for record in billed if says(record)]
    lacking = tuple(record for record in billed if not (says(record) or record.cached))
    of = len(said) + len(lacking)
    if not said or len(lacking) > _MOST_LACKING * of:
        return _Found(source=NOT_KNOWN, way=None, lacking=lacking, of=of, what=what)
    mean_usd = sum(map(way, said), Decimal(0)) / len(said)

    def or_mean(record: Record) -> Decimal:
        return way(record) if says(record) else mean_usd if _is_billed(record) else Decimal(0)

    return _Found(source=source, way=or_mean, lacking=lacking, of=of, what=what)


def _says_tokens(record: Record) -> bool:
    return bool(record.input_tokens or record.output_tokens)


def _says_cost(record: Record) -> bool:
    return record.cost_usd is not None


def _lacking(found: _Found, readings: Sequence[Reading]) -> Lacking:
    first = found.lacking[0]
    file = next(one.file for one in readings if any(record is first for record in one.records))
    place = file if first.line is None else f"{file}:{first.line}"
    return Lacking(replies=len(found.lacking), of=found.of, what=found.what, first=place)


def _by_tokens(record: Record, input_mtok_usd: Decimal, output_mtok_usd: Decimal) -> Decimal:
    return (input_mtok_usd * record.input_tokens + output_mtok_usd * record.output_tokens) / MTOK
