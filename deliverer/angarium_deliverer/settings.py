"""What a deliverer reads from the environment."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from angarium.sealing import Sealer, SealError
from angarium.settings import Settings

Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode]


class DelivererSettings(Settings):
    """Each a variable ANGARIUM_<NAME>."""

    probe_port: int = Field(
        default=9481, ge=0, le=65535, description="port of /healthz, /readyz and /metrics; 0 picks a free one"
    )
    deliverer_slots: int = Field(default=256, ge=1, le=4096, description="deliveries in flight at once")
    drain_seconds: float = Field(
        default=40.0, ge=0, le=600, description="seconds for what is in flight at SIGTERM; the rest is handed back"
    )
    egress_allowed_cidrs: Networks = Field(
        default=(), description="private networks that may be dialled; commas between"
    )
    egress_denied_cidrs: Networks = Field(default=(), description="networks that may never be dialled; commas between")
    seal_keys: SecretStr = Field(
        default=SecretStr(""), description="Fernet keys that open sealed credentials, the current first; commas between"
    )
    ca_bundle: str | None = Field(
        default=None, description="PEM file of the authorities that receivers' certificates need"
    )

    @field_validator("egress_allowed_cidrs", "egress_denied_cidrs", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("seal_keys")
    @classmethod
    def _valid_keys(cls, value: SecretStr) -> SecretStr:
        try:
            Sealer(seal_keys_of(value))
        except SealError as error:
            raise ValueError(str(error)) from error
        return value


def seal_keys_of(value: SecretStr) -> list[str]:
    """The single keys of ANGARIUM_SEAL_KEYS."""
    return [key.strip() for key in value.get_secret_value().replace("\n", ",").split(",") if key.strip()]
