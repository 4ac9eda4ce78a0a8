"""Working off: take, settle; give back, take over. Each is one atomic script.

A consumer is one deliverer process. What it has taken stays its own until it settles or releases it, or until it is
found dead (angarium.config.presence) and another claims it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Literal

from angarium.batching import Batcher
from angarium.errors import StorageFull, StorageUnavailable
from angarium.identifiers import delivery_id
from angarium.keys import GROUP, ShardKeys
from angarium.link import Argument
from angarium.notifications import Attempt, Notification
from angarium.queue.bells import Bells
from angarium.queue.codec import Ticket, parse_ticket, read_doc
from angarium.queue.endings import Ending
from angarium.queue.queue import Queue, script
from angarium.retries import Move

log = logging.getLogger(__name__)
TAKE = script("take")
START = script("start")
SETTLE = script("settle")
RELEASE = script("release")
CLAIM = script("claim", prelude="")
LEAVE = script("leave", prelude="")
RING = script("ring")
LARGEST_BATCH = 64
LARGEST_START = 256  # entries begun by one script: Redis serves nobody else meanwhile
UNREADABLE_PAUSE = 10.0  # s


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class Entry:
    """A delivery in flight, as its lane's stream has it."""

    keys: ShardKeys
    lane: int  # 1..4, as the scripts count
    id: str
    ticket: Ticket


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class Started:
    """A delivery whose attempt has begun."""

    entry: Entry
    attempt: Attempt
    fence: int  # new for each beginning: who has an older one can settle nothing
    doubtful: bool = False  # its callback failed last time, or has never answered
    due_ms: int = 0  # when it was due; 0 where its callback has failed, or had no share, since


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class Taken:
    """`more`: something may be left that is ready, for whoever has room for it."""

    started: list[Started]
    more: bool


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class Settlement:
    """How an attempt ends; `timeline` is JSON, `delay` in seconds, `endpoint` the callback's endpoint token."""

    started: Started
    move: Move
    reason: str = ""
    delay: float = 0.0
    timeline: bytes = b""
    endpoint: str = ""
    gone: bool = False  # the receiver wants no more
    counts: bool = True  # for or against the endpoint's health; False where nothing was sent, and for tests
    reference: str = ""  # the carrier's name for what was sent
    announced: bool = False  # somebody wants to hear of the notification's end

    @property
    def says(self) -> str:
        """Of the endpoint, in settle.lua's words."""
        if not self.counts:
            return ""
        health = "good" if self.move in {Move.DELIVERED, Move.SENT} else "bad"
        return f"{health} gone" if self.gone else health

    @property
    def refers(self) -> str:
        """What becomes of the reference, in settle.lua's words."""
        return self.reference if self.reference or self.started.attempt.reference else "-"


class Release(StrEnum):
    """Where an entry that is given back goes."""

    LINE = "line"
    SCHEDULE = "schedule"


