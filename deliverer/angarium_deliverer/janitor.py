"""Forgets finished notifications whose retention is over."""

from angarium.queue import Queue, Upkeep

PAUSE = 30.0  # s
LIMIT = 200


class Janitor:
    """One round clears what is due, in portions that leave Redis time for others."""

    def __init__(self, queue: Queue, upkeep: Upkeep) -> None:
        self._queue, self._upkeep = queue, upkeep

    async def step(self) -> float:
        """One portion of each shard; at once again while there is more."""
        gone = [await self._upkeep.expire(keys, LIMIT) for keys in self._queue.shards]
        return 0.0 if any(count == LIMIT for count in gone) else PAUSE
