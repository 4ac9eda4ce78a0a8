"""Settings from the environment. A wrong value stops the process at start and names the variable.

Each service extends `Settings` with its own fields; secrets may also be given as the path of a file in
`<VARIABLE>_FILE`, as Kubernetes mounts them.
"""

import os
import socket
import sys
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from angarium.identifiers import MAX_SHARDS
from angarium.mounted import Mounted
from angarium.process import EX_CONFIG
from angarium.redis_url import RedisUrl, read_url
from angarium.sealing import Sealer, SealError

PREFIX = "ANGARIUM_"


class RedisSettings(BaseSettings):
    """Where Redis or Valkey is, and how long to wait for it."""

    model_config = SettingsConfigDict(env_prefix="ANGARIUM_REDIS_", extra="ignore", frozen=True)

    url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="URL of Redis 7+ or Valkey 8+: redis://, rediss:// (TLS), unix://, redis+sentinel:// or "
        "redis+cluster:// (rediss+… with TLS)",
    )
    url_file: Path | None = Field(
        default=None, description="file with the URL; what it says of credentials may change while a process runs"
    )
    ca: Path | None = Field(default=None, description="file of authorities to trust, in PEM; for TLS")
    cert: Path | None = Field(default=None, description="file of a client's certificate, in PEM; for TLS")
    key: Path | None = Field(default=None, validate_default=True, description="file of its private key, in PEM")
    timeout: float = Field(default=5.0, gt=0, le=60, description="seconds that one call may take in all")
    connect_timeout: float = Field(default=2.0, gt=0, le=60, description="seconds to connect")
    client_name: str = Field(default="angarium", pattern=r"^[!-~]{1,64}$", description="shown by CLIENT LIST")

    confirm_replicas: int = Field(
        default=1, ge=1, le=16, description="replicas that must confirm what is accepted under durability Replicated"
    )
    confirm_timeout: float = Field(default=1.0, gt=0, le=30, description="seconds that they are waited for")

    @field_validator("url")
    @classmethod
    def _readable(cls, url: SecretStr) -> SecretStr:
        read_url(url.get_secret_value())
        return url

    @field_validator("ca", "cert", "key")
    @classmethod
    def _for_tls(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        url = info.data.get("url")
        if path and url and not read_url(url.get_secret_value()).secure:
            raise ValueError("is for TLS: the URL must begin with rediss")
        if path and not os.access(path, os.R_OK):
            raise ValueError(f"{path} can't be read")
        return path

    @field_validator("key")
    @classmethod
    def _both(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if "cert" in info.data and (key is None) != (info.data["cert"] is None):
            raise ValueError("goes together with ANGARIUM_REDIS_CERT")
        return key

    @property
    def where(self) -> RedisUrl:
        """What the URL leads to."""
        return self._read(self.url.get_secret_value())

    def mounted(self) -> Mounted[RedisUrl]:
        """Likewise, as its file has it now. Only credentials may change: another server has other data."""
        at_start = self.where

        def read(text: str) -> RedisUrl:
            url = self._read(text)
            if url.destination != at_start.destination:
                raise ValueError("it leads to another server, which takes a restart")
            return url

        return Mounted(self.url_file, read, at_start)

    def _read(self, text: str) -> RedisUrl:
        tls = {"ssl_ca_certs": self.ca, "ssl_certfile": self.cert, "ssl_keyfile": self.key}
        return read_url(text, {name: str(path) for name, path in tls.items() if path})


class Settings(BaseSettings):
    """What every process reads."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    redis: RedisSettings = Field(default_factory=RedisSettings)
    shards: int = Field(
        default=1, ge=1, le=MAX_SHARDS, description="into how many shards the queue is split; the same everywhere"
    )
    pod: str = Field(
        default_factory=socket.gethostname,
        pattern=r"^[A-Za-z0-9._-]{1,128}$",
        description="this process's name, unique among its kind",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is logged"
    )
    probe_host: str = Field(default="0.0.0.0", description="address of /healthz, /readyz and /metrics")  # noqa: S104 - probes come from outside the pod
    probe_port: int = Field(
        default=9480, ge=0, le=65535, description="port of /healthz, /readyz and /metrics; 0 picks a free one"
    )


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode]


class EgressSettings(Settings):
    """What all must be told alike who judge or dial what tenants wrote."""

    egress_allowed_cidrs: Networks = Field(default=(), description="private networks to dial; commas between")
    egress_denied_cidrs: Networks = Field(default=(), description="networks never to dial; commas between")

    @field_validator("egress_allowed_cidrs", "egress_denied_cidrs", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return parts(value)


class TrustSettings(EgressSettings):
    """What operator and deliverer must be told alike: keys that seal credentials, networks that may be dialled."""

    seal_keys: SecretStr = Field(
        default=SecretStr(""), description="Fernet keys that seal credentials, the current first; commas between"
    )
    seal_keys_file: Path | None = Field(
        default=None, description="file with them, which may change while a process runs"
    )

    @property
    def sealer(self) -> Sealer:
        """Of all keys."""
        return _sealer(self.seal_keys.get_secret_value())

    def mounted_sealer(self) -> Mounted[Sealer]:
        """Likewise, as their file has them now."""
        return Mounted(self.seal_keys_file, _sealer, self.sealer)

    @field_validator("seal_keys")
    @classmethod
    def _valid_keys(cls, value: SecretStr) -> SecretStr:
        _sealer(value.get_secret_value())
        return value


def _sealer(keys: str) -> Sealer:
    """Raises ValueError."""
    try:
        return Sealer([key.strip() for key in keys.replace("\n", ",").split(",") if key.strip()])
    except SealError as error:
        raise ValueError(str(error)) from error


def parts(value: object) -> object:
    """A list as the environment has it, with commas between."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


S = TypeVar("S", bound=BaseSettings)


def load(model: type[S]) -> S:
    """Read settings, or end the process with one line for each variable that is wrong."""
    try:
        _read_files()
        return model()
    except ValidationError as error:
        prefix = RedisSettings.model_config["env_prefix"] if error.title == RedisSettings.__name__ else PREFIX
        for problem in error.errors(include_input=False, include_url=False):
            variable = prefix + "_".join(str(part) for part in problem["loc"]).upper()
            print(f"{variable}: {problem['msg']}", file=sys.stderr)  # noqa: T201 - logging isn't set up yet
    except OSError as error:
        print(f"settings: {error.strerror}: {error.filename}", file=sys.stderr)  # noqa: T201 - logging isn't set up yet
    raise SystemExit(EX_CONFIG)


def _read_files() -> None:
    for name, path in list(os.environ.items()):
        if name.startswith(PREFIX) and name.endswith("_FILE") and path:
            os.environ[name.removesuffix("_FILE")] = Path(path).read_text(encoding="utf-8").strip()
