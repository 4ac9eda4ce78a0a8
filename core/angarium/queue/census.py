"""Counting: what metrics and status show, from Redis itself and not from pods' memories."""

import asyncio
import time
from dataclasses import dataclass, field, replace

from angarium.keys import ShardKeys
from angarium.notifications import LANES
from angarium.queue.codec import Standing, pairs, read_standing
from angarium.queue.draining import LEAST, NOTES, Headway
from angarium.queue.queue import Queue, script

CENSUS = script("census")
PROGRESS = script("progress", prelude="")
LOOKED_AT = 100  # tenants of each lane whose oldest is looked at
WINDOW_MS = 300_000  # the breaker's, as lines.lua has it


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
class Share:
    """A tenant's part of the queue: deliveries that wait, and dead letters (refused and dead ones) that are kept."""

    waiting: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, of the fullest master; `limit` 0: none."""

    used: int
    limit: int

    @property
    def ratio(self) -> float:
        """Used over limit; 0 where there is none."""
        return self.used / self.limit if self.limit else 0.0


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


NOTHING = CallbackHealth()


class Census:
    """Reads counts, each shard's by one script."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def backlog(self) -> Backlog:
        """All shards together."""
        shards = await asyncio.gather(*[self._shard(keys) for keys in self._queue.shards])
        total = Backlog(dict.fromkeys(LANES, 0), dict.fromkeys(LANES, 0), dict.fromkeys(LANES, 0.0), 0, 0)
        for shard in shards:
            total = _sum(total, shard)
        return total

    async def headway(self) -> list[Headway]:
        """How far each shard has come, now and lately; leaves a note of it for the others."""
        links = [
            PROGRESS.run(self._queue.link, [keys.counters, keys.progress], [round(LEAST * 1000), NOTES])
            for keys in self._queue.shards
        ]
        return [
            Headway(now, settled, tuple(zip(notes[::2], notes[1::2], strict=True)))
            for now, settled, *notes in await asyncio.gather(*links)
        ]

    async def shares(self) -> dict[str, Share]:
        """By tenant; those of whom nothing waits and nothing is dead are left out."""
        found: dict[str, Share] = {}
        for keys in self._queue.shards:
            replies = await self._queue.link.call_many([("HGETALL", keys.backlog), ("HGETALL", keys.dead)])
            waiting, dead = (pairs(reply) for reply in replies)
            for tenant in waiting.keys() | dead.keys():
                before = found.get(tenant.decode(), Share())
                found[tenant.decode()] = Share(
                    before.waiting + int(waiting.get(tenant, 0)), before.dead + int(dead.get(tenant, 0))
                )
        return found

    async def callbacks(self) -> dict[str, CallbackHealth]:
        """By callback id; one that was never delivered to and has nothing waiting is left out."""
        found: dict[str, CallbackHealth] = {}
        for keys in self._queue.shards:
            names = (keys.callback_backlog, keys.callback_standing, keys.callback_gone)
            replies = await asyncio.gather(*[self._queue.link.call("HGETALL", name) for name in names])
            tables = [pairs(reply) for reply in replies]
            for callback in set().union(*tables):
                health = _health(*[table.get(callback, b"") for table in tables])
                name = callback.decode()
                found[name] = _merge(found.get(name), health)
        return {callback: health for callback, health in found.items() if health != NOTHING}

    async def callbacks_of(self, ids: list[str]) -> dict[str, CallbackHealth]:
        """The same of these alone, each by its id."""
        found = dict.fromkeys(ids, NOTHING)
        for keys in self._queue.shards if ids else ():
            names = (keys.callback_backlog, keys.callback_standing, keys.callback_gone)
            columns = await self._queue.link.call_many([("HMGET", name, *ids) for name in names])
            for id_, *values in zip(ids, *columns, strict=True):
                if any(values):
                    before = found[id_]
                    health = _health(*[value or b"" for value in values])
                    found[id_] = _merge(None if before is NOTHING else before, health)
        return found

    async def forget_callback(self, callback: str) -> None:
        """Drop what is kept of a deleted callback's health."""
        for keys in self._queue.shards:
            await self._queue.link.call_many(
                [("HDEL", name, callback) for name in (keys.callback_standing, keys.callback_gone)]
            )

    async def memory_ratio(self) -> float:
        """Used memory over maxmemory, of the fullest master; 0 where there is no limit."""
        return (await self.memory()).ratio

    async def memory(self) -> Memory:
        """Of the fullest master."""
        masters = [Memory(int(f["used_memory"]), int(f.get("maxmemory", 0))) for f in await self._memory()]
        return max(masters, key=lambda master: (master.ratio, master.used))

    async def evicts(self) -> bool:
        """Whether Redis, once it is full, throws away what was accepted instead of refusing more."""
        return any(
            int(facts.get("maxmemory", 0)) > 0 and facts.get("maxmemory_policy", "noeviction") != "noeviction"
            for facts in await self._memory()
        )

    async def _memory(self) -> list[dict[str, str]]:
        replies = await self._queue.link.call_each("INFO", "memory")
        return [dict(line.split(":", 1) for line in raw.decode().splitlines() if ":" in line) for raw in replies]

    async def _shard(self, keys: ShardKeys) -> Backlog:
        counters, scheduled, parked, *lanes = await CENSUS.run(self._queue.link, [keys.counters], [LOOKED_AT])
        columns = [dict(zip(LANES, column, strict=True)) for column in zip(*lanes, strict=True)]
        totals = {name.decode(): int(value) for name, value in pairs(counters).items()}
        oldest = {lane: age / 1000 for lane, age in columns[2].items()}
        return Backlog(columns[0], columns[1], oldest, scheduled, parked, totals)


