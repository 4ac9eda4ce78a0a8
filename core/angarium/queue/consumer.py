"""Working off: read, start, settle; give back, take over, promote. Each is one atomic script.

A consumer is one deliverer process. What it has read stays its own until it settles or releases it, or until it is
found dead (angarium.config.presence) and another claims it.
"""

import asyncio
import logging
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Literal

from angarium.batching import Batcher
from angarium.errors import StorageRefused
from angarium.identifiers import delivery_id
from angarium.keys import GROUP, ShardKeys
from angarium.link import Argument, Link
from angarium.notifications import LANES, Attempt, Notification
from angarium.queue.codec import Ticket, parse_ticket, read_doc
from angarium.queue.queue import Queue, script
from angarium.retries import Move

log = logging.getLogger(__name__)
READ = script("read")
START = script("start")
SETTLE = script("settle")
RELEASE = script("release")
PROMOTE = script("promote")
UNPARK = script("unpark")
CLAIM = script("claim")
EXPIRE = script("expire")
LEAVE = script("leave")
SILENT = script("silent")
SHARES = (8, 4, 2, 1)  # of free slots: high, normal, low, bulk
LARGEST_BATCH = 64
UNREADABLE_PAUSE = 10.0  # s
LARGEST_START = 256  # entries begun by one script: Redis serves nobody else meanwhile


@dataclass(frozen=True, slots=True)
class Entry:
    """A delivery that this consumer has read and not begun."""

    keys: ShardKeys
    lane: int  # 1..4, as the scripts count
    id: str
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Started:
    """A delivery whose attempt has begun."""

    entry: Entry
    attempt: Attempt
    fence: int  # new for each beginning: who has an older one can settle nothing


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ends; `timeline` is JSON, `delay` in seconds, `gone` the endpoint's token where it said 410."""

    started: Started
    move: Move
    reason: str = ""
    delay: float = 0.0
    timeline: bytes = b""
    gone: str = ""
    counts: bool = True  # for or against the endpoint's health; False where nothing was sent, and for tests


class Release(StrEnum):
    """Where an entry that is given back goes."""

    LANE = "lane"
    SCHEDULE = "schedule"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Promotion:
    """`wait`: seconds until the next is due, None when none is scheduled; `parked`: callbacks with a waiting line."""

    moved: int
    wait: float | None
    parked: tuple[str, ...]


