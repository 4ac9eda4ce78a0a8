"""`make chaos ARGS=--retention`: a million notifications come, end and are forgotten; Redis is as small as before.

The queue is driven without HTTP on either side, since what is watched is Redis. Every tenth ends badly, so that the
lists of failures are filled too.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import redis.asyncio
from pydantic import SecretStr
from tests.chaos.fleet import Valkey

from angarium.notifications import Notification, Priority, Target
from angarium.queue import Consumer, Intake, Queue, Settlement, Started, Upkeep
from angarium.retries import Move
from angarium.settings import RedisSettings

BATCH = 500
SLACK = 0.10  # of the peak: what the allocator and script caches may keep
TENANTS, CALLBACKS = 20, 50
BODY = b'{"type":"order.paid","data":"' + b"x" * 1000 + b'"}'


@dataclass(frozen=True)
class Size:
    """Of Redis."""

    keys: int
    bytes: int


async def run(folder: Path, notifications: int) -> bool:
    """Print sizes; whether what was forgotten left nothing."""
    valkey = Valkey(folder)
    await valkey.start()
    try:
        async with (
            redis.asyncio.Redis.from_url(valkey.url) as client,
            Queue(RedisSettings(url=SecretStr(valkey.url))) as queue,
        ):
            await cycle(queue, 2 * BATCH, retention_s=0)
            before = await size(client)
            began = time.monotonic()
            await fill(queue, notifications, retention_s=20)
            peak = await size(client)
            await forget(queue)
            after = await size(client)
            print(f"{notifications:,} notifications of 1 KiB in {time.monotonic() - began:.0f} s\n")
            print("| | keys | memory |\n|---|---|---|")
            for name, each in (("before", before), ("at most seen", peak), ("forgotten", after)):
                print(f"| {name} | {each.keys:,} | {each.bytes / 1e6:.2f} MB |")
            kept = after.keys == before.keys and after.bytes - before.bytes < max(200_000, SLACK * before.bytes)
            print(f"\n{'kept' if kept else '**BROKEN**'}")
            return kept
    finally:
        await valkey.kill()


async def size(client: redis.asyncio.Redis) -> Size:
    """Now; the allocator gives back first."""
    await client.execute_command("MEMORY", "PURGE")  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    return Size(await client.dbsize(), (await client.info("memory"))["used_memory"])


async def cycle(queue: Queue, notifications: int, retention_s: int) -> None:
    """Come, end, be forgotten."""
    await fill(queue, notifications, retention_s)
    await forget(queue)


async def fill(queue: Queue, notifications: int, retention_s: int) -> None:
    """Accept and end so many; those whose time has come are forgotten meanwhile."""
    intake, upkeep = Intake(queue), Upkeep(queue, "janitor")
    async with Consumer(queue, "courier", block=0.2) as consumer:
        for first in range(0, notifications, BATCH):
            numbers = range(first, min(first + BATCH, notifications))
            await asyncio.gather(*[intake.enqueue(_notification(intake, n, retention_s)) for n in numbers])
            while (taken := await consumer.take(BATCH)).started:
                await asyncio.gather(*[consumer.settle(_end(n, each)) for n, each in enumerate(taken.started)])
            for keys in queue.shards:
                await upkeep.expire(keys, BATCH)
        await consumer.leave()


async def forget(queue: Queue) -> None:
    """Wait until the retention of all is over, and clear them."""
    upkeep = Upkeep(queue, "janitor")
    for keys in queue.shards:
        while await queue.link.call("ZCARD", keys.expiry):
            if not await upkeep.expire(keys, BATCH):
                await asyncio.sleep(0.1)


def _notification(intake: Intake, number: int, retention_s: int) -> Notification:
    tenant, callback, now = f"prd_{number % TENANTS}", number % CALLBACKS, time.time_ns() // 1_000_000
    return Notification(
        intake.new_id(tenant, None, now), tenant, "shop/shop", "order.paid", BODY, Priority.NORMAL, now,
        (Target(f"cbk_{callback}", f"shop/c{callback}"),), retention_s=retention_s,
    )  # fmt: skip


def _end(number: int, started: Started) -> Settlement:
    bad = number % 10 == 9
    move, reason = (Move.REFUSED, "gone") if bad else (Move.DELIVERED, "")
    return Settlement(started, move, reason, timeline=b'{"type":"attempt"}')
