"""Replays: many deliveries that have ended start anew, each once, however often whoever does it is killed.

A replay walks through a tenant's notifications in the order of their ids, which is that of time, shard by shard: first
to count what it is for, then to send. How far it is stands in the shard, and changes in the very script by which
deliveries start anew (replay.lua); so a step is made wholly or not at all, and a step that was made is not made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from angarium.identifiers import id_bound
from angarium.keys import ShardKeys
from angarium.notifications import DeliveryState, Priority, Stored
from angarium.patterns import matches
from angarium.queue.codec import pairs
from angarium.queue.ledger import Ledger
from angarium.queue.queue import Queue, script

REPLAY = script("replay", prelude="lines redriving")
KEPT_S = 100 * 86_400  # longer than any notification is, so that no replay ever begins anew
PAGE = 200  # notifications that are looked at in one step
MOST_AT_ONCE = 200  # deliveries that start anew in one step
PROBED = 64  # tenants that are looked at in one round trip, for whether they have any
LANE = Priority.LOW.value  # what is new goes first
NONE = "-"
FAILED = frozenset({DeliveryState.REFUSED, DeliveryState.DEAD})
DELIVERED = frozenset({DeliveryState.DELIVERED})
_FROM = {FAILED: "failed", DELIVERED: "delivered", FAILED | DELIVERED: "ended"}


class Phase(StrEnum):
    """What a replay does in a shard. `counted`: it waits there until it has counted in all."""

    COUNT = "count"
    COUNTED = "counted"
    SEND = "send"
    END = "end"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a replay is in a shard: behind a tenant's notification, or, with an `index`, behind that delivery of it."""

    phase: Phase = Phase.COUNT
    tenant: str = NONE
    last: str = NONE
    index: int = -1

    def __str__(self) -> str:
        return f"{self.phase} {self.tenant} {self.last} {self.index}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read it back; nothing is the beginning."""
        if not text:
            return cls()
        phase, tenant, last, index = text.split(" ")
        return cls(Phase(phase), tenant, last, int(index))


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a replay is in a shard; `known` is its position as it is stored."""

    position: Position = Position()
    known: str = ""
    matched: int = 0
    done: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which deliveries a replay is for. Times in ms, of the notifications' acceptance; `until` not included.

    `disabled`: callbacks that nothing is sent to any more, which are counted as left out.
    """

    callbacks: frozenset[str]
    disabled: frozenset[str] = frozenset()
    states: frozenset[DeliveryState] = FAILED
    events: tuple[str, ...] = ()
    reasons: frozenset[str] = frozenset()
    since_ms: int = 0
    until_ms: int = 0

    def picks(self, stored: Stored, now_ms: int) -> "Picks":
        """Which of a notification's deliveries start anew, and how many are left out though they match."""
        notification = stored.notification
        if notification.test or (self.events and not any(matches(each, notification.event) for each in self.events)):
            return Picks()
        found = [
            index
            for index, delivery in enumerate(stored.deliveries)
            if not delivery.target.to
            and delivery.state in self.states
            and delivery.target.id in self.callbacks
            and (not self.reasons or delivery.reason in self.reasons)
        ]
        if notification.expires_ms and notification.expires_ms <= now_ms:
            return Picks((), len(found))
        able = tuple(index for index in found if notification.targets[index].id not in self.disabled)
        return Picks(able, len(found) - len(able))


