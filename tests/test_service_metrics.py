from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from routerctl.errors import StateDown
from routerctl.routing.budgets import Books
from routerctl.service.metrics import Metrics
from routerctl.service.request_summary import RequestSummary
from routerctl.types import PlaceKey, Usage

MOMENT = datetime(2026, 12, 1, tzinfo=UTC)
Numbers = dict[tuple[str, ...], float]


def _outcome(**changes: object) -> RequestSummary:
    given: dict[str, object] = {
        "wire": "chat",
        "path": "/v1/chat/completions",
        "stream": True,
        "status": 200,
        "task_class": "extract",
        "candidate": "small",
        "decided_by": "rule invoices",
        "overhead_s": 0.0015,
        "first_token_s": 0.4,
        "total_s": 1.5,
        "usage": Usage(input_tokens=800, output_tokens=30, cache_read_tokens=500, cache_write_tokens=20),
        "cost_usd": Decimal("0.004"),
        "hops": 1,
    }
    return RequestSummary(**{**given, **changes})  # type: ignore[arg-type]


def _served(**parts: object) -> Metrics:
    metrics = Metrics(**parts)  # type: ignore[arg-type]
    metrics.serves("sha256:aa", 3, ["extract", "plan", "small", "large"])
    return metrics


def _count(metrics: Metrics, *outcomes: RequestSummary) -> None:
    for outcome in outcomes:
        metrics.began(outcome.wire)
        metrics.ended(outcome)


def _numbers(body: bytes) -> Numbers:
    """Give every sample by its name and its labels in alphabetical order, as `name=value`."""
    families = text_string_to_metric_families(body.decode())
    return {_key(sample): sample.value for family in families for sample in family.samples}


def _key(sample: Sample) -> tuple[str, ...]:
    labels = (f"{key}={value}" for key, value in sorted(sample.labels.items()))
    return (sample.name.removeprefix("routerctl_"), *labels)


def _of(metrics: Metrics) -> Numbers:
    return _numbers(metrics.render()[0])


def _books(spent: str, held: str, value: str = "") -> Books:
    return Books(value=value, begins=MOMENT, until=MOMENT, spent_usd=Decimal(spent), held_usd=Decimal(held))


def test_a_request_is_counted_in_every_family() -> None:
    """One streamed request: its labels, tokens by kind, cost, and its three times in the right buckets."""
    metrics = _served()
    _count(metrics, _outcome())
    got = _of(metrics)
    assert got["requests_total", "api=chat", "candidate=small", "class=extract", "source=rule", "status=200"] == 1
    tokens = {kind: got["tokens_total", "candidate=small", f"kind={kind}"] for kind in ("input", "output")}
    assert tokens == {"input": 800, "output": 30}
    cached = [got["tokens_total", "candidate=small", f"kind={kind}"] for kind in ("cache_read", "cache_write")]
    assert cached == [500, 20]
    assert got["cost_usd_total", "candidate=small", "class=extract"] == 0.004
    assert (got["overhead_seconds_bucket", "le=0.001"], got["overhead_seconds_bucket", "le=0.002"]) == (0, 1)
    assert got["first_token_seconds_sum", "candidate=small"] == 0.4
    assert got["duration_seconds_count", "candidate=small"] == 1


def test_a_whole_reply_has_no_first_token() -> None:
    """Where no stream was asked for, nothing is said of its first content."""
    metrics = _served()
    _count(metrics, _outcome(stream=False, first_token_s=None))
    assert _of(metrics)["first_token_seconds_count", "candidate=small"] == 0


def test_requests_under_way_are_a_gauge() -> None:
    """What began and has not ended is in flight, by API; what has ended is not."""
    metrics = _served()
    metrics.began("messages")
    metrics.began("messages")
    metrics.ended(_outcome(wire="messages"))
    assert _of(metrics)["in_flight", "api=messages"] == 1


def test_what_is_not_plain_is_counted() -> None:
    """Fallbacks by their reason, clients that left, and replies whose tokens were not told."""
    metrics = _served()
    _count(metrics, _outcome(fallbacks=("Overloaded", "not confident", "Overloaded"), cancelled=True, estimated=True))
    got = _of(metrics)
    assert got["fallbacks_total", "reason=Overloaded"] == 2
    assert got["fallbacks_total", "reason=not confident"] == 1
    assert (got["cancelled_total",], got["estimated_total",]) == (1, 1)


def test_a_refused_request_has_neither_class_nor_candidate() -> None:
    """A request without a valid key never reached a model: `none`, and nothing is paid."""
    metrics = _served()
    refused = _outcome(status=401, task_class="", candidate="", decided_by="", usage=None, cost_usd=Decimal(0))
    _count(metrics, refused)
    got = _of(metrics)
    assert got["requests_total", "api=chat", "candidate=none", "class=none", "source=none", "status=401"] == 1
    assert got["cost_usd_total", "candidate=none", "class=none"] == 0


