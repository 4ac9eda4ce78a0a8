"""A small world for tests of the deliverer: a store, a callback in it, and deliverers in this process or their own."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import SecretStr

from angarium.config import ConfigStore, read_live
from angarium.identifiers import resource_id
from angarium.notifications import DeliveryState, Notification, Priority, Stored, Target
from angarium.queue import Census, Intake, Ledger, Queue
from angarium.records import AnyRecord, CallbackRecord
from angarium.sealing import Sealer, generate_seal_key
from angarium.settings import RedisSettings
from angarium.signing import generate_hmac_key
from angarium_deliverer.service import run
from angarium_deliverer.settings import DelivererSettings

SEAL_KEY = generate_seal_key()
SIGNING_KEY = generate_hmac_key()
SOON = 20.0  # s, for what must come about; a test never waits so long unless it fails


def callback(name: str, url: str, **more: Any) -> CallbackRecord:
    """A record of a callback in the namespace shop."""
    fields: dict[str, Any] = {
        "retry_schedule_s": (0.05,) * 4,
        "timeout_s": 5.0,
        "endpoint": url,
        "tenant": "prd_shop",
    } | more
    return CallbackRecord(
        namespace="shop", name=name, id=resource_id("cbk", name), product_id="prd_shop",
        events=("**",), url=url, sealed_signing_keys=Sealer([SEAL_KEY]).seal(orjson.dumps([SIGNING_KEY])), **fields,
    )  # fmt: skip


def settings(redis: RedisSettings, pod: str = "d-1", **more: Any) -> DelivererSettings:
    """A deliverer's settings; it may dial loopback."""
    fields: dict[str, Any] = {"drain_seconds": 5.0, "deliverer_slots": 32, "probe_port": 0} | more
    return DelivererSettings(
        redis=redis, pod=pod, probe_host="127.0.0.1", seal_keys=SecretStr(SEAL_KEY),
        egress_allowed_cidrs="127.0.0.0/8", **fields,
    )  # fmt: skip


@dataclass
class World:
    """What tests do to the store from outside."""

    redis: RedisSettings
    queue: Queue
    store: ConfigStore
    began: bool = False
    revision: int = 0
    posted: list[Notification] = field(default_factory=list)

    async def declare(self, *records: AnyRecord, deleted: tuple[str, ...] = ()) -> None:
        """Publish as the operator does."""
        revisions = await (self.store.publish(records, deleted) if self.began else self.store.begin(records))
        self.began, self.revision = True, max(revisions.values())

    async def applied(self) -> None:
        """Wait until all deliverers work with what was declared."""
        async with asyncio.timeout(SOON):
            while any(pod.applied.revision < self.revision for pod in await read_live(self.queue.link)):
                await asyncio.sleep(0.01)

    async def post(
        self, *records: CallbackRecord, priority: Priority = Priority.NORMAL, tenant: str = "prd_shop", **more: Any
    ) -> Notification:
        """Accept a notification for these callbacks, as the gateway does."""
        intake = Intake(self.queue)
        now = time.time_ns() // 1_000_000
        id_ = intake.new_id(tenant, None, now)
        body = orjson.dumps(
            {"type": "order.paid", "timestamp": "2026-11-21T08:00:00Z", "data": {"order": len(self.posted)}}
        )
        targets = tuple(Target(record.id, record.key.removeprefix("callback/")) for record in records)
        fields: dict[str, Any] = {"config_revision": self.revision} | more
        notification = Notification(id_, tenant, "shop/shop", "order.paid", body, priority, now, targets, **fields)
        await intake.enqueue(notification)
        self.posted.append(notification)
        return notification

    async def stored(self, notification: Notification) -> Stored:
        """As it stands."""
        stored = await Ledger(self.queue).get(notification.id)
        assert stored is not None
        return stored

    async def settled(self, notification: Notification) -> Stored:
        """As it stands once nothing of it waits any more."""
        async with asyncio.timeout(SOON):
            while True:
                stored = await self.stored(notification)
                if all(delivery.state is not DeliveryState.WAITING for delivery in stored.deliveries):
                    return stored
                await asyncio.sleep(0.01)

    async def counters(self) -> dict[str, int]:
        """Totals, with what waits."""
        backlog = await Census(self.queue).backlog()
        waiting = sum(backlog.ready.values()) + sum(backlog.in_flight.values()) + backlog.scheduled + backlog.parked
        return {name: backlog.counters.get(name, 0) for name in ("accepted", "delivered", "refused", "dead")} | {
            "waiting": waiting
        }

    async def standing(self, **expected: int) -> None:
        """Wait until the totals are these, those that are not named being anything."""
        async with asyncio.timeout(SOON):
            while not expected.items() <= (await self.counters()).items():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def world(redis: RedisSettings) -> AsyncIterator[World]:
    """Over this store."""
    async with Queue(redis) as queue:
        yield World(redis, queue, ConfigStore(queue.link))


@asynccontextmanager
async def deliverer(configured: DelivererSettings) -> AsyncIterator[asyncio.Event]:
    """A deliverer in this loop; setting the event it gives stops it, as does leaving."""
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run(configured, stop, ready))
    waiter = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED, timeout=SOON)
    waiter.cancel()
    try:
        if task.done():
            await task
        yield stop
    finally:
        stop.set()
        await task


@asynccontextmanager
async def process(redis: RedisSettings, pod: str, **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A deliverer in a process of its own, for killing."""
    environment = os.environ | {
        "ANGARIUM_REDIS_URL": redis.url.get_secret_value(), "ANGARIUM_POD": pod, "ANGARIUM_SEAL_KEYS": SEAL_KEY,
        "ANGARIUM_PROBE_HOST": "127.0.0.1", "ANGARIUM_PROBE_PORT": "0", "ANGARIUM_EGRESS_ALLOWED_CIDRS": "127.0.0.0/8",
        "ANGARIUM_DELIVERER_SLOTS": "32",
    } | more  # fmt: skip
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "angarium_deliverer", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
