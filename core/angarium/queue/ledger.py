"""Reading what was accepted: one notification, its timeline, or a tenant's list of them."""

import asyncio
import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from angarium import cursors
from angarium.cursors import InvalidCursor
from angarium.identifiers import id_bound
from angarium.keys import ShardKeys
from angarium.notifications import Notification, Recipients, Status, Stored, is_group
from angarium.queue.codec import pairs, read_delivery, read_doc
from angarium.queue.queue import Queue, script

SUMMARIES = script("summaries", prelude="")
EXAMINED = 2000  # how many notifications one page may look at; a page may be shorter than asked, its cursor goes on


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed by; times in ms, `since` included, `until` not; `callback` is a target's id."""

    status: Status | None = None
    event: str | None = None
    callback: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def admits(self, stored: Stored) -> bool:
        """Whether a notification belongs in the list."""
        notification = stored.notification
        return (
            (self.status is None or stored.status is self.status)
            and (self.event is None or notification.event == self.event)
            and (self.callback is None or any(target.id == self.callback for target in notification.targets))
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first; `cursor` is None at the end."""

    items: tuple[Stored, ...]
    cursor: str | None


def write_cursor(last: str, filters: Filters, tenant: str) -> str:
    """Opaque to callers."""
    return cursors.write(cursors.bind(tenant, filters), last)


def read_cursor(cursor: str, filters: Filters, tenant: str) -> str:
    """The last id of the page before; raises InvalidCursor."""
    last = cursors.read(cursors.bind(tenant, filters), cursor)
    if len(last) != 30:
        raise InvalidCursor("this is not a cursor")
    return last


class Ledger:
    """What the gateway reads."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def get(self, notification: str) -> Stored | None:
        """One notification with its body; raises InvalidIdentifier."""
        keys = self._queue.keys_of(notification)
        flat = await self._queue.link.call("HGETALL", keys.notification(notification))
        fields = pairs(flat)
        if b"doc" not in fields:
            return None
        body = fields.get(b"body")
        head = read_doc(notification, fields[b"doc"], b"" if body is None else body)
        if body is None and head.part_of:
            body = await self._queue.link.call("HGET", keys.notification(head.part_of), "body")
            head = replace(head, body=body or b"")
        counts = _counts(head, fields)
        states = [fields[b"%d" % index] for index in range(len(head.targets))]
        return _stored(head, states, counts)

    async def waits(self, notification: str) -> bool:
        """Whether anything of it has not ended yet, without reading all of it; raises InvalidIdentifier."""
        keys = self._queue.keys_of(notification)
        return int(await self._queue.link.call("HGET", keys.notification(notification), "open") or 0) > 0

    async def timeline(self, notification: str, latest: int = 0) -> list[dict[str, Any]]:
        """Its entries, oldest first: what the deliverer wrote, with `at_ms`, and `next_ms` (0: none).

        `latest`: so many of the newest alone; 0: all.
        """
        keys = self._queue.keys_of(notification)
        entries = []
        for raw in await self._queue.link.call("LRANGE", keys.timeline(notification), -latest, -1):
            at, due, text = raw.split(b" ", 2)
            entries.append(orjson.loads(text) | {"at_ms": int(at), "next_ms": int(due)})
        return entries

    async def page(self, tenant: str, filters: Filters, limit: int, cursor: str | None = None) -> Page:
        """A page of the tenant's notifications, newest first; raises InvalidCursor."""
        before = read_cursor(cursor, filters, tenant) if cursor else None
        found: list[Stored] = []
        examined = 0
        while True:
            ids = await self._ids(tenant, filters, before, min(limit * 2, 200))
            for stored in await self.summaries(ids):
                before = stored.notification.id
                if filters.admits(stored):
                    found.append(stored)
                if len(found) == limit:
                    return Page(tuple(found), write_cursor(before, filters, tenant))
            before = ids[-1] if ids else before
            examined += len(ids)
            if not ids or before is None:
                return Page(tuple(found), None)
            if examined >= EXAMINED:
                return Page(tuple(found), write_cursor(before, filters, tenant))

    async def _ids(self, tenant: str, filters: Filters, before: str | None, count: int) -> list[str]:
        ends = [bound for bound in (before, filters.until_ms and id_bound(filters.until_ms)) if bound]
        highest = f"({min(ends)}" if ends else "+"
        lowest = f"[{id_bound(filters.since_ms)}" if filters.since_ms else "-"
        replies = await asyncio.gather(
            *[
                self._queue.link.call(
                    "ZRANGE", self._index(keys, tenant, filters), highest, lowest, "BYLEX", "REV", "LIMIT", 0, count
                )
                for keys in self._queue.shards
            ]
        )
        merged = heapq.merge(*[[raw.decode("ascii") for raw in reply] for reply in replies], reverse=True)
        return [id_ for id_, _ in zip(merged, range(count), strict=False)]

    @staticmethod
    def _index(keys: ShardKeys, tenant: str, filters: Filters) -> str:
        failed = filters.status in {Status.REFUSED, Status.PARTIAL}
        return keys.failed(tenant) if failed else keys.index(tenant)

    async def summaries(self, ids: Iterable[str]) -> list[Stored]:
        """Those that there are, in this order, without their bodies."""
        wanted = list(ids)
        by_shard: dict[ShardKeys, list[str]] = {}
        for id_ in wanted:
            by_shard.setdefault(self._queue.keys_of(id_), []).append(id_)
        replies = await asyncio.gather(
            *[
                SUMMARIES.run(self._queue.link, [keys.notification(id_) for id_ in own], [])
                for keys, own in by_shard.items()
            ]
        )
        rows = {
            id_: row
            for own, reply in zip(by_shard.values(), replies, strict=True)
            for id_, row in zip(own, reply, strict=True)
            if row
        }
        found = [(read_doc(id_, rows[id_][0]), rows[id_][1:]) for id_ in wanted if id_ in rows]
        return list(await asyncio.gather(*[self._counted(head, states) for head, states in found]))

    async def _counted(self, head: Notification, states: list[bytes]) -> Stored:
        names = [name for index in _groups(head) for name in _names(index)]
        if not names:
            return _stored(head, states, {})
        key = self._queue.keys_of(head.id).notification(head.id)
        values = await self._queue.link.call("HMGET", key, *names)
        fields = {name.encode(): value for name, value in zip(names, values, strict=True) if value is not None}
        return _stored(head, states, _counts(head, fields))


def _stored(head: Notification, states: list[bytes], recipients: dict[int, Recipients]) -> Stored:
    return Stored(
        head, tuple(read_delivery(head, index, state, recipients.get(index)) for index, state in enumerate(states))
    )


def _groups(head: Notification) -> list[int]:
    return [index for index, target in enumerate(head.targets) if is_group(target)]


def _names(index: int) -> list[str]:
    return [f"g{index}:{name}" for name in ("all", "delivered", "refused", "dead")]


def _counts(head: Notification, fields: Mapping[bytes, bytes]) -> dict[int, Recipients]:
    return {
        index: Recipients(*[int(fields.get(name.encode(), 0)) for name in _names(index)]) for index in _groups(head)
    }
