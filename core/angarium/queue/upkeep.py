"""Keeping the queue in order: what is due is moved, what is finished forgotten, limits told. Any deliverer may."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from angarium.keys import GROUP, ShardKeys
from angarium.link import Argument
from angarium.queue.queue import Queue, script

PROMOTE = script("promote")
EXPIRE = script("expire", prelude="")
LIMIT = script("limit")
SILENT = script("silent", prelude="")
LONGEST_PAUSE_MS = 120_000  # of a callback that is looked at again by the clock; longer ones come from a clock put back
LARGEST_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Promotion:
    """`wait`: seconds until the next is due, None when nothing is."""

    moved: int
    wait: float | None


@dataclass(frozen=True, slots=True)
class Limit:
    """What a shard is told of a callback, or of a tenant (whose weight it is; `tenant` is empty then)."""

    name: str
    tenant: str
    revision: int
    text: str = ""  # as limit.lua has it; empty: the default


class Upkeep:
    """`name`: the consumer that does it, whose own silence is none."""

    def __init__(self, queue: Queue, name: str) -> None:
        self._queue, self._name = queue, name
        self._hasty = queue.link.hasty()

    async def promote(self, keys: ShardKeys, limit: int = 500) -> Promotion:
        """Move what is due in one shard to its lines, and seat callbacks that may go on."""
        moved, wait = await PROMOTE.run(self._hasty, [keys.counters], [limit, LONGEST_PAUSE_MS])
        return Promotion(moved, None if wait < 0 else wait / 1000)

    async def limit(self, keys: ShardKeys, limits: Iterable[Limit]) -> int:
        """Tell one shard; how many were news to it."""
        values: list[Argument] = [
            value for each in limits for value in (each.name, each.tenant, each.revision, each.text)
        ]
        step = 4 * LARGEST_LIMIT
        chunks = [values[first : first + step] for first in range(0, len(values), step)]
        return sum([int(await LIMIT.run(self._queue.link, [keys.counters], chunk)) for chunk in chunks])

    async def limited(self, keys: ShardKeys) -> set[str]:
        """Callbacks and tenants that one shard knows limits or weights of."""
        return {name.decode() for name in await self._queue.link.call("HKEYS", keys.limits)}

    async def expire(self, keys: ShardKeys, limit: int = 200) -> int:
        """Forget finished notifications whose retention is over; how many were."""
        link = self._queue.link
        now = await link.call("TIME")
        members = await link.call("ZRANGE", keys.expiry, "-inf", int(now[0]) * 1000, "BYSCORE", "LIMIT", 0, limit)
        answers = await asyncio.gather(*[self._expire(keys, member.decode("ascii")) for member in members])
        return sum(answers)

    async def _expire(self, keys: ShardKeys, member: str) -> int:
        notification, tenant = member.split(" ")
        names = [
            keys.expiry,
            keys.notification(notification),
            keys.timeline(notification),
            keys.index(tenant),
            keys.failed(tenant),
            keys.failing_parts(notification),
            keys.dead,
        ]
        return int(await EXPIRE.run(self._queue.link, names, [member, notification, tenant]))

    async def silent(self, seconds: float) -> set[str]:
        """Other consumers that have asked for nothing for so long: busy, dead, or gone."""
        names: set[str] = set()
        for keys in self._queue.shards:
            arguments: list[Argument] = [GROUP, round(seconds * 1000), self._name]
            names |= {name.decode() for name in await self._queue.grouped(SILENT, keys, arguments)}
        return names