class Consumer:
    """What a deliverer does to the queue, under one name."""

    def __init__(self, queue: Queue, name: str, block: float = 2.0) -> None:
        """`block`: seconds that wait() waits for something to be ready."""
        self.name = name
        self.ended: Callable[[Ending], None] = lambda _: None  # hears of ends that are to be announced
        self._queue = queue
        self._bells = Bells(queue, block)
        self._hasty = queue.link.hasty()
        self._block = block
        self._first = 0  # the shard that is asked first: each in turn
        self._rang: list[ShardKeys] = []  # whose bells have just rung
        self._all_at = 0.0  # loop time of the last look at all
        self._settling: dict[ShardKeys, Batcher[Settlement, list[Any]]] = {}

    async def __aenter__(self) -> "Consumer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._bells.close()

    async def take(self, free: int, doubtful: int | None = None, skipped: Iterable[str] = ()) -> Taken:
        """Begin attempts of up to `free` ready deliveries, without waiting; `doubtful` of them at most go to callbacks
        that failed last time or have never answered, and tenants in `skipped` get none."""
        found = Taken([], False)
        doubts = free if doubtful is None else doubtful
        for keys in self._turn():
            left = free - len(found.started)
            if left <= 0:
                return Taken(found.started, True)
            doubts_left = max(0, doubts - sum(item.doubtful for item in found.started))
            try:
                taken = await self._take(keys, [GROUP, self.name, left, doubts_left, *skipped])
            except StorageUnavailable:
                if self._queue.link.clustered:
                    continue  # other masters may be there
                if found.started:  # they have begun
                    return Taken(found.started, True)
                raise
            found = Taken(found.started + taken.started, found.more or taken.more)
        if len(self._queue.shards) == 1:  # then one look more costs less than listening for the bell
            return Taken(found.started, found.more or bool(found.started))
        return found

    def _turn(self) -> list[ShardKeys]:
        """The shards to look at: those whose bell has rung; else, and now and then, all, each first in its turn.

        Two hundred pods that look at all of forty shards whenever one rings keep Redis busy with nothing.
        """
        now = asyncio.get_running_loop().time()
        rang, self._rang = self._rang, []
        if rang and now - self._all_at < self._block:
            return rang
        shards = self._queue.reachable
        self._all_at, self._first = now, (self._first + 1) % max(1, len(shards))
        return shards[self._first :] + shards[: self._first]

    async def _take(self, keys: ShardKeys, arguments: list[Argument]) -> Taken:
        more, rows = await TAKE.run(self._hasty, [keys.counters], arguments)
        begun = [(Entry(keys, row[0], row[1].decode("ascii"), parse_ticket(row[2])), row[3:]) for row in rows]
        return Taken(await self._readable(begun), bool(more))

    async def wait(self) -> None:
        """Wait until something may be ready, or for the blocking time."""
        self._rang = await self._bells.wait()

    async def start(self, entries: list[Entry]) -> list[Started]:
        """Begin again what was claimed; those settled already or taken over by another consumer are left out."""
        by_shard: dict[ShardKeys, list[Entry]] = {}
        for entry in entries:
            by_shard.setdefault(entry.keys, []).append(entry)
        groups = await asyncio.gather(
            *[
                self._start(keys, own[first : first + LARGEST_START])
                for keys, own in by_shard.items()
                for first in range(0, len(own), LARGEST_START)
            ]
        )
        return [started for group in groups for started in group]

    async def _start(self, keys: ShardKeys, entries: list[Entry]) -> list[Started]:
        arguments: list[Argument] = [GROUP, self.name]
        for entry in entries:
            arguments += [entry.lane, entry.id, entry.ticket.text]
        rows = await START.run(self._queue.link, [keys.counters], arguments)
        return await self._readable(
            [(entry, row[1:]) for entry, row in zip(entries, rows, strict=True) if row[0] == b"go"]
        )

    async def _readable(self, begun: list[tuple[Entry, list[Any]]]) -> list[Started]:
        """Those that this pod can read; the others are given back for a pod that can."""
        readable: list[Started] = []
        heads: dict[str, Notification] = {}  # doc and body come with the first of each
        for entry, row in begun:
            started = _started(entry, row, heads)
            if started:
                readable.append(started)
            else:
                await self.release(entry, Release.SCHEDULE, UNREADABLE_PAUSE, fence=row[2])
        return readable

    async def settle(self, settlement: Settlement) -> float | None:
        """End an attempt; epoch seconds at which the next is due (0 for none), or None: another had taken it over."""
        answer = await self._batcher(settlement.started.entry.keys).submit(settlement)
        if len(answer) > 2:
            self.ended(Ending(answer[2].decode("ascii"), answer[3]))
        return answer[1] / 1000 if answer[0] == b"settled" else 0.0 if answer[0] == b"again" else None

    def _batcher(self, keys: ShardKeys) -> Batcher[Settlement, list[Any]]:
        if keys not in self._settling:
            self._settling[keys] = Batcher(partial(self._settle, keys), LARGEST_BATCH)
        return self._settling[keys]

    async def _settle(self, keys: ShardKeys, batch: list[Settlement]) -> list[Any]:
        arguments: list[Argument] = [GROUP]
        for settlement in batch:
            started = settlement.started
            entry = started.entry
            arguments += [
                entry.lane, entry.id, entry.ticket.text, started.fence, settlement.move.value,
                round(settlement.delay * 1000), settlement.reason, settlement.timeline,
                started.attempt.notification.retention_s, settlement.endpoint, settlement.says,
                settlement.refers, "1" if settlement.announced else "",
            ]  # fmt: skip
        return list(await SETTLE.run(self._queue.link, [keys.counters], arguments))

    async def release(
        self, entry: Entry, to: Release, delay: float = 0.0, fence: int | Literal["*"] | None = None
    ) -> bool:
        """Give an entry back without spending an attempt; `fence` where one was begun and cut short ("*": whichever).

        False when this consumer does not hold it any more.
        """
        answer = await RELEASE.run(
            self._queue.link,
            [entry.keys.counters],
            [GROUP, self.name, entry.lane, entry.id, entry.ticket.text, "" if fence is None else fence, to.value,
             round(delay * 1000)],
        )  # fmt: skip
        return bool(answer[0] == b"released")

    async def claim(self, consumer: str, limit: int, idle: float = 0.0) -> list[Entry]:
        """Take over up to `limit` entries that `consumer` has held for at least `idle` seconds; one's own name finds
        those that a lost reply left unknown."""
        found: list[Entry] = []
        for keys in self._queue.reachable:
            arguments: list[Argument] = [GROUP, consumer, self.name, round(idle * 1000), limit - len(found)]
            if limit > len(found):
                found += [_entry(keys, row) for row in await self._queue.grouped(CLAIM, keys, arguments)]
        return found

    async def stop_waiting(self) -> None:
        """For good: a wait() that was cancelled goes on in Redis, and would be handed what nobody hears of any more."""
        await self._bells.close()
        with contextlib.suppress(StorageUnavailable, StorageFull):  # then the others look by themselves, a little later
            await self._ring()

    async def leave(self) -> None:
        """Remove this consumer where it holds nothing."""
        for keys in self._queue.shards:
            await self._queue.grouped(LEAVE, keys, [GROUP, self.name])
        await self._ring()  # again: Redis may have rung for this consumer before it heard that it waits no more

    async def _ring(self) -> None:
        """For the others: what rang last may have been heard by this consumer, which takes nothing any more."""
        for keys in self._queue.reachable:
            await RING.run(self._queue.link, [keys.counters], [])


def _entry(keys: ShardKeys, row: list[Any]) -> Entry:
    return Entry(keys, row[0], row[1].decode("ascii"), parse_ticket(row[2]))


def _started(entry: Entry, row: list[Any], heads: dict[str, Notification]) -> Started | None:
    """None for one that can't be read (a newer gateway's?): it must not hold up those it was read with."""
    number, recoveries, fence, doubtful, due, doc, body, reference = row
    id_ = entry.ticket.notification
    try:
        notification = heads[id_] = read_doc(id_, doc, body) if doc else heads[id_]
        target = notification.targets[entry.ticket.index]
    except (ValueError, KeyError, TypeError, IndexError):
        log.exception("a notification can't be read; it waits", extra={"notification": entry.ticket.notification})
        return None
    delivery = delivery_id(notification.id, entry.ticket.index)
    attempt = Attempt(delivery, notification, target, number, recoveries, reference.decode())
    return Started(entry, attempt, fence, bool(doubtful), due)
