"""Where traces go, and the trace that the present task works for. Without an endpoint there are none, at no cost.

The part that needs OpenTelemetry is angarium.telemetry.tracing, which nobody imports where traces are off.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from angarium.process import WrongSettingError

if TYPE_CHECKING:
    from angarium.telemetry.tracing import Tracing

CURRENT: ContextVar[str] = ContextVar("trace", default="")  # `<traceparent> <tracestate>`, as W3C writes them


class TraceSettings(BaseSettings):
    """What is read by processes that make spans."""

    # As that of the settings that it is mixed into: pydantic takes the last base's, name prefix and all.
    model_config = SettingsConfigDict(env_prefix="ANGARIUM_", extra="ignore", frozen=True)

    traces_endpoint: str = Field(
        default="", description="URL that takes OTLP over HTTP, like http://collector:4318; empty: no traces"
    )
    traces_ratio: float = Field(
        default=1.0, ge=0, le=1, description="share of traces to record, of those that no caller has begun"
    )

    @field_validator("traces_endpoint")
    @classmethod
    def _http(cls, value: str) -> str:
        url = urlsplit(value)
        if value and (url.scheme not in ("http", "https") or not url.hostname):
            raise ValueError("must be an http or https URL, like http://collector:4318")
        return value.rstrip("/")


def tracing_of(settings: TraceSettings, service: str, pod: str) -> "Tracing | None":
    """What makes spans, where it is wanted; raises WrongSettingError."""
    if not settings.traces_endpoint:
        return None
    try:
        from angarium.telemetry.tracing import Tracing
    except ImportError:
        raise WrongSettingError(
            "ANGARIUM_TRACES_ENDPOINT: OpenTelemetry is not installed: pip install 'angarium[traces]'"
        ) from None
    return Tracing(settings.traces_endpoint, settings.traces_ratio, service, pod)


def trace_headers() -> tuple[tuple[str, str], ...]:
    """What a receiver is told of the present trace; nothing where there is none."""
    stamp = CURRENT.get()
    if not stamp:
        return ()
    parent, _, state = stamp.partition(" ")
    return (("traceparent", parent), ("tracestate", state)) if state else (("traceparent", parent),)
