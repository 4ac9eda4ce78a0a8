"""Spans by OpenTelemetry: a request at the gateway, and each attempt of a delivery as its child, hours later too.

A trace goes from its caller by `traceparent`, with the notification through Redis, to the receiver (W3C Trace Context).
Spans hold ids, outcomes and names of what was declared; never a body, a URL, an address of a person or a credential.
"""

from collections.abc import Awaitable, Callable, Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from angarium import __version__
from angarium.notifications import Attempt, Outcome, Result
from angarium.telemetry.traces import CURRENT

_W3C = TraceContextTextMapPropagator()
LONGEST_STATE = 512  # characters of a tracestate, which is kept with its notification


class Tracing:
    """Makes spans, and sends them in the background; what can't be sent is dropped, and holds up nobody."""

    def __init__(self, endpoint: str, ratio: float, service: str, pod: str) -> None:
        resource = Resource.create(
            {"service.name": f"angarium-{service}", "service.version": __version__, "service.instance.id": pod}
        )
        self._provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(ratio)))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
        self._tracer = self._provider.get_tracer("angarium", __version__)

    def begin(self, headers: Mapping[str, str]) -> Span:
        """The span of a request, in the trace that its caller names; it becomes the present one of this task."""
        span = self._tracer.start_span("request", _W3C.extract(headers, Context()), SpanKind.SERVER)
        CURRENT.set(_written(span))
        return span

    def end(self, span: Span, route: str, status: int) -> None:
        """The request was answered."""
        method, _, path = route.partition(" ")
        span.update_name(route)
        span.set_attributes({"http.request.method": method, "http.route": path, "http.response.status_code": status})
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    async def attempt(
        self, deliver: Callable[[Attempt], Awaitable[Outcome]], attempt: Attempt, channel: str
    ) -> Outcome:
        """Make an attempt within a span, in the trace of its notification."""
        span = self._tracer.start_span(
            f"deliver {channel}", _W3C.extract(_read(attempt.notification.trace), Context()), SpanKind.CLIENT,
            {"angarium.notification": attempt.notification.id, "angarium.delivery": attempt.delivery,
             "angarium.attempt": attempt.number, "angarium.event": attempt.notification.event,
             **({} if attempt.target.to else {"angarium.callback": attempt.target.name})},
        )  # fmt: skip
        CURRENT.set(_written(span))
        try:
            outcome = await deliver(attempt)
            span.set_attributes({"angarium.outcome": outcome.result.value, "angarium.reason": outcome.reason})
            if outcome.result is not Result.DELIVERED:
                span.set_status(Status(StatusCode.ERROR, outcome.reason))
            return outcome
        finally:
            span.end()

    def close(self) -> None:
        """Send what is left. Blocks, for seconds where nobody takes it."""
        self._provider.shutdown()


def _written(span: Span) -> str:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, set_span_in_context(span, Context()))
    state = carrier.get("tracestate", "")
    parent = carrier.get("traceparent", "")
    return f"{parent} {state}" if state and len(state) <= LONGEST_STATE else parent


def _read(stamp: str) -> dict[str, str]:
    parent, _, state = stamp.partition(" ")
    return {"traceparent": parent, "tracestate": state} if parent else {}
