"""Counting: what metrics and status show, from Redis itself and not from pods' memories."""

import asyncio
from dataclasses import dataclass, field

from angarium.errors import StorageRefused
from angarium.keys import GROUP, ShardKeys
from angarium.notifications import LANES
from angarium.queue.codec import pairs
from angarium.queue.queue import Queue


@dataclass(frozen=True, slots=True)
class Backlog:
    """Deliveries by lane, and the totals since the beginning; `oldest_ready` in seconds by lane (0: none waits)."""

    ready: dict[str, int]
    in_flight: dict[str, int]
    oldest_ready: dict[str, float]
    scheduled: int
    parked: int
    counters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallbackHealth:
    """What is known of a callback's endpoint; times in ms (0: never)."""

    backlog: int = 0
    delivered_ms: int = 0
    failing_since_ms: int = 0
    failed_ms: int = 0
    failures: int = 0  # in a row
    reason: str = ""
    gone: str = ""  # the endpoint token for which the receiver answered 410
    gone_ms: int = 0
    endpoint: str = ""  # the endpoint token that failing_since_ms, failures, reason and the breaker are about
    in_flight: int = 0
    recent: int = 0  # attempts in the breaker's window (the last 5 minutes)
    recent_failed: int = 0
    open_until_ms: int = 0  # the circuit is open, and the next probe is made then; 0: closed
    open_since_ms: int = 0


class Census:
    """Reads counts; a few commands a shard."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def backlog(self) -> Backlog:
        """All shards together."""
        shards = await asyncio.gather(*[self._shard(keys) for keys in self._queue.shards])
        total = Backlog(dict.fromkeys(LANES, 0), dict.fromkeys(LANES, 0), dict.fromkeys(LANES, 0.0), 0, 0)
        for shard in shards:
            total = _sum(total, shard)
        return total

    async def callbacks(self) -> dict[str, CallbackHealth]:
        """By callback id; one that was never delivered to and has nothing waiting is left out."""
        found: dict[str, CallbackHealth] = {}
        for keys in self._queue.shards:
            names = (keys.callback_backlog, keys.callback_delivered, keys.callback_failing, keys.callback_gone)
            replies = await asyncio.gather(*[self._queue.link.call("HGETALL", name) for name in names])
            backlog, delivered, failing, gone = [
                {k.decode(): v.decode() for k, v in pairs(reply).items()} for reply in replies
            ]
            for callback in backlog.keys() | delivered.keys() | failing.keys() | gone.keys():
                health = _health(*[table.get(callback, "") for table in (backlog, delivered, failing, gone)])
                found[callback] = _merge(found.get(callback), health)
        return found

    async def forget_callback(self, callback: str) -> None:
        """Drop what is kept of a deleted callback's health."""
        for keys in self._queue.shards:
            await self._queue.link.call_many(
                [
                    ("HDEL", name, callback)
                    for name in (keys.callback_delivered, keys.callback_failing, keys.callback_gone)
                ]
            )

    async def memory_ratio(self) -> float:
        """Used memory over maxmemory; 0 where there is no limit."""
        facts = await self._memory()
        limit = int(facts.get("maxmemory", 0))
        return int(facts["used_memory"]) / limit if limit else 0.0

    async def evicts(self) -> bool:
        """Whether Redis, once it is full, throws away what was accepted instead of refusing more."""
        facts = await self._memory()
        return int(facts.get("maxmemory", 0)) > 0 and facts.get("maxmemory_policy", "noeviction") != "noeviction"

    async def _memory(self) -> dict[str, str]:
        raw = await self._queue.link.call("INFO", "memory")
        text = raw.decode() if isinstance(raw, bytes) else str(raw)
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    async def _shard(self, keys: ShardKeys) -> Backlog:
        link = self._queue.link
        counters, scheduled, waiting, *lanes = await asyncio.gather(
            link.call("HGETALL", keys.counters),
            link.call("ZCARD", keys.schedule),
            link.call("HGET", keys.backlog, "*"),
            *[self._lane(name) for name in keys.lanes],
        )
        ready = {lane: counts[0] for lane, counts in zip(LANES, lanes, strict=True)}
        in_flight = {lane: counts[1] for lane, counts in zip(LANES, lanes, strict=True)}
        oldest = {lane: counts[2] for lane, counts in zip(LANES, lanes, strict=True)}
        parked = max(0, int(waiting or 0) - scheduled - sum(ready.values()) - sum(in_flight.values()))
        totals = {name.decode(): int(value) for name, value in pairs(counters).items()}
        return Backlog(ready, in_flight, oldest, scheduled, parked, totals)

    async def _lane(self, stream: str) -> tuple[int, int, float]:
        link = self._queue.link
        length, pending, now = await asyncio.gather(link.call("XLEN", stream), self._group(stream), link.call("TIME"))
        if length <= pending[0]:
            return 0, length, 0.0
        first = await link.call("XRANGE", stream, f"({pending[1]}", "+", "COUNT", 1)
        age = int(now[0]) - int(first[0][0].split(b"-")[0]) / 1000 if first else 0.0
        return length - pending[0], pending[0], max(0.0, age)

    async def _group(self, stream: str) -> tuple[int, str]:
        try:
            groups = await self._queue.link.call("XINFO", "GROUPS", stream)
        except StorageRefused:  # no stream yet
            return 0, "0-0"
        for group in groups:
            facts = pairs(group)
            if facts[b"name"] == GROUP.encode():
                return int(facts[b"pending"]), facts[b"last-delivered-id"].decode()
        return 0, "0-0"


def _sum(a: Backlog, b: Backlog) -> Backlog:
    return Backlog(
        {lane: a.ready[lane] + b.ready[lane] for lane in LANES},
        {lane: a.in_flight[lane] + b.in_flight[lane] for lane in LANES},
        {lane: max(a.oldest_ready[lane], b.oldest_ready[lane]) for lane in LANES},
        a.scheduled + b.scheduled,
        a.parked + b.parked,
        {name: a.counters.get(name, 0) + b.counters.get(name, 0) for name in a.counters.keys() | b.counters.keys()},
    )


def _health(backlog: str, delivered: str, failing: str, gone: str) -> CallbackHealth:
    since, last, failures, reason = failing.split(" ", 3) if failing else ("0", "0", "0", "")
    token, _, at = gone.partition(" ")
    return CallbackHealth(
        int(backlog or 0), int(delivered or 0), int(since), int(last), int(failures), reason, token, int(at or 0)
    )


def _merge(a: CallbackHealth | None, b: CallbackHealth) -> CallbackHealth:
    """The same callback in two shards: the later news counts."""
    if a is None:
        return b
    later, earlier = (a, b) if a.failed_ms >= b.failed_ms else (b, a)
    starts = [since for since in (a.failing_since_ms, b.failing_since_ms) if since]
    return CallbackHealth(
        a.backlog + b.backlog,
        max(a.delivered_ms, b.delivered_ms),
        min(starts, default=0),
        later.failed_ms,
        a.failures + b.failures,
        later.reason or earlier.reason,
        *((a.gone, a.gone_ms) if a.gone_ms >= b.gone_ms else (b.gone, b.gone_ms)),
    )
