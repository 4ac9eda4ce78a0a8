"""Moves what is due from the schedule to its lane, and waiting lines of callbacks that were resumed.

It sleeps until the next is due, at most LONGEST: another pod may have scheduled something sooner, or have died.
"""

import asyncio

from angarium.queue import Consumer, Queue
from angarium_deliverer.directory import Directory

LONGEST = 2.0  # s
LIMIT = 500


class Promoter:
    """One round promotes every shard; `hurry` shortens the sleep for what this pod has just scheduled."""

    def __init__(self, queue: Queue, consumer: Consumer, directory: Directory) -> None:
        self._queue, self._consumer, self._directory = queue, consumer, directory
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
        waits = [await self._shard(index) for index in range(self._queue.count)]
        await self._sleep(min(waits, default=LONGEST))
        return 0.0

    async def _shard(self, index: int) -> float:
        keys = self._queue.shards[index]
        promotion = await self._consumer.promote(keys, LIMIT)
        for callback in promotion.parked:
            subscriber = self._directory.get(callback)
            if subscriber is None or not subscriber.record.suspended:
                await self._consumer.unpark(keys, callback, LIMIT)
        return LONGEST if promotion.wait is None else min(promotion.wait, LONGEST)

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
