"""Tells of notifications that have ended: to the callbacks of their tenant that asked for it, as notifications do.

Settling notes an end in Redis, and this pod tells of it at once; what a pod that died has not told, others find.
Telling twice makes no second notification: its id follows from the end.
"""

import asyncio
import contextlib
import logging
from itertools import islice

import orjson

from angarium.config import ConfigTail
from angarium.errors import StorageFull, StorageUnavailable
from angarium.identifiers import announcement_id
from angarium.notifications import Delivery, Notification, Status, Stored, Target
from angarium.payload import instant, payload
from angarium.queue import Ending, Endings, Intake, Ledger, Queue
from angarium.telemetry.metrics import LOOP_ERRORS
from angarium_deliverer.hearers import Hearers

log = logging.getLogger(__name__)
LOOK_EVERY = 15.0  # s
LATE_MS = 5000  # after so long an end was left by somebody who died
MOST_HEARD = 10_000
MOST_FOUND, SOON_AGAIN = 200, 1.0  # in one look at a shard; s until the next where there are more
AT_ONCE = 32
MOST_TOLD = 100  # deliveries of a notification that are named; how many more there are is told


class Announcer:
    """Tells what it hears of, and looks now and then for what others have left."""

    def __init__(self, queue: Queue, hearers: Hearers, tail: ConfigTail) -> None:
        self._queue, self._hearers, self._tail = queue, hearers, tail
        self._endings, self._ledger, self._intake = Endings(queue), Ledger(queue), Intake(queue)
        self._waiting: dict[Ending, None] = {}
        self._heard = asyncio.Event()
        self._look_at = 0.0  # loop time

    def hear(self, ending: Ending) -> None:
        """A notification has ended. What is too much to remember is found by looking."""
        if len(self._waiting) < MOST_HEARD:
            self._waiting[ending] = None
            self._heard.set()

    async def step(self) -> float:
        """Tell what there is, then wait for more."""
        if asyncio.get_running_loop().time() >= self._look_at:
            await self._look()
        self._heard.clear()
        await self.tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._look_at):
                await self._heard.wait()
        return 0.0

    async def _look(self) -> None:
        pause = LOOK_EVERY
        for keys in self._queue.reachable:
            left = await self._endings.untold(keys, LATE_MS, MOST_FOUND)
            self._waiting |= dict.fromkeys(left)
            if len(left) == MOST_FOUND:
                pause = SOON_AGAIN
        self._look_at = asyncio.get_running_loop().time() + pause

    async def tell(self) -> None:
        """All that there is. What can't be told holds up nothing else: it is found again later. Raises StorageFull and
        StorageUnavailable; what could not be told then is not forgotten."""
        while self._waiting:
            batch = list(islice(self._waiting, AT_ONCE))
            away: Exception | None = None
            for ending, error in zip(
                batch, await asyncio.gather(*map(self._tell, batch), return_exceptions=True), strict=True
            ):
                if isinstance(error, StorageUnavailable | StorageFull):
                    away = error
                    continue
                del self._waiting[ending]
                if error:
                    LOOP_ERRORS.labels("announce").inc()
                    log.error("an end was not told", exc_info=error, extra={"notification": ending.notification})
            if away:
                raise away

    async def _tell(self, ending: Ending) -> None:
        stored = await self._ledger.get(ending.notification)
        if stored and _stands(stored, ending):
            event = event_of(stored.status)
            hearers = self._hearers.of(stored.notification.tenant, event)
            if hearers:
                await self._intake.enqueue(compose(stored, ending, event, hearers, self._tail.revision))
        await self._endings.told(ending)


def _stands(stored: Stored, ending: Ending) -> bool:
    """Whether that is still its end. Else it goes on and will end once more, or has: that is told then."""
    return stored.status is not Status.PENDING and all(each.changed_ms <= ending.at_ms for each in stored.deliveries)


def event_of(status: Status) -> str:
    """What is told of: refused, also where it is so for some of several recipients."""
    return "notification.delivered" if status is Status.DELIVERED else "notification.refused"


def compose(stored: Stored, ending: Ending, event: str, hearers: tuple[Target, ...], revision: int) -> Notification:
    """The notification that tells of another's end."""
    told = stored.notification
    return Notification(
        id=announcement_id(told.id, ending.at_ms),
        tenant=told.tenant,
        product=told.product,
        event=event,
        body=payload(event, ending.at_ms, orjson.dumps(_data(stored))),
        priority=told.priority,
        created_ms=ending.at_ms,
        targets=hearers,
        retention_s=told.retention_s,
        by="angarium",
        config_revision=revision,
        trace=told.trace,
    )


def _data(stored: Stored) -> dict[str, object]:
    told = stored.notification
    return {
        "id": told.id,
        "event": told.event,
        "status": stored.status.value,
        "createdAt": instant(told.created_ms),
        "deliveries": [_delivery(delivery) for delivery in stored.deliveries[:MOST_TOLD]],
        "more": max(0, len(stored.deliveries) - MOST_TOLD),
    }


def _delivery(delivery: Delivery) -> dict[str, object]:
    target, found = delivery.target, delivery.recipients
    document: dict[str, object] = {"id": delivery.id, "status": delivery.status.value}
    document |= {"channel": target.name, "to": target.to} if target.to else {"callback": target.name}
    if delivery.reason:
        document["reason"] = delivery.reason
    if found:
        refused = found.refused + found.dead
        document["recipients"] = {"total": found.total, "delivered": found.delivered, "refused": refused}
    return document
