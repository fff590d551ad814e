from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, server_attributes
from opentelemetry.semconv.attributes import error_attributes, http_attributes
from opentelemetry.trace import SpanKind, StatusCode

from routerctl import notices
from routerctl.service.request_summary import RequestSummary
from routerctl.service.tracing import OtelTracing, Tracing, UpstreamCall, tracing_of, vendor_of
from routerctl.types import Usage

USAGE = Usage(input_tokens=812, output_tokens=33, cache_read_tokens=500, cache_write_tokens=10)
SERVED = RequestSummary(
    wire="messages",
    path="/v1/messages",
    stream=True,
    status=200,
    request_id="d-1",
    model="auto",
    task_class="extract",
    candidate="small",
    served_model="m-small-2026",
    decided_by="rule invoices",
    overhead_s=0.001,
    first_token_s=0.3,
    total_s=1.5,
    usage=USAGE,
    cost_usd=Decimal("0.004"),
    hops=2,
)
SMALL = UpstreamCall(candidate="small", model="m-small", provider="anthropic")
OWN = UpstreamCall(candidate="own", model="m-own", provider="rack", base_url="http://rack.internal:8000/v1")
PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _changed(**changes: Any) -> RequestSummary:
    given = {name: getattr(SERVED, name) for name in RequestSummary.__slots__}
    return RequestSummary(**{**given, **changes})


class Kept:
    """Tracing into memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracing = OtelTracing(SimpleSpanProcessor(self._exporter), "127.0.0.1", 8080)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()


def _told(take: Callable[[str], None]) -> Callable[[str, notices.Level], None]:
    return lambda text, _level: take(text)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What a person hears."""
    heard: list[str] = []
    before = notices.take(_told(heard.append))
    yield heard
    notices.take(before)


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Run without what the machine says of traces."""
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_request_is_a_server_span_with_what_is_told_of_it() -> None:
    """Names and values as the conventions have them; nothing that was not told, no text of the prompt."""
    kept = Kept()
    kept.tracing.begin("messages", "/v1/messages", {}).end(SERVED, vendor="anthropic")
    (span,) = kept.spans
    assert (span.name, span.kind, span.status.status_code) == ("chat", SpanKind.SERVER, StatusCode.UNSET)
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "auto",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "m-small-2026",
        "gen_ai.response.time_to_first_chunk": 0.3,
        "gen_ai.usage.input_tokens": 812,
        "gen_ai.usage.output_tokens": 33,
        "gen_ai.usage.cache_read.input_tokens": 500,
        "gen_ai.usage.cache_creation.input_tokens": 10,
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/messages",
        "server.address": "127.0.0.1",
        "server.port": 8080,
        "routerctl.class": "extract",
        "routerctl.candidate": "small",
        "routerctl.decided_by": "rule invoices",
        "routerctl.decision_id": "d-1",
        "routerctl.hops": 2,
        "routerctl.cost_usd": 0.004,
        "routerctl.overhead_s": 0.001,
        "routerctl.cancelled": False,
    }


def test_the_names_are_those_of_the_conventions() -> None:
    """Every attribute that is not routerctl's own is one that the installed conventions know."""
    modules = (gen_ai_attributes, server_attributes, error_attributes, http_attributes)
    known = {value for module in modules for name, value in vars(module).items() if name.isupper()}
    kept = Kept()
    span = kept.tracing.begin("chat", "/v1/chat/completions", {})
    span.call(OWN).end(error="Overloaded", status=529, served_model="m", usage=USAGE)
    span.end(_changed(error="EveryRungFailed"), vendor="anthropic")
    used = {name for one in kept.spans for name in one.attributes or {}}
    assert {name for name in used if not name.startswith("routerctl.")} <= known
    assert {"gen_ai.provider.name", "error.type"} <= used


