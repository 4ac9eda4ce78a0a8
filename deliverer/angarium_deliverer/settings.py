"""What a deliverer reads from the environment."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from angarium.settings import TrustSettings
from angarium.telemetry.traces import TraceSettings


class DelivererSettings(TrustSettings, TraceSettings):
    """Each a variable ANGARIUM_<NAME>."""

    probe_port: int = Field(
        default=9481, ge=0, le=65535, description="port of /healthz, /readyz and /metrics; 0 picks a free one"
    )
    deliverer_slots: int = Field(default=512, ge=1, le=4096, description="deliveries in flight at once")
    drain_seconds: float = Field(
        default=40.0, ge=0, le=600, description="seconds for what is in flight at SIGTERM; the rest is handed back"
    )
    ca_bundle: str | None = Field(
        default=None, description="path of a PEM file with the authorities to trust instead of certifi's"
    )
    public_url: str = Field(
        default="", description="https:// URL at which carriers reach the gateway, to tell what became of a message"
    )

    @field_validator("public_url")
    @classmethod
    def _reachable(cls, value: str) -> str:
        try:
            url = urlsplit(value)
            good = not value or (url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0)
        except ValueError:
            good = False
        if not good or "?" in value or "#" in value or "@" in value or not value.isascii():
            raise ValueError("must be a URL like https://notify.example.com, without query and credentials")
        return value.rstrip("/")
