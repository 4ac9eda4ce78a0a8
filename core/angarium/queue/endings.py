"""Notifications that have ended and whose tenants want to hear of it, until they have been told."""

from typing import NamedTuple

from angarium.keys import ShardKeys
from angarium.queue.queue import Queue, script

TOLD = script("told", prelude="")


class Ending(NamedTuple):
    """That a notification has ended; `at_ms` by Redis's clock, another one each time."""

    notification: str
    at_ms: int


class Endings:
    """What settle.lua notes in the very step in which the last delivery ends."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def untold(self, keys: ShardKeys, idle_ms: int, limit: int = 200) -> list[Ending]:
        """Those of one shard that have waited for so long: whoever was to tell of them has died."""
        now = await self._queue.link.call("TIME")
        before = int(now[0]) * 1000 + int(now[1]) // 1000 - idle_ms
        found = await self._queue.link.call(
            "ZRANGE", keys.ended, "-inf", before, "BYSCORE", "LIMIT", 0, limit, "WITHSCORES"
        )
        flat = [part for each in found for part in (each if isinstance(each, list) else [each])]
        return [Ending(id_.decode("ascii"), int(float(at))) for id_, at in zip(flat[::2], flat[1::2], strict=True)]

    async def told(self, ending: Ending) -> None:
        """Forget it."""
        keys = self._queue.keys_of(ending.notification)
        await TOLD.run(self._queue.link, [keys.ended], [ending.notification, ending.at_ms])