def test_each_call_is_a_client_span_below_it() -> None:
    """Two calls with their own times: one that failed, and one elsewhere that served."""
    kept = Kept()
    span = kept.tracing.begin("chat", "/v1/chat/completions", {})
    span.call(OWN, at_ns=1_000).end(error="TimedOut", at_ns=5_000)
    second = span.call(SMALL)
    second.end(served_model="m-small-2026", usage=USAGE, cost_usd=Decimal("0.004"), status=200)
    span.end(SERVED, vendor="anthropic")
    first, last, request = kept.spans
    assert [one.name for one in kept.spans] == ["chat m-own", "chat m-small", "chat"]
    assert first.parent is not None
    assert request.context is not None
    assert {one.parent.span_id for one in (first, last) if one.parent} == {request.context.span_id}
    assert {one.kind for one in (first, last)} == {SpanKind.CLIENT}
    assert (first.start_time, first.end_time, first.status.status_code) == (1_000, 5_000, StatusCode.ERROR)
    failed, served = dict(first.attributes or {}), dict(last.attributes or {})
    assert (failed["server.address"], failed["server.port"], failed["error.type"]) == (
        "rack.internal",
        8000,
        "TimedOut",
    )
    assert (failed["gen_ai.provider.name"], failed["routerctl.candidate"]) == ("rack", "own")
    assert (served["server.address"], served["gen_ai.response.model"]) == ("api.anthropic.com", "m-small-2026")
    assert served["gen_ai.usage.output_tokens"] == 33
    assert "error.type" not in served


def test_a_clients_trace_goes_on_and_is_handed_to_the_provider() -> None:
    """The request's span is a child of the client's; the header for the far side names the call's own span."""
    kept = Kept()
    span = kept.tracing.begin("chat", "/v1/chat/completions", {b"traceparent": PARENT, b"tracestate": b"a=1"})
    hop = span.call(SMALL)
    sent = hop.headers()
    hop.end()
    span.end(SERVED, vendor="anthropic")
    call, request = kept.spans
    assert request.parent is not None
    assert call.context is not None
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert sent == {
        "traceparent": f"00-0af7651916cd43dd8448eb211c80319c-{call.context.span_id:016x}-01",
        "tracestate": "a=1",
    }


@pytest.mark.parametrize("header", [b"", b"\xff\x00", b"00-zz-1-01", PARENT * 100])
def test_a_traceparent_that_is_none_begins_a_trace(header: bytes) -> None:
    """Whatever a client sends in that header, the request is served and has a trace of its own."""
    kept = Kept()
    kept.tracing.begin("chat", "/v1/chat/completions", {b"traceparent": header}).end(SERVED, vendor="anthropic")
    assert kept.spans[0].parent is None


def test_what_a_client_does_not_want_kept_is_not() -> None:
    """A trace that the client's side left out of its sample is handed on as such, and no span is kept."""
    kept = Kept()
    span = kept.tracing.begin("chat", "/v1/chat/completions", {b"traceparent": PARENT[:-2] + b"00"})
    hop = span.call(SMALL)
    assert hop.headers()["traceparent"].endswith("-00")
    hop.end(error="TimedOut")
    span.end(SERVED, vendor="anthropic")
    assert kept.spans == ()


@pytest.mark.parametrize(
    ("status", "error", "kind", "code"),
    [
        (400, "", "400", StatusCode.UNSET),
        (401, "Refused", "Refused", StatusCode.UNSET),
        (502, "EveryRungFailed", "EveryRungFailed", StatusCode.ERROR),
    ],
)
def test_a_clients_mistake_is_no_failure_of_the_service(status: int, error: str, kind: str, code: StatusCode) -> None:
    """An error is named in either case; only the service's own makes the span a failed one."""
    kept = Kept()
    refused = RequestSummary(
        wire="chat", path="/v1/chat/completions", status=status, overhead_s=0.001, total_s=0.001, error=error
    )
    kept.tracing.begin("chat", "/v1/chat/completions", {}).end(refused)
    (span,) = kept.spans
    assert (dict(span.attributes or {})["error.type"], span.status.status_code) == (kind, code)


def test_a_hostile_model_name_is_made_harmless() -> None:
    """What a client names a model is cleaned and cut, and names no span."""
    kept = Kept()
    kept.tracing.begin("embeddings", "/v1/embeddings", {}).end(_changed(model="\x1b[31m" + "m" * 10_000))
    (span,) = kept.spans
    model = dict(span.attributes or {})["gen_ai.request.model"]
    assert isinstance(model, str)
    assert model.isprintable()
    assert (len(model), span.name) == (200, "embeddings")


