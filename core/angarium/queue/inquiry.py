"""Why something has not been delivered: where it waits, and what the shard knows that decides about its turn.

It is asked of the shard itself, as each shard keeps limits, rates and circuits on its own: what another knows of the
same callback holds nothing up here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from angarium.identifiers import parse_delivery_id
from angarium.keys import GROUP
from angarium.link import Argument
from angarium.notifications import Delivery, Notification
from angarium.queue.codec import Standing, read_delivery, read_standing
from angarium.queue.queue import Queue, script

INQUIRE = script("inquire")
LOOKED_AT = 20_000  # tickets of lines, all deliveries together: 1 ms
LEAST_DEPTH = 200  # of each line
MOST_IN_FLIGHT = 100  # where a callback has no limit of its own, as lines.lua has it
DRAINS = 1_000_000  # as most in flight: what waits is to be refused


class Place(StrEnum):
    """Where a delivery is."""

    ENDED = "ended"
    FLYING = "flying"
    SCHEDULED = "scheduled"
    PARKED = "parked"
    SEATED = "seated"
    NOWHERE = "nowhere"  # on its way from one to another


@dataclass(frozen=True, slots=True)
class Limits:
    """What the shard was told of a callback or a route: most in flight, µs between attempts (0: any), burst."""

    most: int = MOST_IN_FLIGHT
    interval: int = 0
    burst: int = 0


NOTHING_YET, DEFAULTS = Standing(), Limits()


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Of one delivery. `at_ms`: when it is due, or looked at again (-1: when one in flight has landed, or limits
    change); `ahead`: how many stand before it in its line (-1: more than were looked at)."""

    place: Place
    lane: str = ""
    at_ms: int = 0
    ahead: int = 0
    line: int = 0
    holder: str = ""
    held_ms: int = 0
    standing: Standing = NOTHING_YET
    limits: Limits = DEFAULTS


class Inquiry:
    """Asks one shard, in one round trip."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def ask(
        self, notification: Notification, deliveries: Iterable[Delivery]
    ) -> tuple[int, list[tuple[Delivery, Whereabouts]]]:
        """Redis's time (ms), and these deliveries of a notification as they stand at that moment, each with where."""
        known = list(deliveries)
        wanted = [parse_delivery_id(each.id).index for each in known]
        key = self._queue.keys_of(notification.id).notification(notification.id)
        depth = max(LEAST_DEPTH, LOOKED_AT // max(1, len(wanted)))
        arguments: list[Argument] = [GROUP, notification.id, notification.tenant, notification.lane, depth]
        for index in wanted:
            arguments += [index, notification.targets[index].id]
        now, *rows = await INQUIRE.run(self._queue.link, [key], arguments)
        now_stand = [
            read_delivery(notification, index, row[9], each.recipients) if row[9] else each
            for index, each, row in zip(wanted, known, rows, strict=True)
        ]
        return int(now), [(each, _whereabouts(*row[:9])) for each, row in zip(now_stand, rows, strict=True)]


def _whereabouts(
    place: bytes, lane: bytes, at: int, ahead: int, line: int, holder: bytes, held: int, standing: bytes, limits: bytes
) -> Whereabouts:
    return Whereabouts(
        Place(place.decode()), lane.decode(), at, ahead, line, holder.decode(), held,
        read_standing(standing) if standing else NOTHING_YET, _limits(limits),
    )  # fmt: skip


def _limits(text: bytes) -> Limits:
    if not text:
        return DEFAULTS
    _revision, most, interval, burst = map(int, text.split(b" "))
    return Limits(most, interval, burst)