def _sum(a: Backlog, b: Backlog) -> Backlog:
    return Backlog(
        {lane: a.ready[lane] + b.ready[lane] for lane in LANES},
        {lane: a.in_flight[lane] + b.in_flight[lane] for lane in LANES},
        {lane: max(a.oldest_ready[lane], b.oldest_ready[lane]) for lane in LANES},
        a.scheduled + b.scheduled,
        a.parked + b.parked,
        {name: a.counters.get(name, 0) + b.counters.get(name, 0) for name in a.counters.keys() | b.counters.keys()},
    )


def _health(backlog: bytes, standing: bytes, gone: bytes) -> CallbackHealth:
    token, _, gone_at = gone.decode().partition(" ")
    now = read_standing(standing) if standing else Standing()
    fresh = time.time() * 1000 - now.window < WINDOW_MS
    failed = now.bad + now.was_bad
    return CallbackHealth(
        backlog=int(backlog or 0),
        delivered_ms=now.delivered,
        failing_since_ms=now.first_failure,
        failed_ms=now.last_failure,
        failures=now.failures,
        reason=now.reason,
        gone=token,
        gone_ms=int(gone_at or 0),
        endpoint=now.endpoint,
        in_flight=now.in_flight,
        recent=failed + now.good + now.was_good if fresh else 0,
        recent_failed=failed if fresh else 0,
        open_until_ms=now.probe,
        open_since_ms=now.opened,
    )


def _merge(a: CallbackHealth | None, b: CallbackHealth) -> CallbackHealth:
    """The same callback in two shards: the later news counts, and only what is of the same endpoint is added up."""
    if a is None:
        return b
    later, earlier = sorted((a, b), key=lambda health: max(health.failed_ms, health.delivered_ms), reverse=True)
    same = later.endpoint == earlier.endpoint
    starts = [health.failing_since_ms for health in (later, earlier)[: 1 + same] if health.failing_since_ms]
    return replace(
        later,
        backlog=a.backlog + b.backlog,
        in_flight=a.in_flight + b.in_flight,
        delivered_ms=max(a.delivered_ms, b.delivered_ms),
        failing_since_ms=min(starts, default=0),
        failures=later.failures + earlier.failures * same,
        recent=later.recent + earlier.recent * same,
        recent_failed=later.recent_failed + earlier.recent_failed * same,
        open_until_ms=max(later.open_until_ms, earlier.open_until_ms * same),
        open_since_ms=max(later.open_since_ms, earlier.open_since_ms * same),
        gone=a.gone if a.gone_ms >= b.gone_ms else b.gone,
        gone_ms=max(a.gone_ms, b.gone_ms),
    )