def test_names_that_nobody_knows_are_other() -> None:
    """Ten thousand invented names make one series and are not remembered: clients cannot fill the memory."""
    metrics = _served()
    for number in range(10_000):
        odd = f'x{number}"\n'
        _count(
            metrics, _outcome(wire=odd, task_class=odd, candidate=odd, decided_by=odd, status=number, fallbacks=(odd,))
        )
    requests = {key: value for key, value in _of(metrics).items() if key[0] == "requests_total"}
    statuses = {key[5] for key in requests}
    assert {key[1:5] for key in requests} == {("api=other", "candidate=other", "class=other", "source=other")}
    assert statuses == {"status=other", *(f"status={number}" for number in range(100, 600))}
    assert sum(requests.values()) == 10_000
    assert len(metrics._series) <= 501
    assert _of(metrics)["fallbacks_total", "reason=other"] == 10_000


def test_a_new_table_brings_its_names_and_takes_the_place_of_the_old_one() -> None:
    """After a reload its classes are labels, and only the table that serves is named."""
    metrics = _served()
    _count(metrics, _outcome(candidate="new"))
    metrics.reloaded(False)
    metrics.reloaded(True)
    metrics.serves("sha256:bb", 4, ["extract", "new"])
    _count(metrics, _outcome(candidate="new"))
    got = _of(metrics)
    assert [key for key in got if key[0] == "table_info"] == [("table_info", "digest=sha256:bb", "version=4")]
    assert (got["table_reloads_total", "result=ok"], got["table_reloads_total", "result=failed"]) == (1, 1)
    by_candidate = {key[2]: value for key, value in got.items() if key[0] == "requests_total"}
    assert by_candidate == {"candidate=other": 1, "candidate=new": 1}


def test_places_and_budgets_are_asked_at_the_scrape() -> None:
    """A breaker is the worst of the tenants'; purses of one budget add up, whoever's they are; the queue is told."""
    place, other = PlaceKey("acme", "m-1"), PlaceKey("acme", "m-2")
    metrics = _served(
        places=lambda: [(place, "half_open"), (place, "closed"), (other, "open")],
        budgets=lambda: [("day", _books("1.5", "0.25")), ("user", _books("1", "0", "u1")), ("user", _books("2", "3"))],
        log_queue=lambda: 7,
    )
    got = _of(metrics)
    assert got["breaker_state", "model=m-1", "provider=acme"] == 1
    assert got["breaker_state", "model=m-2", "provider=acme"] == 2
    assert (got["budget_settled_usd", "budget=day"], got["budget_reserved_usd", "budget=day"]) == (1.5, 0.25)
    assert (got["budget_settled_usd", "budget=user"], got["budget_reserved_usd", "budget=user"]) == (3, 3)
    assert (got["log_queue",], got["state_up",]) == (7, 1)


def test_a_shared_state_that_is_down_does_not_stop_a_scrape() -> None:
    """The scrape says so and gives everything else: that is when an operator needs it."""

    def budgets() -> Iterator[tuple[str, Books]]:
        yield "day", _books("1", "0")
        raise StateDown("no route to the state")

    metrics = _served(budgets=budgets)
    _count(metrics, _outcome())
    got = _of(metrics)
    assert got["state_up",] == 0
    assert not [key for key in got if key[0].startswith("budget_")]
    assert got["duration_seconds_count", "candidate=small"] == 1


def test_a_scraper_that_asks_for_openmetrics_gets_it() -> None:
    """The answer's form is the one that the header names; both have the units in their names."""
    metrics = _served()
    _count(metrics, _outcome())
    body, content_type = metrics.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = read_openmetrics(body.decode())
    assert "routerctl_cost_usd" in {family.name for family in families}
    assert metrics.render()[1].startswith("text/plain; version=0.0.4")


_WORKER = """
import sys
from pathlib import Path
from tests.test_service_metrics import _count, _outcome, _served
metrics = _served(folder=Path(sys.argv[1]), log_queue=lambda: 2)
metrics.began("chat")  # never ends
_count(metrics, *[_outcome() for _ in range(int(sys.argv[2]))])
metrics.render()  # what is counted is written now, else within half a second
print("ready", flush=True)
asked = sys.stdin.readline()
if asked == "render\\n":
    sys.stdout.buffer.write(metrics.render()[0])
metrics.close() if asked else None
"""


def _worker(folder: Path, requests: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WORKER, str(folder), str(requests)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[1])
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_any_worker_tells_of_all(tmp_path: Path) -> None:
    """Two processes: a scrape of the second has the sum of both, and the gauges of whoever lives.

    The first is killed: what it had in flight is gone, what it had counted stays.
    """
    first, second, third = (_worker(tmp_path, requests) for requests in (5, 7, 0))
    both = _numbers(_rendered(second))
    assert both["requests_total", "api=chat", "candidate=small", "class=extract", "source=rule", "status=200"] == 12
    assert both["overhead_seconds_count",] == 12
    assert both["overhead_seconds_bucket", "le=0.002"] == 12
    assert both["tokens_total", "candidate=small", "kind=input"] == 12 * 800
    assert (both["in_flight", "api=chat"], both["log_queue",]) == (3, 6)
    assert both["table_info", "digest=sha256:aa", "version=3"] == 1
    first.kill()
    first.communicate()
    last = _numbers(_rendered(third))
    assert last["requests_total", "api=chat", "candidate=small", "class=extract", "source=rule", "status=200"] == 12
    assert last["in_flight", "api=chat"] == 1
    assert not list(tmp_path.glob("gauge_*"))


def _rendered(process: subprocess.Popen[str]) -> bytes:
    body, _ = process.communicate("render\n")
    assert process.returncode == 0
    return body.encode()
