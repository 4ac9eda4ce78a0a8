"""Tells the queue the limits of callbacks and the weights of tenants, so that whoever takes from it keeps them.

Every deliverer tells every shard what its config says; repeating is harmless, the newer revision counts. What follows
the defaults is not told, so most callbacks cost nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from angarium.config import ConfigTail
from angarium.queue import Limit, Queue, Upkeep, pace
from angarium.records import AnyRecord, CallbackRecord, OrganizationRecord, ProductRecord, ProviderRecord, TopicRecord
from angarium_deliverer.route_limits import SUSPENDED, RouteLimits

DRAINS = "1000000 0 0"  # deleted or disabled: what waits is to be refused, and nothing holds that up
REPEAT = 600.0  # s; what a shard has lost it is told again
DEFAULT = CallbackRecord.model_fields["max_in_flight"].default


class Limiter:
    """Gathers what changes, and tells it in rounds."""

    def __init__(self, queue: Queue, upkeep: Upkeep) -> None:
        self._queue, self._upkeep = queue, upkeep
        self._known: dict[str, AnyRecord] = {}  # by key
        self._routes = RouteLimits(lambda record: _text(record, queue.spread))
        self._revision: Callable[[], int] = lambda: 0  # of the config that is heard
        self._untold: dict[str, Limit] = {}  # by name
        self._changed = asyncio.Event()
        self._all_at = 0.0
        self._told_to: tuple[object, int] = ((), 0)  # shards, and over how many a tenant's share is divided

    @property
    def behind(self) -> bool:
        """Whether there are shards that have not been told yet: who took from them would keep no limit."""
        return self._told_to != (self._queue.shards, self._queue.spread)

    def follow(self, tail: ConfigTail) -> None:
        """Hear of changes."""
        self._revision = lambda: tail.revision
        tail.listen(self._hear)

    def tell_again(self) -> None:
        """There are other shards, or a tenant is spread over more or fewer."""
        self._changed.set()

    def _hear(self, changes: Mapping[str, AnyRecord | None]) -> None:
        for key, record in changes.items():
            was = self._known.pop(key, None)
            before, now = self._limit(was), self._limit(record)
            self._untold |= {limit.name: limit for limit in self._routes.hear(was, record, self._revision())}
            if before and (now is None or now.name != before.name):
                self._untold[before.name] = Limit(before.name, before.tenant, before.revision, before.tenant and DRAINS)
            if record:
                self._known[key] = record
            if now and (now.text or (before and before.text)):
                self._untold[now.name] = now
        self._changed.set()

    def _limit(self, record: AnyRecord | None) -> Limit | None:
        return limit_of(record, self._queue.spread) if record else None

    async def step(self) -> float:
        """Tell, then wait until there is something to tell."""
        await self.tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REPEAT):
                await self._changed.wait()
        return 0.0

    async def tell(self) -> None:
        """Tell what is new; now and then everything."""
        self._changed.clear()
        told, self._untold = self._untold, {}
        try:
            for keys in self._queue.shards:
                await self._upkeep.limit(keys, told.values())
        except BaseException:
            self._untold = told | self._untold
            raise
        now, shards = asyncio.get_running_loop().time(), (self._queue.shards, self._queue.spread)
        if not self._all_at or now - self._all_at > REPEAT or shards != self._told_to:
            await self._tell_all()
            self._all_at, self._told_to = now, shards

    async def _tell_all(self) -> None:
        """What differs from the defaults, and what a shard believes of others."""
        by_name = self._routes.all(self._revision())
        by_name |= {limit.name: limit for limit in map(self._limit, self._known.values()) if limit}
        told = {name: limit for name, limit in by_name.items() if limit.text}
        for keys in self._queue.shards:
            stale = await self._upkeep.limited(keys) - told.keys()
            forgotten = {name: by_name.get(name) or Limit(name, "-", 1 << 53) for name in stale}
            await self._upkeep.limit(keys, (told | forgotten).values())


def limit_of(record: AnyRecord, spread: int) -> Limit | None:
    """What a shard is told of it, where a tenant's notifications are spread over so many shards; None: nothing ever."""
    if isinstance(record, OrganizationRecord):
        return Limit(record.id, "", record.revision, str(record.weight) if record.weight != 1 else "")
    if isinstance(record, ProductRecord | ProviderRecord | TopicRecord):
        return None
    return Limit(record.id, record.tenant, record.revision, _text(record, spread))


def _text(record: CallbackRecord | ProviderRecord, spread: int) -> str:
    if isinstance(record, CallbackRecord) and record.disabled:
        return DRAINS
    if record.suspended:
        return SUSPENDED
    interval, burst = pace(record.rate_requests, record.rate_period_s, spread)
    if not interval and record.max_in_flight == DEFAULT and spread == 1:
        return ""
    return f"{max(1, record.max_in_flight // spread)} {interval} {burst}"
