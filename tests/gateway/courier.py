"""A stand-in for deliverers: takes what the gateway has stored and settles it."""

import asyncio

import orjson

from angarium.queue import Consumer, Queue, Settlement, Started, Upkeep
from angarium.retries import Move


class Courier:
    """Settles what the gateway has stored, as a deliverer would."""

    def __init__(self, queue: Queue, consumer: Consumer) -> None:
        self._consumer, self._upkeep = consumer, Upkeep(queue, consumer.name)
        self._shard = queue.shards[0]

    async def settle(self, move: Move, reason: str = "", delay: float = 0.0) -> list[str]:
        """End the next attempt of all that is ready (at least one); their delivery ids."""
        started = await self._begin()
        for each in started:
            await self._end(each, move, reason, delay)
        return [each.attempt.delivery for each in started]

    async def settle_each(self, *moves: Move) -> None:
        """End the next attempt of as many deliveries, in the order of their ids, each in its own way."""
        started: list[Started] = []
        while len(started) < len(moves):
            started += await self._begin()
        for each, move in zip(sorted(started, key=lambda each: each.attempt.delivery), moves, strict=True):
            await self._end(each, move, "" if move is Move.DELIVERED else "http_503", 0.0)

    async def promote(self) -> None:
        """Move what is scheduled and due to its line."""
        async with asyncio.timeout(10):
            while not (await self._upkeep.promote(self._shard)).moved:
                await asyncio.sleep(0.01)

    async def _begin(self) -> list[Started]:
        started: list[Started] = []
        async with asyncio.timeout(10):
            while True:
                taken = (await self._consumer.take(100)).started
                if started and not taken:
                    return started
                started += taken
                if not started:
                    await self._consumer.wait()

    async def _end(self, started: Started, move: Move, reason: str, delay: float) -> None:
        entry = self._entry(started, move, reason)
        await self._consumer.settle(Settlement(started, move, reason, delay, entry))

    @staticmethod
    def _entry(started: Started, move: Move, reason: str) -> bytes:
        attempt = started.attempt
        response = {"status": 200 if move is Move.DELIVERED else 503, "body": "hello", "truncated": False}
        return orjson.dumps(
            {
                "type": "attempt",
                "delivery": attempt.delivery,
                "callback": attempt.target.name.partition("/")[2],
                "number": attempt.number,
                "outcome": move.value,
                "reason": reason,
                "durationMs": 2,
                "response": response,
            }
        )
