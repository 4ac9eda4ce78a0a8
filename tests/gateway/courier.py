"""A stand-in for deliverers: takes what the gateway has stored and settles it."""

import asyncio

import orjson

from angarium.queue import Consumer, Entry, Settlement, Started
from angarium.retries import Move


class Courier:
    """Settles what the gateway has stored, as a deliverer would."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def settle(self, move: Move, reason: str = "", delay: float = 0.0) -> list[str]:
        """End the next attempt of all that is ready (at least one); their delivery ids."""
        entries: list[Entry] = []
        async with asyncio.timeout(10):
            while not entries:
                entries = await self._consumer.read(100) or await self._consumer.wait()
        started = await self._consumer.start(entries)
        for each in started:
            await self._consumer.settle(Settlement(each, move, reason, delay, self._entry(each, move, reason)))
        return [each.attempt.delivery for each in started]

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
