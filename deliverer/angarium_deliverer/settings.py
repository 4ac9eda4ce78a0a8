"""What a deliverer reads from the environment."""

from pydantic import Field

from angarium.settings import TrustSettings


class DelivererSettings(TrustSettings):
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
