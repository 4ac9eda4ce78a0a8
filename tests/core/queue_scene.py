"""A queue with several tenants for tests of who is served when: real Valkey, and its own clock.

Time is Redis's. A test that needs time to pass writes the times that are stored back into the past instead of waiting.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import redis.asyncio

from angarium.keys import ShardKeys
from angarium.notifications import Notification, Priority, Target
from angarium.queue import Census, Consumer, Intake, Limit, Queue, Settlement, Started, Upkeep
from angarium.queue.codec import Standing, read_standing, write_standing
from angarium.retries import Move
from angarium.settings import RedisSettings


@dataclass
class Scene:
    """One shard, looked at from inside. A callback's tenant is what stands before its dash: `shop-1` is of `shop`."""

    queue: Queue
    redis: Any  # redis-py's replies are unions over protocols
    revision: int = 0

    @property
    def keys(self) -> ShardKeys:
        """Of its only shard."""
        return self.queue.shards[0]

    @property
    def upkeep(self) -> Upkeep:
        """Of nobody in particular."""
        return Upkeep(self.queue, "upkeep")

    def consumer(self, name: str = "a") -> Consumer:
        """One pod."""
        return Consumer(self.queue, name, block=0.2)

    async def post(self, callback: str, count: int = 1, priority: Priority = Priority.NORMAL, **more: Any) -> None:
        """So many notifications for this callback alone."""
        intake, now, tenant = Intake(self.queue), time.time_ns() // 1_000_000, callback.partition("-")[0]

        async def one() -> None:
            await intake.enqueue(
                Notification(
                    intake.new_id(tenant, None, now), tenant, "shop/shop", "order.paid", b"{}", priority, now,
                    (Target(callback, f"shop/{callback}"),), **more,
                )
            )  # fmt: skip

        for first in range(0, count, 1000):
            await asyncio.gather(*[one() for _ in range(min(1000, count - first))])

    async def standing(self, callback: str) -> Standing:
        """How a callback stands."""
        raw = await self.redis.hget(self.keys.callback_standing, callback)
        return read_standing(raw) if raw else Standing()

    async def alter(self, callback: str, **fields: Any) -> None:
        """Write some of it."""
        changed = replace(await self.standing(callback), **fields)
        await self.redis.hset(self.keys.callback_standing, callback, write_standing(changed))

    async def known_good(self, *callbacks: str) -> None:
        """These have answered before."""
        for callback in callbacks:
            await self.alter(callback, delivered=1)

    async def age(self, callback: str, seconds: float) -> None:
        """Let this time pass for a callback: every time that is kept of it lies so much further back."""
        ms = round(seconds * 1000)
        now = await self.standing(callback)
        names = ("probe", "opened", "window", "delivered", "first_failure", "last_failure")
        back = {name: max(1, value - ms) for name in names if (value := getattr(now, name))}
        if now.rate_from:
            back["rate_from"] = now.rate_from - ms * 1000
        await self.alter(callback, **back)
        for member, at in await self.redis.zrange(self.keys.paused, 0, -1, withscores=True):
            if member.decode().split(" ")[2] == callback:
                await self.redis.zadd(self.keys.paused, {member: at - ms})
        await self.upkeep.promote(self.keys)

    async def limit(self, name: str, text: str, tenant: str | None = None, revision: int = 0) -> None:
        """Tell a callback's limits, or with an empty `tenant` a tenant's weight."""
        self.revision = revision or self.revision + 1
        owner = name.partition("-")[0] if tenant is None else tenant
        await self.upkeep.limit(self.keys, [Limit(name, owner, self.revision, text)])

    async def seated(self, callback: str, lane: str = "normal") -> bool:
        """Whether it is in its tenant's ring."""
        tenant = callback.partition("-")[0]
        return callback.encode() in await self.redis.lrange(self.keys.ring(lane, tenant), 0, -1)

    async def waiting(self, callback: str, lane: str = "normal") -> int:
        """Tickets in its line."""
        return int(await self.redis.llen(self.keys.line(lane, callback)))

    async def census(self) -> Any:
        """The backlog."""
        return await Census(self.queue).backlog()


def callbacks(started: Iterable[Started]) -> Counter[str]:
    """How many of each."""
    return Counter(item.entry.ticket.callback for item in started)


def tenants(started: Iterable[Started]) -> Counter[str]:
    """How many of each."""
    return Counter(item.entry.ticket.tenant for item in started)


async def settle(consumer: Consumer, started: Iterable[Started], move: Move = Move.DELIVERED, **more: Any) -> None:
    """End these one after the other; a failure is tried again in an hour."""
    fields = {"reason": "" if move is Move.DELIVERED else "http_503", "delay": 3600.0, "endpoint": "e"} | more
    for item in started:
        assert await consumer.settle(Settlement(item, move, **fields)) is not None


@asynccontextmanager
async def scene(settings: RedisSettings, client: redis.asyncio.Redis) -> AsyncIterator[Scene]:
    """Over an empty server."""
    async with Queue(settings) as queue:
        yield Scene(queue, client)
