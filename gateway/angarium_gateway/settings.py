"""What the gateway reads from the environment, beside what every process does."""

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from angarium.people import Limits
from angarium.settings import EgressSettings
from angarium.telemetry.traces import TraceSettings


class GatewaySettings(EgressSettings, TraceSettings):
    """`ANGARIUM_GATEWAY_*`."""

    gateway_host: str = Field(default="0.0.0.0", description="address that the API listens on")  # noqa: S104 - a Service sends its traffic to the pod's address
    gateway_port: int = Field(default=8480, ge=1, le=65535, description="port that the API listens on")
    gateway_tls_cert: Path | None = Field(
        default=None, description="file of the certificate, with its chain, in PEM; with it the API speaks TLS alone"
    )
    gateway_tls_key: Path | None = Field(
        default=None, validate_default=True, description="file of its private key, in PEM"
    )
    gateway_drain_delay: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="seconds without a call after SIGTERM until it stops listening: load balancers see late who goes",
    )
    gateway_drain_limit: float = Field(
        default=0.0,
        ge=0,
        le=3600,
        description="seconds after SIGTERM at which it stops listening although calls still come; at least the others",
    )
    gateway_shutdown_timeout: float = Field(
        default=20.0, gt=0, le=300, description="seconds that requests in progress have to be answered at the end"
    )
    gateway_head_timeout: float = Field(
        default=15.0, gt=0, le=300, description="seconds in which a request's head must arrive once a caller has begun"
    )
    gateway_body_timeout: float = Field(
        default=15.0, gt=0, le=300, description="seconds in which a request's body must have arrived"
    )
    gateway_edit_timeout: float = Field(
        default=10.0, gt=0, le=60, description="seconds that the operator has to change a callback for a caller"
    )
    gateway_memory_limit: float = Field(
        default=0.75, gt=0, le=1, description="share of Redis's maxmemory from which nothing new is accepted"
    )
    gateway_most_users: int = Field(default=1_000_000, ge=1, description="users that one tenant may keep")
    gateway_most_groups: int = Field(default=10_000, ge=1, description="groups that one tenant may keep")
    gateway_most_members: int = Field(default=1_000_000, ge=1, description="members that one group may have")
    gateway_most_devices: int = Field(default=20, ge=1, le=100, description="devices that one user may have")

    @field_validator("gateway_tls_key")
    @classmethod
    def _both(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if "gateway_tls_cert" in info.data and (key is None) != (info.data["gateway_tls_cert"] is None):
            raise ValueError("goes together with ANGARIUM_GATEWAY_TLS_CERT")
        return key

    @property
    def people(self) -> Limits:
        """How many of each a tenant may keep."""
        return Limits(
            self.gateway_most_users, self.gateway_most_devices, self.gateway_most_groups, self.gateway_most_members
        )