class Consumer:
    """What a deliverer does to the queue, under one name."""

    def __init__(self, queue: Queue, name: str, block: float = 2.0) -> None:
        """`block`: seconds that wait() waits for an entry."""
        self.name = name
        self._queue = queue
        self._block_ms = int(block * 1000)
        self._blocking = Link(queue.redis, timeout=block + queue.redis.timeout)
        self._settling = {
            keys: Batcher[Settlement, list[Any]](partial(self._settle, keys), LARGEST_BATCH) for keys in queue.shards
        }

    async def __aenter__(self) -> "Consumer":
        await self._blocking.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._blocking.__aexit__()

    async def read(self, free: int) -> list[Entry]:
        """Up to `free` ready deliveries, without waiting."""
        found: list[Entry] = []
        for keys in self._queue.shards:
            if free > len(found):
                rows = await self._grouped(READ.run, keys, [GROUP, self.name, free - len(found), *SHARES])
                found += [_entry(keys, row) for row in rows]
        return found

    @property
    def widest_wait(self) -> int:
        """How many entries wait() may bring at most."""
        return len(LANES) * self._queue.count

    async def wait(self) -> list[Entry]:
        """Wait for what comes next: at most one entry of each lane, none when the time is up."""
        streams = [(keys, lane + 1, name) for keys in self._queue.shards for lane, name in enumerate(keys.lanes)]
        names = [name for _, _, name in streams]
        command: tuple[Argument, ...] = (
            "XREADGROUP", "GROUP", GROUP, self.name, "COUNT", 1, "BLOCK", self._block_ms, "STREAMS", *names,
            *(">" for _ in names),
        )  # fmt: skip
        try:
            reply = await self._blocking.call(*command)
        except StorageRefused as error:
            await self._mend(error)
            return []
        rows = dict(reply.items() if isinstance(reply, dict) else reply or ())
        return [
            Entry(keys, lane, id_.decode("ascii"), parse_ticket(fields[1]))
            for keys, lane, name in streams
            for id_, fields in _entries_of(rows.get(name.encode()))
        ]

    async def start(self, entries: list[Entry]) -> list[Started]:
        """Begin an attempt of each; those settled already or taken over by another consumer are left out."""
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
            arguments += [entry.lane, entry.id, entry.ticket.index]
        names = [keys.counters, *keys.lanes, *[keys.notification(entry.ticket.notification) for entry in entries]]
        rows = await START.run(self._queue.link, names, arguments)
        begun: list[Started] = []
        for entry, row in zip(entries, rows, strict=True):
            if row[0] == b"go":
                started = _started(entry, row)
                if started:
                    begun.append(started)
                else:  # for a pod that can read it
                    await self.release(entry, Release.SCHEDULE, UNREADABLE_PAUSE, fence=row[3])
        return begun

    async def settle(self, settlement: Settlement) -> float | None:
        """End an attempt; epoch seconds at which the next is due (0 for none), or None: another had taken it over."""
        answer = await self._settling[settlement.started.entry.keys].submit(settlement)
        return answer[1] / 1000 if answer[0] == b"settled" else 0.0 if answer[0] == b"again" else None

    async def _settle(self, keys: ShardKeys, batch: list[Settlement]) -> list[Any]:
        names = [keys.counters, keys.backlog, keys.schedule, keys.expiry, keys.callback_backlog,
                 keys.callback_delivered, keys.callback_failing, keys.callback_gone, *keys.lanes]  # fmt: skip
        arguments: list[Argument] = [GROUP]
        for settlement in batch:
            entry, notification = settlement.started.entry, settlement.started.attempt.notification
            names += [
                keys.notification(notification.id),
                keys.timeline(notification.id),
                keys.failed(notification.tenant),
            ]
            arguments += [
                entry.lane, entry.id, entry.ticket.text, settlement.started.fence, settlement.move.value,
                round(settlement.delay * 1000), settlement.reason, settlement.timeline, notification.retention_s,
                settlement.gone, int(settlement.counts), f"{notification.id} {notification.tenant}",
            ]  # fmt: skip
        return list(await SETTLE.run(self._queue.link, names, arguments))

    async def release(
        self, entry: Entry, to: Release, delay: float = 0.0, fence: int | Literal["*"] | None = None
    ) -> bool:
        """Give an entry back without spending an attempt; `fence` where one was begun and cut short ("*": whichever).

        False when this consumer does not hold it any more.
        """
        keys, ticket = entry.keys, entry.ticket
        answer = await RELEASE.run(
            self._queue.link,
            [
                *keys.lanes,
                keys.schedule,
                keys.parked,
                keys.parked_for(ticket.callback),
                keys.notification(ticket.notification),
                keys.counters,
            ],
            [
                GROUP,
                self.name,
                entry.lane,
                entry.id,
                ticket.text,
                "" if fence is None else fence,
                to.value,
                round(delay * 1000),
            ],
        )
        return bool(answer[0] == b"released")

    async def promote(self, keys: ShardKeys, limit: int = 500) -> Promotion:
        """Move what is due in one shard to its lanes."""
        moved, wait, parked = await PROMOTE.run(self._queue.link, [keys.schedule, keys.parked, *keys.lanes], [limit])
        return Promotion(moved, None if wait < 0 else wait / 1000, tuple(name.decode("ascii") for name in parked))

    async def unpark(self, keys: ShardKeys, callback: str, limit: int = 500) -> int:
        """Bring a callback's waiting line back to the lanes; how many came."""
        names = [keys.parked, keys.parked_for(callback), *keys.lanes]
        return int(await UNPARK.run(self._queue.link, names, [callback, limit]))

    async def claim(self, consumer: str, limit: int, idle: float = 0.0) -> list[Entry]:
        """Take over up to `limit` entries that `consumer` has held for at least `idle` seconds; one's own name finds
        those that a lost reply left unknown."""
        found: list[Entry] = []
        for keys in self._queue.shards:
            arguments: list[Argument] = [GROUP, consumer, self.name, round(idle * 1000), limit - len(found)]
            if limit > len(found):
                found += [_entry(keys, row) for row in await self._grouped(CLAIM.run, keys, arguments)]
        return found

    async def silent(self, seconds: float) -> set[str]:
        """Other consumers that have asked for nothing for so long: busy, dead, or gone."""
        names: set[str] = set()
        for keys in self._queue.shards:
            arguments: list[Argument] = [GROUP, round(seconds * 1000), self.name]
            names |= {name.decode() for name in await self._grouped(SILENT.run, keys, arguments)}
        return names

    async def stop_waiting(self) -> None:
        """For good: a wait() that was cancelled goes on in Redis, and would be handed what nobody hears of any more."""
        await self._blocking.__aexit__()

    async def leave(self) -> None:
        """Remove this consumer where it holds nothing."""
        for keys in self._queue.shards:
            await LEAVE.run(self._queue.link, keys.lanes, [GROUP, self.name])

    async def expire(self, keys: ShardKeys, limit: int = 200) -> int:
        """Forget finished notifications whose retention is over; how many were."""
        link = self._queue.link
        now = await link.call("TIME")
        members = await link.call("ZRANGE", keys.expiry, "-inf", int(now[0]) * 1000, "BYSCORE", "LIMIT", 0, limit)
        answers = await asyncio.gather(*[self._expire(keys, member.decode("ascii")) for member in members])
        return sum(answers)

    async def _expire(self, keys: ShardKeys, member: str) -> int:
        notification, tenant = member.split(" ")
        names = [
            keys.expiry,
            keys.notification(notification),
            keys.timeline(notification),
            keys.index(tenant),
            keys.failed(tenant),
        ]
        return int(await EXPIRE.run(self._queue.link, names, [member, notification]))

    async def _grouped(self, run: Any, keys: ShardKeys, arguments: list[Argument]) -> list[Any]:
        """Run a script that needs the consumer groups; make them and try once more where Redis has lost them."""
        try:
            return list(await run(self._queue.link, keys.lanes, arguments))
        except StorageRefused as error:
            await self._mend(error)
            return list(await run(self._queue.link, keys.lanes, arguments))

    async def _mend(self, error: StorageRefused) -> None:
        if "NOGROUP" not in str(error) and "no such key" not in str(error):
            raise error
        await self._queue.prepare()


def _entry(keys: ShardKeys, row: list[Any]) -> Entry:
    return Entry(keys, row[0], row[1].decode("ascii"), parse_ticket(row[2]))


def _entries_of(reply: Any) -> list[Any]:
    """XREADGROUP's entries of one stream, in the shapes of RESP2 and RESP3."""
    if not reply:
        return []
    return list(reply[0]) if isinstance(reply[0], list) and reply[0] and isinstance(reply[0][0], list) else list(reply)


def _started(entry: Entry, row: list[Any]) -> Started | None:
    """None for one that can't be read (a newer gateway's?): it must not hold up those it was read with."""
    _, number, recoveries, fence, doc, body = row
    try:
        notification: Notification = read_doc(entry.ticket.notification, doc, body)
        target = notification.targets[entry.ticket.index]
    except (ValueError, KeyError, TypeError, IndexError):
        log.exception("a notification can't be read; it waits", extra={"notification": entry.ticket.notification})
        return None
    attempt = Attempt(delivery_id(notification.id, entry.ticket.index), notification, target, number, recoveries)
    return Started(entry, attempt, fence)
