"""A request and the calls it led to -> OpenTelemetry spans, by the semantic conventions for generative AI.

Each request has a server span, each call a client span below it, with nothing of a prompt or a reply. A client's trace
is continued (W3C traceparent) and passed on to the provider. The standard OTEL_* variables say where spans are sent;
without them, or without the extra `otel`, nothing is imported and tracing costs nothing. Attributes are named as in
https://github.com/open-telemetry/semantic-conventions-genai.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from routerctl.notices import warn, warn_once
from routerctl.redaction import redacted
from routerctl.service.request_summary import RequestSummary
from routerctl.types import Usage
from routerctl.version import __version__
from routerctl.words import clean

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import SpanKind

_OPERATIONS = {"embeddings": "embeddings", "count_tokens": "count_tokens"}  # every other API's is "chat"
_TRACE = ("traceparent", "tracestate")
_LONGEST = 200  # characters of a client's text
_SWITCHES = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
# Well-known values of gen_ai.provider.name, by the suffix of their hosts.
_VENDORS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "amazonaws.com": "aws.bedrock",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "api.mistral.ai": "mistral_ai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.com": "cohere",
}
_OWN_HOSTS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}  # of the kinds that need no base_url


@dataclass(slots=True, kw_only=True)
class UpstreamCall:
    """One call to a place, written once."""

    candidate: str
    model: str  # the pin
    provider: str  # by `vendor_of`
    base_url: str | None = None  # None: the vendor's own


class CallSpan:
    """The span of one call; this class records nothing."""

    __slots__ = ()

    def headers(self) -> dict[str, str]:
        """Give the headers by which the provider continues the trace."""
        return {}

    def end(
        self,
        *,
        error: str = "",
        status: int | None = None,
        served_model: str = "",
        usage: Usage | None = None,
        cost_usd: Decimal = Decimal(0),
        at_ns: int | None = None,
    ) -> None:
        """Record how it ended; `error`: its class name; `at_ns`: since the epoch, None = now."""


class RequestSpan:
    """The span of one request; this class records nothing."""

    __slots__ = ()

    def call(self, call: UpstreamCall, *, at_ns: int | None = None) -> CallSpan:  # noqa: ARG002 - for a span that records
        """Begin a call; `at_ns`: since the epoch, None = now."""
        return _NO_CALL_SPAN

    def end(self, summary: RequestSummary, *, vendor: str = "") -> None:
        """Record how the request ended; `vendor`: the provider that served, by `vendor_of`."""


class Tracing:
    """Creates spans; this class creates none that record."""

    __slots__ = ()
    is_on = False

    def begin(self, wire: str, path: str, headers: Mapping[bytes, bytes]) -> RequestSpan:  # noqa: ARG002 - likewise
        """Begin a request; `path`: one of the service's own; `headers`: of the request, names in lower case."""
        return _NO_REQUEST_SPAN

    def close(self) -> None:
        """Send what is waiting."""


_NO_CALL_SPAN, _NO_REQUEST_SPAN, _OFF = CallSpan(), RequestSpan(), Tracing()


def vendor_of(name: str, kind: str, base_url: str | None) -> str:
    """Give gen_ai.provider.name for a provider of the table: a well-known vendor's, otherwise its own name."""
    host = _host_of(base_url)[0] or _OWN_HOSTS.get(kind, "")
    return next((vendor for end, vendor in _VENDORS.items() if host == end or host.endswith(f".{end}")), name)


def tracing_of(env: Mapping[str, str], *, host: str, port: int) -> Tracing:
    """Set tracing up as the OTEL_* variables say; opentelemetry itself reads them from the process's environment.

    `host`, `port`: where the service answers.
    """
    if not _is_wanted(env):
        return _OFF
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        warn("OTEL_* variables ask for traces, which need opentelemetry: pip install 'routerctl[otel]'")
        return _OFF
    _route_logs_to_notices()
    return OtelTracing(BatchSpanProcessor(OTLPSpanExporter()), host, port)


def _is_wanted(env: Mapping[str, str]) -> bool:
    """Tell whether traces are asked for; warn where they are asked for in a way that is not supported."""
    named = env.get(_SWITCHES[0], "").strip().lower()
    if (
        env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        or named == "none"
        or not any(map(env.get, _SWITCHES))
    ):
        return False
    protocol = next((env[one] for one in _PROTOCOLS if env.get(one)), _PROTOCOL)
    if named not in ("", "otlp"):
        warn(f"OTEL_TRACES_EXPORTER: expected otlp or none, got {named!r}; traces are off")
    elif protocol != _PROTOCOL:
        warn(f"OTEL_EXPORTER_OTLP_PROTOCOL: expected {_PROTOCOL}, got {protocol!r}; traces are off")
    else:
        return True
    return False


class _NoticeHandler(logging.Handler):
    """Turns what opentelemetry logs, such as a collector that does not answer, into notices."""

    def emit(self, record: logging.LogRecord) -> None:
        warn_once(f"traces: {clean(record.getMessage())}")


def _route_logs_to_notices() -> None:
    logger = logging.getLogger("opentelemetry")
    if not logger.handlers:
        logger.addHandler(_NoticeHandler(logging.WARNING))
        logger.propagate = False


Attributes = dict[str, Any]


