"""From one shard to four and back to two, by rolling real gateways and deliverers while callers go on."""

import asyncio
import contextlib
import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import orjson
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request, reply
from tests.ports import free_port

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.identifiers import resource_id, shard_of
from angarium.queue import Census, Layout, Queue
from angarium.records import CallbackRecord, KeyRecord, ProductRecord
from angarium.sealing import Sealer, generate_seal_key
from angarium.settings import RedisSettings
from angarium.signing import generate_hmac_key

SEAL_KEY = generate_seal_key()
KEY = apikeys.mint()
AT_ONCE = 6  # callers
MORE = 150  # notifications accepted with each number of shards, and while it changes


@dataclass
class Pod:
    """One process; `base` is where its API is, if it is a gateway."""

    process: asyncio.subprocess.Process
    probe: int
    port: int

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/notifications"


@dataclass
class Cluster:
    """Two gateways and two deliverers, all of the same setting but while it changes."""

    redis: RedisSettings
    session: aiohttp.ClientSession
    pods: dict[str, Pod] = field(default_factory=dict)

    async def start(self, role: str, slot: int, shards: int) -> Pod:
        port, probe = free_port(), free_port()
        environment = os.environ | {
            "ANGARIUM_REDIS_URL": self.redis.url.get_secret_value(), "ANGARIUM_SHARDS": str(shards),
            "ANGARIUM_POD": f"{role}-{slot}-{port}", "ANGARIUM_PROBE_HOST": "127.0.0.1",
            "ANGARIUM_PROBE_PORT": str(probe),
            "ANGARIUM_GATEWAY_HOST": "127.0.0.1", "ANGARIUM_GATEWAY_PORT": str(port), "ANGARIUM_SEAL_KEYS": SEAL_KEY,
            "ANGARIUM_EGRESS_ALLOWED_CIDRS": "127.0.0.0/8", "ANGARIUM_DRAIN_SECONDS": "5",
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"angarium_{role}", env=environment, stderr=asyncio.subprocess.DEVNULL
        )
        pod = Pod(process, probe, port)
        async with asyncio.timeout(30):
            while not await self._ready(pod):
                await asyncio.sleep(0.05)
        return pod

    async def _ready(self, pod: Pod) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with self.session.get(f"http://127.0.0.1:{pod.probe}/readyz") as answer:
                return answer.status == 200
        return False

    async def roll(self, shards: int, roles: tuple[str, ...] = ("gateway", "deliverer")) -> None:
        """Each pod by one of the new setting, which is ready before the old one is told to go."""
        for role in roles:
            for slot in range(2):
                new = await self.start(role, slot, shards)
                old, self.pods[f"{role}-{slot}"] = self.pods.get(f"{role}-{slot}"), new
                if old:
                    old.process.terminate()
                    assert await old.process.wait() == 0

    def gateways(self) -> list[str]:
        return [pod.base for name, pod in self.pods.items() if name.startswith("gateway")]


