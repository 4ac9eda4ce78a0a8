"""Accepting: a notification is stored with all its deliveries by one script, or not at all."""

import hashlib
from dataclasses import dataclass

from angarium.identifiers import notification_id
from angarium.notifications import Notification
from angarium.queue.codec import write_doc
from angarium.queue.queue import Queue, script

ENQUEUE = script("enqueue")
REDRIVE = script("redrive")
IDEMPOTENCY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key and the hash of what was asked with it (no spaces)."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """`id` is that of the notification; with `replay`, of the one that was accepted with this key before."""

    id: str
    replay: bool = False


class IdempotencyConflict(Exception):
    """The key was used with another request."""


class BacklogFull(Exception):
    """The tenant has as much waiting as its quota allows."""


class Intake:
    """What the gateway writes."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def new_id(self, tenant: str, idempotency: Idempotency | None, now_ms: int) -> str:
        """An id in the shard where the tenant's notification of this key belongs."""
        if self._queue.count == 1:
            return notification_id(0, now_ms)
        fresh = notification_id(0, now_ms)
        key = (idempotency.key if idempotency else fresh).encode()
        return notification_id(self._queue.shard_for(tenant, key), now_ms)

    async def enqueue(
        self,
        notification: Notification,
        idempotency: Idempotency | None = None,
        backlog_quota: int | None = None,
    ) -> Accepted:
        """Store it; raises IdempotencyConflict, BacklogFull, StorageFull, StorageUnavailable."""
        keys = self._queue.keys_of(notification.id)
        stored_at = keys.notification(notification.id)
        key = fingerprint = ""
        if idempotency:
            key = keys.idempotency(notification.tenant, hashlib.sha256(idempotency.key.encode()).hexdigest()[:40])
            fingerprint = idempotency.fingerprint
        answer, *rest = await ENQUEUE.run(
            self._queue.link,
            [stored_at, key or stored_at],
            [notification.id, write_doc(notification), notification.body, notification.tenant, notification.lane,
             notification.due_ms, fingerprint, IDEMPOTENCY_S, backlog_quota or 0, notification.retention_s,
             *[target.id for target in notification.targets]],
        )  # fmt: skip
        match answer:
            case b"stored":
                return Accepted(notification.id)
            case b"replay":
                return Accepted(rest[0].decode("ascii"), replay=True)
            case b"conflict":
                raise IdempotencyConflict
            case _:
                raise BacklogFull(rest[0])

    async def redrive(self, notification: Notification, indices: list[int], entry: bytes) -> list[str]:
        """Try these deliveries again; `entry` is the JSON that the timeline shows.

        For each: redriven, hastened (it was scheduled), in_flight, delivered or unknown.
        """
        keys = self._queue.keys_of(notification.id)
        pairs = [text for index in indices for text in (str(index), notification.targets[index].id)]
        answers = await REDRIVE.run(
            self._queue.link,
            [keys.notification(notification.id)],
            [notification.id, notification.tenant, notification.priority.value, entry, *pairs],
        )
        return [answer.decode("ascii") for answer in answers]