class OtelTracing(Tracing):
    """Tracing by OpenTelemetry's SDK."""

    __slots__ = ("_propagator", "_provider", "_server", "_tracer")
    is_on = True

    def __init__(self, processor: SpanProcessor, host: str, port: int) -> None:
        """`processor`: takes the spans that have ended; `host`, `port`: where the service answers."""
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        own = Resource.create({"service.name": "routerctl", "service.version": __version__})
        resource = own.merge(OTELResourceDetector().detect())  # the operator's settings take precedence
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("routerctl", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._server = {"server.address": host, "server.port": port, "http.request.method": "POST"}

    def begin(self, wire: str, path: str, headers: Mapping[bytes, bytes]) -> RequestSpan:
        """Begin a request, in the client's trace where it sends one."""
        from opentelemetry.trace import SpanKind

        sent = {name: headers[name.encode()].decode("latin-1") for name in _TRACE if name.encode() in headers}
        operation = _OPERATIONS.get(wire, "chat")
        attributes = {**self._server, "gen_ai.operation.name": operation, "http.route": path}
        parent = self._propagator.extract(sent) if sent else None
        # Not named after the model: that name comes from the client, and span names must have low cardinality.
        return _OtelRequestSpan(self, operation, self.started(operation, SpanKind.SERVER, attributes, parent))

    def started(
        self, name: str, kind: SpanKind, attributes: Attributes, parent: Context | None, at_ns: int | None = None
    ) -> OtelSpan:
        """Start a span; without a parent it begins a trace, whatever this task did before."""
        from opentelemetry.context import Context

        parent = Context() if parent is None else parent
        return self._tracer.start_span(name, parent, kind, attributes, start_time=at_ns)

    def headers(self, context: Context) -> dict[str, str]:
        """Give the headers that pass a span on."""
        sent: dict[str, str] = {}
        self._propagator.inject(sent, context)
        return sent

    def close(self) -> None:
        """Send what is waiting; may take as long as the exporter's timeout."""
        self._provider.shutdown()


class _OtelRequestSpan(RequestSpan):
    __slots__ = ("_context", "_operation", "_span", "_tracing")

    def __init__(self, tracing: OtelTracing, operation: str, span: OtelSpan) -> None:
        from opentelemetry.trace import set_span_in_context

        self._tracing, self._operation, self._span = tracing, operation, span
        self._context = set_span_in_context(span)

    def call(self, call: UpstreamCall, *, at_ns: int | None = None) -> CallSpan:
        from opentelemetry.trace import SpanKind

        host, port = _host_of(call.base_url)
        attributes: Attributes = {
            "gen_ai.operation.name": self._operation,
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.model,
            "server.address": host or _own_host(call.provider),
            "server.port": port,
            "routerctl.candidate": call.candidate,
        }
        name = f"{self._operation} {call.model}"
        span = self._tracing.started(name, SpanKind.CLIENT, _present(attributes), self._context, at_ns)
        return _OtelCallSpan(self._tracing, span)

    def end(self, summary: RequestSummary, *, vendor: str = "") -> None:
        span = self._span
        if span.is_recording():
            failed = str(summary.status) if summary.status >= 400 else ""
            span.set_attributes(_present(_of_request(summary, vendor)))
            _fail(span, summary.error or failed, is_fault=summary.status >= 500)
        span.end()


class _OtelCallSpan(CallSpan):
    __slots__ = ("_context", "_span", "_tracing")

    def __init__(self, tracing: OtelTracing, span: OtelSpan) -> None:
        from opentelemetry.trace import set_span_in_context

        self._tracing, self._span, self._context = tracing, span, set_span_in_context(span)

    def headers(self) -> dict[str, str]:
        return self._tracing.headers(self._context)

    def end(
        self,
        *,
        error: str = "",
        status: int | None = None,
        served_model: str = "",
        usage: Usage | None = None,
        cost_usd: Decimal = Decimal(0),
        at_ns: int | None = None,
    ) -> None:
        span = self._span
        if span.is_recording():
            attributes = {
                "http.response.status_code": status,
                "gen_ai.response.model": _short(served_model),
                "routerctl.cost_usd": float(cost_usd),
                **_of_usage(usage),
            }
            span.set_attributes(_present(attributes))
            _fail(span, error, is_fault=True)
        span.end(at_ns)


def _of_request(summary: RequestSummary, vendor: str) -> Attributes:
    return {
        "http.response.status_code": summary.status,
        "gen_ai.request.model": _short(summary.model),
        "gen_ai.request.stream": summary.stream,
        "gen_ai.response.model": _short(summary.served_model),
        "gen_ai.response.time_to_first_chunk": summary.first_token_s,
        "gen_ai.provider.name": vendor,
        **_of_usage(summary.usage),
        "routerctl.class": summary.task_class,
        "routerctl.candidate": summary.candidate,
        "routerctl.decided_by": summary.decided_by,
        "routerctl.decision_id": summary.request_id,
        "routerctl.hops": summary.hops,
        "routerctl.cost_usd": float(summary.cost_usd),
        "routerctl.overhead_s": summary.overhead_s,
        "routerctl.cancelled": summary.cancelled,
    }


def _of_usage(usage: Usage | None) -> Attributes:
    if usage is None:
        return {}
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,  # cached tokens included, as in `Usage`
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
    }


def _present(attributes: Attributes) -> Attributes:
    """Leave out attributes without a value."""
    return {name: value for name, value in attributes.items() if value is not None and value not in ("", ())}


def _fail(span: OtelSpan, error: str, *, is_fault: bool) -> None:
    """Name an error; the span counts as failed only if the fault is not the client's."""
    from opentelemetry.trace import StatusCode

    if error:
        span.set_attribute("error.type", error)
        if is_fault:
            span.set_status(StatusCode.ERROR)


def _short(text: str) -> str:
    """Make foreign text harmless, and cut it to the length of a name."""
    return clean(redacted(text)[:_LONGEST]) if text else ""


def _host_of(base_url: str | None) -> tuple[str, int | None]:
    """Give the host and port of an address that was checked before; "" where there is none."""
    parts = urlsplit(base_url or "")
    return parts.hostname or "", parts.port


def _own_host(provider: str) -> str:
    return _OWN_HOSTS.get(provider, "")
