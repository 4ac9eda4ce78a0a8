"""Accepting: a notification is stored with all its deliveries by one script, or not at all."""

import hashlib
import time
from dataclasses import dataclass, replace

from angarium.errors import StorageUnavailable
from angarium.identifiers import created_ms, notification_id
from angarium.keys import ShardKeys
from angarium.link import Link
from angarium.notifications import Notification
from angarium.queue.codec import write_doc
from angarium.queue.layout import Layout
from angarium.queue.queue import Queue, script

ENQUEUE = script("enqueue")
REDRIVE = script("redrive", prelude="lines redriving")
IDEMPOTENCY_S = 24 * 3600
AGREED = "~"  # before the id that a key stands for: agreed on between shards, and not necessarily stored yet


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class Idempotency:
    """A caller's key and the hash of what was asked with it (no spaces)."""

    key: str
    fingerprint: str


@dataclass(slots=True)  # not frozen: angarium.notifications says why
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

    def __init__(self, queue: Queue, layout: Layout | None = None) -> None:
        """`layout`: where the number of shards may change; then nothing is accepted before it is known."""
        self._queue, self._layout = queue, layout

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
        *,
        replicated: bool = False,
    ) -> Accepted:
        """Store it, where `replicated` on replicas too; raises IdempotencyConflict, BacklogFull, StorageFull,
        StorageUnavailable (NotReplicated: it may be stored)."""
        link = self._queue.confirmed if replicated else self._queue.link
        if self._layout and not self._layout.known.is_set():
            raise StorageUnavailable("it is not known yet which shards are in use")
        homes = self._homes(notification, idempotency)
        if idempotency and len(homes) > 1:
            said = await self._agree(link, homes, notification, idempotency)
        else:
            accepted = await self._store(link, notification, idempotency, backlog_quota)
            if not accepted.replay:
                return accepted
            said = accepted.id
        return await self._kept(link, said, notification, backlog_quota)

    async def known(self, tenant: str, idempotency: Idempotency) -> str | None:
        """The id of what was accepted with this key before, where the same was asked."""
        for keys in self._queue.homes(tenant, idempotency.key.encode()):
            value: bytes | None = await self._queue.link.call("GET", _key(keys, tenant, idempotency))
            if value is not None:
                id_, _, fingerprint = value.decode("ascii").partition(" ")
                return id_.removeprefix(AGREED) if fingerprint == idempotency.fingerprint else None
        return None

    def _homes(self, notification: Notification, idempotency: Idempotency | None) -> list[ShardKeys]:
        if idempotency is None or len(self._queue.counts) == 1:
            return []
        return self._queue.homes(notification.tenant, idempotency.key.encode())

    async def _agree(
        self, link: Link, homes: list[ShardKeys], notification: Notification, idempotency: Idempotency
    ) -> str:
        """The id of the key's notification, the same in all its homes: who comes first says it, the others take it."""
        said = AGREED + notification.id
        for keys in homes:
            name, value = _key(keys, notification.tenant, idempotency), f"{said} {idempotency.fingerprint}"
            known = await link.call("SET", name, value, "NX", "GET", "EX", IDEMPOTENCY_S)
            said, fingerprint = (known.decode("ascii") if known else value).split(" ")
            if fingerprint != idempotency.fingerprint:
                raise IdempotencyConflict
        return said

    async def _kept(self, link: Link, said: str, notification: Notification, backlog_quota: int | None) -> Accepted:
        """Under the id that the key stands for. Where one is agreed on, whoever asks makes sure that it is stored too;
        unless it may have been finished and forgotten since."""
        id_ = said.removeprefix(AGREED)
        fresh = time.time() * 1000 < created_ms(id_) + notification.retention_s * 1000
        if said != id_ and (fresh or id_ == notification.id):
            await self._store(link, replace(notification, id=id_), None, backlog_quota)
        return Accepted(id_, replay=id_ != notification.id)

    async def _store(
        self, link: Link, notification: Notification, idempotency: Idempotency | None, backlog_quota: int | None
    ) -> Accepted:
        keys = self._queue.keys_of(notification.id)
        stored_at = keys.notification(notification.id)
        key = _key(keys, notification.tenant, idempotency) if idempotency else ""
        answer, *rest = await ENQUEUE.run(
            link,
            [stored_at, key or stored_at],
            [notification.id, write_doc(notification), notification.body, notification.tenant, notification.lane,
             notification.due_ms, idempotency.fingerprint if idempotency else "", IDEMPOTENCY_S, backlog_quota or 0,
             notification.retention_s, *[target.id for target in notification.targets]],
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


def _key(keys: ShardKeys, tenant: str, idempotency: Idempotency) -> str:
    return keys.idempotency(tenant, hashlib.sha256(idempotency.key.encode()).hexdigest()[:40])
