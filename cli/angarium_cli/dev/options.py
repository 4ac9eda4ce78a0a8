"""What the command line says, and the settings of the services that follow from it."""

import socket
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr, ValidationError

from angarium.settings import RedisSettings
from angarium_cli.dev.localize import LOOPBACK
from angarium_cli.errors import Exit, Failure
from angarium_deliverer.settings import DelivererSettings
from angarium_gateway.settings import GatewaySettings

HOST = "127.0.0.1"
POD = "dev"  # always the same: what a killed process held in flight is taken up by the next one at once
DRAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """Of `angarium dev`."""

    folder: Path
    state: Path
    port: int
    redis: str | None = None

    @property
    def url(self) -> str:
        """Of the gateway."""
        return f"http://{HOST}:{self.port}"

    def require_free_port(self) -> None:
        """Better said before anything is started."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the gateway does
            try:
                probe.bind((HOST, self.port))
            except OSError as error:
                raise Failure(
                    f"the gateway can't listen at {HOST}:{self.port} ({error.strerror}): end what listens there, or"
                    " choose another port with --port",
                    Exit.BLOCKED,
                ) from None


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Of the two services; ANGARIUM_* variables count for what is not decided here."""

    gateway: GatewaySettings
    deliverer: DelivererSettings

    @classmethod
    def of(cls, options: Options, redis: SecretStr, seal_key: str) -> "ServiceSettings":
        """Both on loopback, with probes on ports of their own choosing."""
        try:
            storage = RedisSettings(url=redis)
            gateway = GatewaySettings(
                redis=storage, pod=POD, gateway_host=HOST, gateway_port=options.port, probe_host=HOST, probe_port=0
            )
            deliverer = DelivererSettings(
                redis=storage,
                pod=POD,
                probe_host=HOST,
                probe_port=0,
                seal_keys=SecretStr(seal_key),
                drain_seconds=DRAIN_SECONDS,
            )
        except ValidationError as error:
            wrong = "\n".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors(include_url=False))
            raise Failure(f"an ANGARIUM_ variable is wrong:\n{wrong}", Exit.USAGE) from None
        allowed = (*LOOPBACK, *deliverer.egress_allowed_cidrs)
        local = {"egress_allowed_cidrs": allowed}
        return cls(gateway.model_copy(update=local), deliverer.model_copy(update=local))
