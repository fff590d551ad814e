"""Requests that have ended -> metrics for Prometheus.

Label values come from the table or from this code, never from a client: anything else is counted as "other", so that
nobody can fill the server's memory with names. With several workers, a scrape of any one reports all.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Literal, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from routerctl.errors import RouterctlError, StateDown
from routerctl.routing.budgets import Books
from routerctl.routing.health.breaker import State
from routerctl.service.metric_files import MetricFiles
from routerctl.service.request_summary import RequestSummary
from routerctl.types import PlaceKey

OTHER, NONE = "other", "none"  # not a known value; no value
_WIRES = frozenset({"chat", "responses", "messages", "count_tokens", "embeddings"})
_SOURCES = frozenset({"rule", "classifier", "default", "caller", "model"})
_REASONS = frozenset({"not confident", "no answer", "over budget", "skipped", "cancelled"})  # and the errors' names
_STATES: dict[State, int] = {"closed": 0, "half_open": 1, "open": 2}
_OVERHEAD = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_FIRST_TOKEN = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0)
_DURATION = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_KINDS = ("input", "output", "cache_read", "cache_write")
_TABLE_INFO = "routerctl_table_info"
_AT_ONCE = 64  # requests that are counted together: a millisecond's work

Places = Callable[[], Iterable[tuple[PlaceKey, State]]]
Purses = Callable[[], Iterable[tuple[str, Books]]]
_Key = tuple[str, str, str, int, str]


class _Families:
    """The families, as a scrape names them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"routerctl_{name}", words, labels, registry=registry)

        def seconds(name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"routerctl_{name}_seconds", words, labels, registry=registry, buckets=buckets)

        of_request = ("api", "class", "candidate", "status", "source")
        self.requests = counter("requests", "Requests that have ended, by the HTTP status that was sent.", *of_request)
        self.overhead = seconds(
            "overhead", "Time that a request spent in routerctl, without waiting for providers.", _OVERHEAD
        )
        self.first_token = seconds(
            "first_token", "Time from a streaming request to its first content.", _FIRST_TOKEN, "candidate"
        )
        self.duration = seconds("duration", "Time from a request to the end of its reply.", _DURATION, "candidate")
        self.tokens = counter(
            "tokens", "Tokens used; input includes cache_read and cache_write.",
            "candidate", "kind",
        )  # fmt: skip
        self.cost = counter("cost_usd", "Cost of requests in US dollars, failed calls included.", "class", "candidate")
        self.fallbacks = counter("fallbacks", "Further places that were tried for a request, by reason.", "reason")
        self.cancelled = counter("cancelled", "Requests whose client disconnected before the end.")
        self.estimated = counter("estimated", "Requests whose provider did not report all token counts.")
        self.reloads = counter(
            "table_reloads", "Reloads of the table: ok, or failed (the old one stays in use).", "result"
        )
        self.in_flight = Gauge(
            "routerctl_in_flight", "Requests under way.", ["api"], registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.log_queue = Gauge(
            "routerctl_log_queue", "Decisions waiting to be written to the log.", registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.table_info = Gauge(
            _TABLE_INFO, "The table in use; more than one if workers do not agree.",
            ["digest", "version"], registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip


class _Series:
    """The counters of one combination of labels: calling `labels()` each time would cost more than all the rest.

    What many requests add to a counter is added once.
    """

    __slots__ = ("_cost", "_duration", "_first_token", "_requests", "_tokens")

    def __init__(self, families: _Families, labels: tuple[str, ...]) -> None:
        """`labels`: of requests_total, in its order."""
        _, task_class, candidate, *_ = labels
        self._requests = families.requests.labels(*labels).inc
        self._first_token = families.first_token.labels(candidate).observe
        self._duration = families.duration.labels(candidate).observe
        self._cost = families.cost.labels(task_class, candidate).inc
        self._tokens = tuple(families.tokens.labels(candidate, kind).inc for kind in _KINDS)

    def count(self, summaries: list[RequestSummary]) -> None:
        """Count requests with these labels."""
        self._requests(len(summaries))
        tokens, cost_usd = [0, 0, 0, 0], 0.0
        for one in summaries:
            self._duration(one.total_s)
            if one.first_token_s is not None:
                self._first_token(one.first_token_s)
            if one.cost_usd:
                cost_usd += float(one.cost_usd)
            if (usage := one.usage) is not None:
                tokens[0] += usage.input_tokens
                tokens[1] += usage.output_tokens
                tokens[2] += usage.cache_read_tokens
                tokens[3] += usage.cache_write_tokens
        for add, number in zip(self._tokens, tokens, strict=True):
            if number:
                add(number)
        if cost_usd:
            self._cost(cost_usd)


class Metrics:
    """The metrics of one process; one thread notes what began and ended, any may render."""

    def __init__(
        self,
        *,
        folder: Path | None = None,
        places: Places = tuple,
        budgets: Purses = tuple,
        log_queue: Callable[[], int] = lambda: 0,
    ) -> None:
        """`folder`: shared by the workers of this machine; None: there is one worker.

        Called at each scrape: `places`: places with the state of their breakers; `budgets`: books by the name of their
        budget, which may read the shared state; `log_queue`: how many decisions are waiting to be written.
        """
        disable_created_metrics()
        self._files = MetricFiles(folder) if folder else None
        self._registry = CollectorRegistry()
        self._families = _Families(self._registry)
        self._known: set[str] = set()
        self._series: dict[_Key, _Series] = {}
        self._in_flight = dict.fromkeys((*_WIRES, OTHER), 0)
        self._uncounted: deque[RequestSummary] = deque()
        self._counting = threading.Lock()
        self._reloads = {well: self._families.reloads.labels("ok" if well else "failed") for well in (True, False)}
        self._overhead = self._families.overhead.observe
        self._asked = _Asked(places, budgets)
        self._log_queue = log_queue
        self._table: tuple[str, str] | None = None
        if self._files:
            self._files.keep_writing(self._look)

    def began(self, wire: str) -> None:
        """Note a request that begins."""
        self._in_flight[wire if wire in _WIRES else OTHER] += 1

    def ended(self, summary: RequestSummary) -> None:
        """Note a request that has ended, once for each that began; it is counted with others, before any scrape."""
        self._in_flight[summary.wire if summary.wire in _WIRES else OTHER] -= 1
        self._uncounted.append(summary)
        if len(self._uncounted) >= _AT_ONCE and self._counting.acquire(blocking=False):
            try:
                self._count()
            finally:
                self._counting.release()

    def serves(self, digest: str, version: int, names: Iterable[str]) -> None:
        """Set the table in use; `names`: its classes and candidates and those of its tiers, which may now be labels."""
        with self._counting:
            self._count()
            self._known |= {*names}
            self._series.clear()  # a name that was "other" may be known now
        info = self._families.table_info
        if self._table:
            info.labels(*self._table).set(0)
        self._table = (digest, str(version))
        info.labels(*self._table).set(1)

    def reloaded(self, went_well: bool) -> None:
        """Count a reload of the table, and whether it went well."""
        self._reloads[went_well].inc()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Give all metrics and their content type; `accept`: the scraper's header. May wait for the shared state."""
        self._look()
        scraped = self._files.registry() if self._files else self._registry
        encode, content_type = choose_encoder(accept)
        return encode(cast("CollectorRegistry", _Scraped(scraped, self._asked))), content_type

    def close(self) -> None:
        """Leave the counters to the other workers, and drop the gauges."""
        if self._files:
            self._files.close()

    def _look(self) -> None:
        """Bring counters and gauges up to date."""
        self._families.log_queue.set(self._log_queue())
        for wire, number in self._in_flight.items():
            self._families.in_flight.labels(wire).set(number)
        with self._counting:
            self._count()

    def _count(self) -> None:
        """Count what has ended; the lock is held."""
        ended: dict[_Key, list[RequestSummary]] = {}
        while self._uncounted:
            one = self._uncounted.popleft()
            self._overhead(one.overhead_s)
            ended.setdefault((one.wire, one.task_class, one.candidate, one.status, one.source), []).append(one)
            if one.fallbacks or one.cancelled or one.estimated:
                self._count_odd(one)
        for key, summaries in ended.items():
            (self._series.get(key) or self._new_series(key)).count(summaries)

    def _count_odd(self, summary: RequestSummary) -> None:
        for reason in summary.fallbacks:
            known = reason in _REASONS or reason in _error_names()
            self._families.fallbacks.labels(reason if known else OTHER).inc()
        if summary.cancelled:
            self._families.cancelled.inc()
        if summary.estimated:
            self._families.estimated.inc()

    def _new_series(self, key: _Key) -> _Series:
        """Find the series of a request under its known names; only those are kept."""
        wire, task_class, candidate, status, source = key
        clean: _Key = (
            wire if wire in _WIRES else OTHER,
            self._name(task_class),
            self._name(candidate),
            status if 100 <= status <= 599 else 0,
            source if source in _SOURCES else OTHER if source else NONE,
        )
        series = self._series.get(clean)
        if series is None:
            labels = (*clean[:3], str(clean[3]) if clean[3] else OTHER, clean[4])
            series = self._series[clean] = _Series(self._families, labels)
        if clean == (wire, task_class or NONE, candidate or NONE, status, source or NONE):
            self._series[key] = series
        return series

    def _name(self, name: str) -> str:
        return name if name in self._known else OTHER if name else NONE


class _Asked(Collector):
    """Gauges that are read when a scrape comes."""

    def __init__(self, places: Places, budgets: Purses) -> None:
        self._places, self._budgets = places, budgets

    def collect(self) -> Iterator[Metric]:
        """Give the breakers and the budgets; while the shared state is down, no budgets."""
        yield self._breakers()
        is_up = GaugeMetricFamily(
            "routerctl_state_up", "Whether the shared state could be read for this scrape: 1 or 0."
        )
        try:
            yield from self._purses()
            is_up.add_metric([], 1)
        except StateDown:
            is_up.add_metric([], 0)
        yield is_up

    def _breakers(self) -> Metric:
        family = GaugeMetricFamily(
            "routerctl_breaker_state",
            "Circuit breaker of a place: 0 closed, 1 half-open, 2 open.",
            labels=("provider", "model"),
        )
        worst: dict[PlaceKey, int] = {}  # tenants with keys of their own have breakers of their own
        for place, state in self._places():
            worst[place] = max(_STATES[state], worst.get(place, 0))
        for place, number in worst.items():
            family.add_metric((place.provider, place.model), number)
        return family

    def _purses(self) -> list[Metric]:
        held: dict[str, Decimal] = {}
        spent: dict[str, Decimal] = {}
        for name, books in self._budgets():
            held[name] = held.get(name, Decimal(0)) + books.held_usd
            spent[name] = spent.get(name, Decimal(0)) + books.spent_usd
        return [
            _by_budget("reserved", "US dollars held for calls under way, summed over a budget.", held),
            _by_budget("settled", "US dollars spent in the current period, summed over a budget.", spent),
        ]


def _by_budget(what: Literal["reserved", "settled"], words: str, amounts: dict[str, Decimal]) -> Metric:
    family = GaugeMetricFamily(f"routerctl_budget_{what}_usd", words, labels=("budget",))
    for name, amount in amounts.items():
        family.add_metric((name,), float(amount))
    return family


class _Scraped(Collector):
    """Everything that a scrape gives, without tables that are no longer in use."""

    def __init__(self, *sources: Collector) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Give all families."""
        for source in self._sources:
            for family in source.collect():
                if family.name == _TABLE_INFO:
                    family.samples = [sample for sample in family.samples if sample.value]
                yield family


def _error_names() -> frozenset[str]:
    """Name every error class that there is, including those of plug-ins."""
    return frozenset(error.__name__ for error in _below(RouterctlError))


def _below(kind: type[RouterctlError]) -> Iterator[type[RouterctlError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)
