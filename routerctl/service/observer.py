"""Requests that have ended -> metrics, spans and access log of one process; and the gauges that a scrape reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from routerctl.routing.budgets import Books
from routerctl.routing.health.breaker import State
from routerctl.routing.health.probes import places_of
from routerctl.routing.hops import SKIPPED
from routerctl.service.access_log import AccessLog
from routerctl.service.metrics import Metrics
from routerctl.service.request_summary import RequestSummary
from routerctl.service.tracing import RequestSpan, Tracing, vendor_of
from routerctl.types import Decision, PlaceKey, Table

if TYPE_CHECKING:
    from routerctl.service.exchange import Exchange
    from routerctl.service.worker import Worker


class Observer:
    """Metrics, spans and access log of one process."""

    def __init__(self, worker: Worker, *, folder: Path | None, access_log: AccessLog | None, tracing: Tracing) -> None:
        """`folder`: of the metrics that several workers share; None: there is one worker."""
        self._worker, self.access_log, self.tracing = worker, access_log, tracing
        self.metrics = Metrics(folder=folder, places=self._places, budgets=self._budgets, log_queue=self._log_queue)

    def reloaded(self, table: Table | None) -> None:
        """Count a reload; `table` None: the new table cannot be served."""
        self.metrics.reloaded(table is not None)
        if table is not None:
            self.serves(table)

    def serves(self, table: Table) -> None:
        """Say which table serves from now on."""
        names = [*table.routes, *table.candidates]
        for opened in self._worker.opened():
            names += [*opened.table.routes, *opened.table.candidates]
        self.metrics.serves(table.digest, table.table_version, names)

    def ended(self, summary: RequestSummary, span: RequestSpan) -> None:
        """Record a request that has ended, in the metrics, its span and the access log."""
        self.metrics.ended(summary)
        if self.tracing.is_on:
            spec = self._worker.table.providers.get(summary.provider)
            span.end(summary, vendor=vendor_of(spec.name, spec.kind, spec.base_url) if spec else "")
        if self.access_log is not None:
            self.access_log.note(summary)

    def not_found(self, method: str, path: str, status: int) -> None:
        """Log a request for what there is not: a base URL may be wrong."""
        if self.access_log is not None:
            missed = RequestSummary(
                wire="", method=method, path=path, status=status, error="not_found", total_s=0.0, overhead_s=0.0
            )
            self.access_log.note(missed)

    def close(self) -> None:
        """Write and send what is waiting; it may take a while."""
        self.metrics.close()
        self.tracing.close()
        if self.access_log:
            self.access_log.close()

    # --- what a scrape reads ------------------------------------------------------------------------------------------

    def _places(self) -> Iterator[tuple[PlaceKey, State]]:
        for opened in self._worker.opened():
            for place in places_of(opened.table):
                yield place.key, opened.health.shown(place.key).state

    def _budgets(self) -> Iterator[tuple[str, Books]]:
        for budget, books in self._worker.open_books():
            yield budget.name, books

    def _log_queue(self) -> int:
        return sum(opened.recorder.waiting for opened in self._worker.opened())


def summary_of(
    exchange: Exchange | None, *, wire: str, path: str, status: int, total_s: float, key_id: str = "", error: str = ""
) -> RequestSummary:
    """Sum up a request that has ended; `exchange` None: it was refused before it was read."""
    if exchange is None:
        return RequestSummary(
            wire=wire, path=path, status=status, key_id=key_id, overhead_s=total_s, total_s=total_s, error=error
        )
    request, facts, decision = exchange.request, exchange.facts, exchange.facts.decision
    summary = RequestSummary(
        wire=wire,
        path=path,
        stream=request.stream,
        status=status,
        tenant=request.inquiry.tenant or "",
        key_id=key_id,
        model=request.model,
        overhead_s=max(0.0, total_s - facts.waited_s - facts.streamed_s),
        total_s=total_s,
        cancelled=facts.cancelled,
        error=error,
    )
    if decision is not None:
        served = next((hop for hop in decision.hops if hop.outcome == "served"), None)
        summary.request_id, summary.decided_by, summary.task_class = (
            decision.id,
            decision.decided_by,
            decision.task_class,
        )
        summary.hops = decision.places_called
        summary.fallbacks = _fallbacks(decision) if len(decision.hops) > 1 else ()
        summary.usage, summary.cost_usd, summary.estimated = facts.usage, facts.cost_usd, facts.estimated
        summary.first_token_s = facts.first_token_s if request.stream else None
        if served is not None:
            summary.candidate, summary.provider = served.candidate, served.provider
            summary.served_model = served.served_model or served.model
    return summary


def _fallbacks(decision: Decision) -> tuple[str, ...]:
    """Give why each further place was tried: how the one before it ended."""
    asked = [hop for hop in decision.hops if hop.outcome != SKIPPED and hop.why != "classify"]
    return tuple(hop.outcome for hop in asked[:-1])


def shared_folder(root: Path) -> Path:
    """Make an empty folder for the metrics of the workers to be started; remove those of services that are gone."""
    from shutil import rmtree

    folder = root / ".routerctl" / f"metrics-{os.getpid()}"
    for old in (root / ".routerctl").glob("metrics-*"):
        if not _lives(old.name.removeprefix("metrics-")) or old == folder:
            rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True