@dataclass
class Ledger:
    """What callers were promised and what the receiver got."""

    ids: dict[str, str] = field(default_factory=dict)  # by key
    in_order: list[str] = field(default_factory=list)  # ids, by acceptance
    refused: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)  # by webhook-id
    arrived: list[str] = field(default_factory=list)  # webhook-ids of what is to come in order
    repeats: int = 0

    async def receive(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Every fifth is refused once, so that something always waits in the schedule."""
        id_ = request.headers["webhook-id"]
        ordered = b'"ordered"' in request.body
        if not ordered and hash(id_) % 5 == 0 and not self.refused[id_]:
            self.refused[id_] += 1
            writer.write(reply(503))
            return
        self.delivered[id_] += 1
        if ordered:
            self.arrived.append(id_)
        writer.write(NO_CONTENT)


class Callers:
    """Post without a pause, each notification with a key of its own, and now and then one of before again."""

    def __init__(self, cluster: Cluster, ledger: Ledger) -> None:
        self._cluster, self._ledger = cluster, ledger
        self._random = random.Random(7)  # noqa: S311 - which gateway, which key
        self._number = 0
        self.accepted = asyncio.Condition()
        self.enough = False

    async def post(self, key: str, event: str) -> str:
        """Until it is accepted, at whichever gateway."""
        headers = {"Authorization": f"Bearer {KEY.text}", "Idempotency-Key": key}
        while True:
            url = self._random.choice(self._cluster.gateways())
            with contextlib.suppress(aiohttp.ClientError):
                async with self._cluster.session.post(
                    url, json={"event": event, "data": key}, headers=headers
                ) as answer:
                    if answer.status == 202:
                        return str((await answer.json())["id"])
                    assert answer.status in {409, 503}, await answer.text()
            await asyncio.sleep(0.01)

    async def run(self, event: str) -> None:
        """One caller."""
        ledger = self._ledger
        while not self.enough:
            self._number += 1
            key = f"{event}-{self._number}"
            ledger.ids[key] = await self.post(key, event)
            if event == "ordered":
                ledger.in_order.append(ledger.ids[key])
            known = self._random.choice(list(ledger.ids))
            assert await self.post(known, known.partition("-")[0]) == ledger.ids[known]
            ledger.repeats += 1
            async with self.accepted:
                self.accepted.notify_all()

    async def more(self, count: int) -> None:
        """Wait until so many more are accepted."""
        target = len(self._ledger.ids) + count
        async with asyncio.timeout(60), self.accepted:
            await self.accepted.wait_for(lambda: len(self._ledger.ids) >= target)


async def publish(queue: Queue, url: str) -> None:
    """A product with two callbacks, one of which gets one at a time."""
    product = ProductRecord(
        namespace="shop", name="shop", id=resource_id("prd", "shop"), keys=(KeyRecord(id=KEY.id, sha256=KEY.sha256),)
    )
    sealed = Sealer([SEAL_KEY]).seal(orjson.dumps([generate_hmac_key()]))
    callbacks = [
        CallbackRecord(
            namespace="shop", name=event, id=resource_id("cbk", event), tenant=product.id, product_id=product.id,
            events=(event,), url=url, sealed_signing_keys=sealed, retry_schedule_s=(0.5,) * 8, max_in_flight=most,
        )
        for event, most in (("order", 100), ("ordered", 1))
    ]  # fmt: skip
    await ConfigStore(queue.link).begin([product, *callbacks])


@asynccontextmanager
async def calling(callers: Callers) -> AsyncIterator[None]:
    """They post while the body runs; a complaint of theirs ends it."""
    async with asyncio.TaskGroup() as group:
        for event in ("ordered", *["order"] * (AT_ONCE - 1)):
            group.create_task(callers.run(event))
        yield
        callers.enough = True


async def test_from_one_shard_to_four_and_back_to_two_while_everything_runs(redis_settings: RedisSettings) -> None:
    ledger = Ledger()
    async with (
        Receiver(ledger.receive) as receiver, Queue(redis_settings, 1) as queue, aiohttp.ClientSession() as session,
    ):  # fmt: skip
        await publish(queue, receiver.url)
        cluster = Cluster(redis_settings, session)
        callers = Callers(cluster, ledger)
        try:
            await cluster.roll(1)
            async with calling(callers):
                await callers.more(MORE)
                await cluster.roll(4)
                await callers.more(MORE)
                await cluster.roll(2)
                await callers.more(MORE)
            await check(queue, ledger, callers)
        finally:
            for pod in cluster.pods.values():
                if pod.process.returncode is None:
                    pod.process.kill()
                await pod.process.wait()


async def check(queue: Queue, ledger: Ledger, callers: Callers) -> None:
    """Nothing lost, nothing doubled, keys hold, and each shard's own in order."""
    await Layout(queue).step()
    assert len(queue.shards) == 4
    census = Census(queue)
    async with asyncio.timeout(60):
        while (backlog := await census.backlog()).counters["accepted"] > backlog.counters.get("delivered", 0):
            await asyncio.sleep(0.05)
    assert backlog.counters["notifications"] == len(ledger.ids) == len(set(ledger.ids.values()))
    assert backlog.scheduled == backlog.parked == sum(backlog.ready.values()) == sum(backlog.in_flight.values()) == 0
    delivered = {f"not_{id_.split('_')[1]}": count for id_, count in ledger.delivered.items()}
    assert delivered == dict.fromkeys(ledger.ids.values(), 1)
    assert {shard_of(id_) for id_ in delivered} == {0, 1, 2, 3}
    for key, id_ in sorted(ledger.ids.items())[:: len(ledger.ids) // 100]:
        assert await callers.post(key, key.partition("-")[0]) == id_
    arrived, accepted = defaultdict(list), defaultdict(list)
    for id_ in ledger.arrived:
        arrived[id_[-4:-2]].append(f"not_{id_.split('_')[1]}")
    for id_ in ledger.in_order:
        accepted[id_[-2:]].append(id_)
    assert arrived == accepted
