"""Attempts at a callback's endpoint as deliverers begin and settle them: the queue itself writes the rows of health."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from tests.cluster.operating import Stage

from angarium.config import ConfigTail
from angarium.notifications import Notification, Priority, Target
from angarium.queue import CallbackHealth, Census, Consumer, Intake, Queue, Settlement, Started
from angarium.queue.codec import read_standing, write_standing
from angarium.records import CallbackRecord
from angarium.retries import Move


def record(stage: Stage, tail: ConfigTail, name: str = "warehouse") -> CallbackRecord:
    """Of a callback, as a pod has it."""
    found = tail.records[f"callback/{stage.namespace}/{name}"]
    assert isinstance(found, CallbackRecord)
    return found


@dataclass
class Attempts:
    """At the endpoint that a callback had when this was made."""

    queue: Queue
    consumer: Consumer
    record: CallbackRecord

    async def begin(self, count: int) -> list[Started]:
        """So many attempts, under way."""
        intake, target = Intake(self.queue), Target(self.record.id, f"{self.record.namespace}/{self.record.name}")
        for _ in range(count):
            now = time.time_ns() // 1_000_000
            id_ = intake.new_id(self.record.tenant, None, now)
            body = b'{"type":"order.paid","data":1}'
            await intake.enqueue(
                Notification(id_, self.record.tenant, "shop", "order.paid", body, Priority.NORMAL, now, (target,))
            )
        started: list[Started] = []
        while len(started) < count:  # an endpoint that has never answered gets one to begin with
            taken = (await self.consumer.take(count - len(started))).started
            assert taken
            started += taken
        return started

    async def end(self, *started: Started, reason: str = "", gone: bool = False) -> None:
        """Well, unless a reason or `gone` is given."""
        move = Move.REFUSED if gone else Move.RETRY if reason else Move.DELIVERED
        for attempt in started:
            await self.consumer.settle(
                Settlement(attempt, move, reason, delay=3600, endpoint=self.record.endpoint, gone=gone)
            )

    async def fail(self, count: int = 1, reason: str = "http_503") -> None:
        """So many attempts fail."""
        await self.end(*await self.begin(count), reason=reason)

    async def known(self) -> CallbackHealth:
        """What the queue says of it."""
        return (await Census(self.queue).callbacks())[self.record.id]

    async def age(self, hours: float) -> None:
        """Let the first of the failures have been so much earlier: nobody can wait for days."""
        key = self.queue.shards[0].callback_standing
        known = read_standing(await self.queue.link.call("HGET", key, self.record.id))
        earlier = replace(known, first_failure=known.first_failure - int(hours * 3_600_000))
        await self.queue.link.call("HSET", key, self.record.id, write_standing(earlier))


@contextlib.asynccontextmanager
async def attempting(stage: Stage, tail: ConfigTail) -> AsyncIterator[Attempts]:
    """A deliverer's hands, for the callback as it is now."""
    async with Queue(stage.redis) as queue, Consumer(queue, "deliverer-0", block=0.1) as consumer:
        await queue.prepare()
        yield Attempts(queue, consumer, record(stage, tail))