class Picks(NamedTuple):
    """Indices of deliveries."""

    able: tuple[int, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done in one step, and where the replay is then. `again`: pairs of a notification and an index."""

    after: Position
    again: tuple[tuple[Stored, int], ...] = ()
    matched: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """A replay as it is asked for. `entry` is the JSON that timelines show; `reference` what webhook-ids end with."""

    id: str
    selection: Selection
    tenants: tuple[str, ...]  # in order
    entry: bytes
    reference: str = ""
    dry_run: bool = False


def counting(page: Sequence[Stored], selection: Selection, position: Position, now_ms: int) -> Step:
    """Count a page."""
    picked = [selection.picks(stored, now_ms) for stored in page]
    return Step(
        replace(position, last=page[-1].notification.id, index=-1),
        matched=sum(len(each.able) for each in picked),
        left_out=sum(each.left_out for each in picked),
    )


def sending(page: Sequence[Stored], selection: Selection, position: Position, now_ms: int, most: int) -> Step:
    """So many of a page's deliveries at most; what is left of it comes in the next step."""
    again: list[tuple[Stored, int]] = []
    for stored in page:
        id_ = stored.notification.id
        done = position.index if id_ == position.last else -1
        for index in selection.picks(stored, now_ms).able:
            if index <= done:
                continue
            if len(again) == most:
                return Step(position, tuple(again))
            again.append((stored, index))
            position = replace(position, last=id_, index=index)
        position = replace(position, last=id_, index=-1)
    return Step(position, tuple(again))


class Replays:
    """What the operator does about replays."""

    def __init__(self, queue: Queue) -> None:
        self._queue, self._ledger = queue, Ledger(queue)

    async def walks(self, replay: str) -> list[Walk]:
        """How far it is in each shard."""
        calls = [("HGETALL", keys.replay(replay)) for keys in self._queue.shards]
        replies = await self._queue.link.call_many(calls)
        return [_walk(reply) for reply in replies]

    async def page(self, shard: int, wish: Wish, position: Position) -> tuple[Position, list[Stored]]:
        """The next notifications, of one tenant, and where that is; none: there are no more."""
        keys = self._queue.shards[shard]
        while True:
            ids = await self._ids(keys, wish, [position], PAGE) if position.tenant != NONE else [[]]
            if ids[0]:
                stored = await self._ledger.summaries(ids[0])
                if stored:
                    return position, stored
                position = replace(position, last=ids[0][-1], index=-1)  # forgotten just now
                continue
            following = await self._next_tenant(keys, wish, position)
            if following is None:
                return position, []
            position = following

    async def _next_tenant(self, keys: ShardKeys, wish: Wish, position: Position) -> Position | None:
        left = [tenant for tenant in wish.tenants if position.tenant in (NONE, "") or tenant > position.tenant]
        for first in range(0, len(left), PROBED):
            candidates = [Position(position.phase, tenant) for tenant in left[first : first + PROBED]]
            for candidate, ids in zip(candidates, await self._ids(keys, wish, candidates, 1), strict=True):
                if ids:
                    return candidate
        return None

    async def _ids(self, keys: ShardKeys, wish: Wish, positions: Sequence[Position], count: int) -> list[list[str]]:
        chosen = wish.selection
        end = f"({id_bound(chosen.until_ms)}"
        calls = []
        for position in positions:
            start = f"[{id_bound(chosen.since_ms)}" if chosen.since_ms else "-"
            if position.last != NONE:
                start = f"{'[' if position.index >= 0 else '('}{position.last}"
            index = keys.failed if chosen.states == FAILED else keys.index
            calls.append(("ZRANGE", index(position.tenant), start, end, "BYLEX", "LIMIT", 0, count))
        return [[raw.decode("ascii") for raw in reply] for reply in await self._queue.link.call_many(calls)]

    async def make(self, shard: int, wish: Wish, walk: Walk, step: Step, most_waiting: int = 0) -> tuple[str, Walk]:
        """Make a step: moved, again (it had been made), elsewhere (another one was), or full; and how far it is then.

        Raises StorageFull, StorageUnavailable.
        """
        triples = [
            text
            for stored, index in step.again
            for text in (stored.notification.id, str(index), stored.notification.targets[index].id)
        ]
        keys = self._queue.shards[shard]
        said, kept = await REPLAY.run(
            self._queue.link,
            [keys.replay(wish.id)],
            [walk.known, str(step.after), KEPT_S, step.after.tenant, most_waiting, wish.entry, LANE,
             _FROM[wish.selection.states], wish.reference, step.matched, step.left_out, *triples],
        )  # fmt: skip
        return said.decode("ascii"), _walk(kept)


def _walk(reply: object) -> Walk:
    fields = {name.decode(): value.decode() for name, value in pairs(reply).items()}
    known = fields.get("at", "")
    counts = {name: int(fields.get(name, 0)) for name in ("matched", "done", "left_out")}
    return Walk(Position.parse(known), known, **counts)
