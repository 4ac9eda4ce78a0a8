"""Moves what is due from the schedule to its line, and lets callbacks go on whose pause is over.

It sleeps until the next is due, at most LONGEST: another pod may have scheduled something sooner, or have died.
"""

import asyncio

from angarium.queue import Queue, Upkeep

LONGEST = 2.0  # s
LIMIT = 500


class Promoter:
    """Promotes, round after round, every shard in reach; `hurry` shortens the sleep for what this pod has scheduled."""

    def __init__(self, queue: Queue, upkeep: Upkeep) -> None:
        self._queue, self._upkeep = queue, upkeep
        self._sooner = asyncio.Event()
        self._until = 0.0  # loop time at which the sleep ends

    def hurry(self, delay: float) -> None:
        """Something is due in `delay` seconds."""
        at = asyncio.get_running_loop().time() + delay
        if at < self._until:
            self._until = at
            self._sooner.set()

    async def step(self) -> float:
        """Promote what is due, then sleep; 0 for the loop, which need not sleep again."""
        promotions = [await self._upkeep.promote(keys, LIMIT) for keys in self._queue.reachable]
        waits = [LONGEST if promotion.wait is None else promotion.wait for promotion in promotions]
        await self._sleep(min(*waits, LONGEST))
        return 0.0

    async def _sleep(self, pause: float) -> None:
        loop = asyncio.get_running_loop()
        self._until = loop.time() + pause
        while (left := self._until - loop.time()) > 0:
            self._sooner.clear()
            try:
                async with asyncio.timeout(left):
                    await self._sooner.wait()
            except TimeoutError:
                return
