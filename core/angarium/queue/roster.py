"""Whom a notification for groups went to, one by one: read part by part, the refused without looking at the others."""

from dataclasses import dataclass

from angarium import cursors
from angarium.cursors import InvalidCursor
from angarium.identifiers import part_id
from angarium.notifications import Delivery, Notification, Status, is_group
from angarium.queue.expander import read_progress
from angarium.queue.ledger import Ledger
from angarium.queue.queue import Queue

MOST_PARTS = 20  # that one page looks at; a page may be shorter than asked, its cursor goes on


@dataclass(frozen=True, slots=True)
class RosterPage:
    """Each with the part that it is in, in the order of the groups; `cursor` is None at the end."""

    items: tuple[tuple[str, Delivery], ...]
    cursor: str | None


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    group: int = 0  # index of its delivery
    part: int = 0
    offset: int = 0

    @property
    def member(self) -> str:
        """In the set of failing parts."""
        return f"{self.group:07} {self.part:07}"


class Roster:
    """What the gateway shows of a group's recipients."""

    def __init__(self, queue: Queue) -> None:
        self._queue, self._ledger = queue, Ledger(queue)

    async def page(
        self, notification: Notification, status: Status | None, limit: int, cursor: str | None = None
    ) -> RosterPage:
        """Some of them, of one status or all; raises InvalidCursor. Those whose part is no longer kept are left out."""
        bound = cursors.bind(notification.id, "recipients", status)
        at = _read(cursors.read(bound, cursor)) if cursor else _Place()
        parts = await self._parts(notification)
        found: list[tuple[str, Delivery]] = []
        for _ in range(MOST_PARTS):
            place = await (self._failing(notification, at) if status is Status.REFUSED else _next(parts, at))
            if place is None:
                return RosterPage(tuple(found), None)
            id_ = part_id(notification.id, place.group, place.part)
            for offset, delivery in await self._deliveries(id_, place.offset):
                if status is not None and delivery.status is not status:
                    continue
                if len(found) == limit:
                    text = _Place(place.group, place.part, offset)
                    return RosterPage(tuple(found), cursors.write(bound, _written(text)))
                found.append((id_, delivery))
            at = _Place(place.group, place.part + 1)
        return RosterPage(tuple(found), cursors.write(bound, _written(at)))

    async def failing(self, notification: Notification) -> list[str]:
        """Ids of the parts that hold a refused or dead delivery."""
        keys = self._queue.keys_of(notification.id)
        members = await self._queue.link.call("ZRANGE", keys.failing_parts(notification.id), 0, -1)
        return [part_id(notification.id, *map(int, member.split(b" "))) for member in members]

    async def _deliveries(self, id_: str, first: int) -> list[tuple[int, Delivery]]:
        return [
            pair for each in await self._ledger.summaries([id_]) for pair in list(enumerate(each.deliveries))[first:]
        ]

    async def _parts(self, notification: Notification) -> list[tuple[int, int]]:
        """How many parts each group has."""
        groups = [index for index, target in enumerate(notification.targets) if is_group(target)]
        key = self._queue.keys_of(notification.id).notification(notification.id)
        told = await self._queue.link.call("HMGET", key, *[f"g{index}" for index in groups]) if groups else []
        return [(index, read_progress(text).parts) for index, text in zip(groups, told, strict=True)]

    async def _failing(self, notification: Notification, at: _Place) -> _Place | None:
        key = self._queue.keys_of(notification.id).failing_parts(notification.id)
        found = await self._queue.link.call("ZRANGE", key, f"[{at.member}", "+", "BYLEX", "LIMIT", 0, 1)
        if not found:
            return None
        group, part = map(int, found[0].split(b" "))
        return max(at, _Place(group, part))


async def _next(parts: list[tuple[int, int]], at: _Place) -> _Place | None:
    for group, count in parts:
        first = max(at, _Place(group))
        if first.group == group and first.part < count:
            return first
    return None


def _written(place: _Place) -> str:
    return f"{place.group} {place.part} {place.offset}"


def _read(text: str) -> _Place:
    try:
        return _Place(*map(int, text.split(" ")))
    except (ValueError, TypeError) as error:
        raise InvalidCursor("this is not a cursor") from error
