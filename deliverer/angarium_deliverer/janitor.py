"""Forgets finished notifications whose retention is over, and shards that nothing is left of."""

import asyncio

from angarium.queue import Layout, Queue, Upkeep

PAUSE = 30.0  # s
LIMIT = 200
SHARDS_EVERY = 3600.0  # s


class Janitor:
    """One round clears what is due, in portions that leave Redis time for others."""

    def __init__(self, queue: Queue, upkeep: Upkeep, layout: Layout) -> None:
        self._queue, self._upkeep, self._layout = queue, upkeep, layout
        self._shards_at = 0.0

    async def step(self) -> float:
        """One portion of each shard; at once again while there is more."""
        gone = [await self._upkeep.expire(keys, LIMIT) for keys in self._queue.shards]
        now = asyncio.get_running_loop().time()
        if now >= self._shards_at:
            await self._layout.forget()
            self._shards_at = now + SHARDS_EVERY
        return 0.0 if any(count == LIMIT for count in gone) else PAUSE
