"""What the operator reads from the environment."""

import math
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from angarium.mounted import Mounted
from angarium.settings import TrustSettings, parts

Names = Annotated[tuple[str, ...], NoDecode]


class OperatorSettings(TrustSettings):
    """Each a variable ANGARIUM_<NAME>."""

    probe_port: int = Field(
        default=9482, ge=0, le=65535, description="port of /healthz, /readyz and /metrics; 0 picks a free one"
    )
    watch_namespaces: Names = Field(default=(), description="namespaces to serve; commas between; empty: all")
    gateway_url: str = Field(
        default="http://angarium-gateway:8480", description="URL of the gateway, as it stands in the Secrets"
    )
    gateway_ca: Path | None = Field(
        default=None,
        description="file of the authorities, in PEM, by which services know the gateway; it goes into their Secrets",
    )
    kubeconfig: str = Field(
        default="", description="path of a kubeconfig; empty: the pod's own account, or else what kubectl would use"
    )
    api_callbacks: bool = Field(
        default=True, description="whether callers of the API may make Callbacks; where false, no Product can allow it"
    )
    resync_seconds: float = Field(
        default=600.0, ge=1, le=86400, description="seconds between two comparisons of everything, give or take a fifth"
    )
    reconcilers: int = Field(default=16, ge=1, le=256, description="objects that are reconciled at once")
    look_seconds: float = Field(
        default=0.5, gt=0, le=60, description="seconds between looks at the data plane while an object isn't programmed"
    )
    idle_look_seconds: float = Field(default=5.0, gt=0, le=60, description="seconds between looks otherwise")
    doubt_seconds: float = Field(
        default=10.0, ge=0, le=600, description="seconds that a pod may be away before objects stop being programmed"
    )
    health_seconds: float = Field(
        default=10.0, gt=0, le=600, description="seconds between looks at callbacks' health; more with many shards"
    )
    count_seconds: float = Field(
        default=60.0, ge=0, le=3600, description="least seconds between two writes of mere counts into a status"
    )
    probe_seconds: float = Field(
        default=600.0,
        ge=10,
        le=86400,
        description="seconds between two probes of a provider's account, give or take a fifth",
    )
    reseal_seconds: float = Field(
        default=120.0,
        ge=0,
        le=3600,
        description="seconds from a change of the seal keys to their use: until then deliverers have them too",
    )
    watch_idle_seconds: float = Field(
        default=70.0, gt=0, le=600, description="seconds of silence after which a watch is opened again"
    )

    operator_lease: str = Field(
        default="", description="name of the Lease by which one of several operators leads; empty: this one is alone"
    )
    operator_lease_namespace: str = Field(default="", description="namespace of that Lease: the operators' own")
    operator_lease_seconds: int = Field(
        default=10, ge=2, le=600, description="seconds after which another operator takes a Lease that is not renewed"
    )
    operator_lease_deadline: float = Field(
        default=6.0,
        gt=0,
        description="seconds without a renewal after which the leader stops to write; less than those",
    )
    operator_lease_retry: float = Field(
        default=2.0, gt=0, description="seconds between two renewals, and between two looks of the others; less again"
    )

    @field_validator("watch_namespaces", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return parts(value)

    @field_validator("gateway_ca")
    @classmethod
    def _certificates(cls, value: Path | None) -> Path | None:
        if value:
            pem(_text(value))
        return value

    def mounted_ca(self) -> Mounted[str]:
        """Those authorities, as the file has them now; nothing without one."""
        return Mounted(self.gateway_ca, pem, pem(_text(self.gateway_ca)) if self.gateway_ca else "")

    @field_validator("operator_lease_namespace")
    @classmethod
    def _somewhere(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("operator_lease") and not value:
            raise ValueError("must name the namespace of the Lease where ANGARIUM_OPERATOR_LEASE is set")
        return value

    @field_validator("operator_lease_deadline")
    @classmethod
    def _before_the_end(cls, value: float, info: ValidationInfo) -> float:
        if value >= info.data.get("operator_lease_seconds", math.inf):
            raise ValueError("must be less than ANGARIUM_OPERATOR_LEASE_SECONDS")
        return value

    @field_validator("operator_lease_retry")
    @classmethod
    def _more_than_once(cls, value: float, info: ValidationInfo) -> float:
        if value > info.data.get("operator_lease_deadline", math.inf) / 2:
            raise ValueError("must be half of ANGARIUM_OPERATOR_LEASE_DEADLINE at most, so that a renewal may fail")
        return value

    @field_validator("gateway_url")
    @classmethod
    def _http(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("must be an http or https URL, like http://angarium-gateway.angarium:8480")
        return value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} can't be read: {type(error).__name__}") from error


def pem(text: str) -> str:
    """The certificates of a text, and nothing else that may stand there; raises ValueError."""
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise ValueError("must hold certificates in PEM") from None
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in found)