@pytest.mark.parametrize(
    ("name", "kind", "base_url", "vendor"),
    [
        ("gpt", "openai", None, "openai"),
        ("claude", "anthropic", None, "anthropic"),
        ("eu", "openai", "https://acme.openai.azure.com/openai/v1", "azure.ai.openai"),
        ("fast", "openai", "https://api.groq.com/openai/v1", "groq"),
        ("rack", "openai", "http://rack.internal:8000/v1", "rack"),
        ("trick", "openai", "https://api.openai.com.example.net/v1", "trick"),
        ("here", "local", None, "here"),
    ],
)
def test_a_vendor_is_known_by_its_address(name: str, kind: str, base_url: str | None, vendor: str) -> None:
    """The conventions' own names for vendors, the table's for everybody else."""
    assert vendor_of(name, kind, base_url) == vendor


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, []),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, []),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, []),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, ["expected otlp or none, got 'zipkin'"]),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            ["expected http/protobuf, got 'grpc'"],
        ),
    ],
)
def test_tracing_is_off_unless_it_is_asked_for(env: dict[str, str], words: list[str], said: list[str]) -> None:
    """Without variables, or with one that says no, nothing is kept; what cannot be had is said."""
    tracing = tracing_of(env, host="127.0.0.1", port=1)
    assert not tracing.is_on
    span = tracing.begin("chat", "/v1/chat/completions", {b"traceparent": PARENT})
    hop = span.call(SMALL)
    assert hop.headers() == {}
    hop.end(error="TimedOut")
    span.end(SERVED, vendor="anthropic")
    tracing.close()
    assert [any(word in one for one in said) for word in words] == [True] * len(words)
    assert len(said) == len(words)


def test_traces_without_the_package_are_a_notice(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    """Variables that a platform sets for every container do not keep the service from starting."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert not tracing_of({"OTEL_TRACES_EXPORTER": "otlp"}, host="127.0.0.1", port=1).is_on
    assert "pip install 'routerctl[otel]'" in said[0]


def test_off_imports_nothing() -> None:
    """A service without traces starts without the package."""
    code = (
        "import sys; from routerctl.service.tracing import tracing_of; tracing_of({}, host='', port=1); "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert done.stdout == "[]\n"


class Collector(HTTPServer):
    """An OTLP collector that keeps what it is sent."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.got: list[tuple[str, ExportTraceServiceRequest]] = []
        super().__init__(("127.0.0.1", 0), _Taken)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()


class _Taken(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        server.got.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _sent(tracing: Tracing) -> None:
    tracing.begin("chat", "/v1/chat/completions", {}).end(SERVED, vendor="anthropic")
    tracing.close()


def test_spans_go_to_a_collector(no_variables: pytest.MonkeyPatch) -> None:
    """The real exporter, told by the standard variables, sends what waits when the service ends."""
    with Collector() as collector:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
        no_variables.setenv(*env.popitem())
        no_variables.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        _sent(tracing_of({"OTEL_TRACES_EXPORTER": "otlp"}, host="127.0.0.1", port=8080))
    ((path, request),) = collector.got
    (resource,) = request.resource_spans
    own = {one.key: one.value.string_value for one in resource.resource.attributes}
    (span,) = resource.scope_spans[0].spans
    assert (path, span.name) == ("/v1/traces", "chat")
    assert (own["service.name"], own["deployment.environment.name"]) == ("routerctl", "test")
    assert {one.key: one.value.int_value for one in span.attributes}["gen_ai.usage.input_tokens"] == 812


def test_an_operator_may_name_the_service(no_variables: pytest.MonkeyPatch) -> None:
    """OTEL_SERVICE_NAME goes before our own name."""
    no_variables.setenv("OTEL_SERVICE_NAME", "gateway")
    kept = Kept()
    kept.tracing.begin("chat", "/v1/chat/completions", {}).end(SERVED, vendor="anthropic")
    assert kept.spans[0].resource.attributes["service.name"] == "gateway"


def test_a_collector_that_refuses_is_a_notice(no_variables: pytest.MonkeyPatch, said: list[str]) -> None:
    """Spans that nobody takes stop nothing; a person hears of it as of everything else."""
    with Collector(400) as collector:
        no_variables.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        _sent(tracing_of({"OTEL_TRACES_EXPORTER": "otlp"}, host="127.0.0.1", port=8080))
    assert len(said) == 1
    assert said[0].startswith("traces: ")
    assert "400" in said[0]
    logging.getLogger("opentelemetry").handlers.clear()
