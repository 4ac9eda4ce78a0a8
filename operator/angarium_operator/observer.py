"""Looking at the data plane: which pods live and what they have applied, and how callbacks' endpoints fare."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

from angarium.config import read_live
from angarium.errors import StorageUnavailable
from angarium.link import Link
from angarium.queue.census import CallbackHealth, Census
from angarium.resources import Health
from angarium.telemetry.families import Family
from angarium.telemetry.metrics import CALLBACKS, REDIS_UP, RESOURCES, UNHEALTHY
from angarium_operator.kinds import RESOURCES as KINDS
from angarium_operator.planning import DataPlane, Key, Snapshot
from angarium_operator.planning.dataplane import ROLES
from angarium_operator.publisher import Publisher
from angarium_operator.reconciler import Reconciler
from angarium_operator.settings import OperatorSettings

COUNTS_A_SECOND = 20  # writes of mere counts, over all callbacks together
MANY_SHARDS = 6  # from here on endpoints are looked at less often: each shard costs Redis some commands a look
BAD: frozenset[Health] = frozenset({"Failing", "CircuitOpen", "Disabled"})
UNKNOWN = DataPlane(dict.fromkeys(ROLES, 1 << 62))  # before the first look: what a status says of it may well be true


def pause(last: float, limits: tuple[float, float], *, waits: bool, hurried: bool) -> float:
    """Seconds to the next look at the data plane, within the limits.

    What waits in vain (no deliverer lives, or one can't read a record) is looked after less and less often.
    """
    shortest, longest = limits
    if hurried:
        return shortest
    return max(shortest, min(last * 1.5, longest)) if waits else longest


def health_pause(settings: OperatorSettings) -> float:
    """Seconds to the next look at endpoints."""
    return settings.health_seconds * max(1.0, settings.shards / MANY_SHARDS)


class Observer:
    """Keeps the snapshot's view of Redis current, and concerns the objects that it bears on."""

    def __init__(
        self,
        settings: OperatorSettings,
        link: Link,
        census: Census,
        publisher: Publisher,
        reconciler: Reconciler,
        snapshot: Snapshot,
    ) -> None:
        self._settings = settings
        self._link, self._census = link, census
        self._publisher, self._reconciler = publisher, reconciler
        self._snapshot = snapshot
        self._best = UNKNOWN
        self._pause = 0.0  # s before the next look at the data plane
        self._unhealthy = Family(UNHEALTHY)

    async def watch_plane(self) -> None:
        """One look, and the time until the next: short while the data plane takes something up, long otherwise."""
        before = self._snapshot.plane
        await self.look()
        plane, settings = self._snapshot.plane, self._settings
        hurried = plane != before or plane.doubted_until is not None
        limits = settings.look_seconds, settings.idle_look_seconds
        self._pause = pause(self._pause, limits, waits=bool(self._reconciler.waiting), hurried=hurried)
        self._reconciler.wakened.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._reconciler.wakened.wait()
                self._pause = 0.0
                await asyncio.sleep(self._settings.look_seconds / 5)  # more is about to come

    async def watch_health(self) -> None:
        """The time until the next look at endpoints, and the look."""
        await asyncio.sleep(health_pause(self._settings))
        await self.look_at_health()

    async def look(self) -> None:
        """One look at store and pods."""
        usable = await self._publisher.check()
        REDIS_UP.set(self._link.up)
        if not usable:
            return
        try:
            if not self._snapshot.stored:
                await self._return()
            pods = await read_live(self._link)
        except StorageUnavailable:
            return
        self._take(DataPlane.of(pods, self._publisher.epoch), datetime.now(UTC))

    async def _return(self) -> None:
        """The store is there again. First see which endpoints are gone, lest they be enabled for a moment."""
        self._snapshot.health = await self._census.callbacks()
        self._snapshot.stored = True
        self._reconciler.recheck([*self._snapshot.everything(), *self._snapshot.published])

    def _take(self, seen: DataPlane, now: datetime) -> None:
        before = self._snapshot.plane
        if seen.worse_than(self._best):
            until = before.doubted_until or now + timedelta(seconds=self._settings.doubt_seconds)
            if now < until:
                self._snapshot.plane = replace(seen, doubted_until=until)
                self._concern_waiting(before, self._snapshot.plane)
                return
        self._best = self._snapshot.plane = seen
        if before.doubted_until is not None or seen.missing != before.missing or seen.rejected != before.rejected:
            self._reconciler.recheck(self._lagging(before, seen))
        else:
            self._concern_waiting(before, seen)

    def _lagging(self, before: DataPlane, seen: DataPlane) -> set[Key]:
        """Those whose verdict is another one now."""
        if seen.missing or before.missing or before.rejected or seen.rejected:
            return set(self._snapshot.everything())
        late = {key for key, published in self._snapshot.published.items() if published.since > seen.floor}
        return late | self._reconciler.waiting

    def _concern_waiting(self, before: DataPlane, seen: DataPlane) -> None:
        if seen.floors != before.floors:
            self._reconciler.concern(list(self._reconciler.waiting))

    async def look_at_health(self) -> None:
        """One look at all endpoints."""
        if not self._snapshot.stored:
            return
        try:
            found = await self._census.callbacks()
        except StorageUnavailable:
            return
        before, self._snapshot.health = self._snapshot.health, found
        endpoints = self._snapshot.endpoints
        spread = timedelta(seconds=max(self._settings.count_seconds, len(endpoints) / COUNTS_A_SECOND))
        self._snapshot.policy = replace(self._snapshot.policy, count_every=spread)
        none = CallbackHealth()
        changed = [key for key, (id_, _) in endpoints.items() if before.get(id_, none) != found.get(id_, none)]
        self._reconciler.concern(changed)
        self._measure()

    def close(self) -> None:
        """Show no numbers any more: they are another operator's to tell."""
        for metric in (CALLBACKS, UNHEALTHY, RESOURCES):
            metric.clear()

    def _measure(self) -> None:
        endpoints = self._snapshot.endpoints
        by_health = Counter(each.health for each in endpoints.values())
        for health in get_args(Health):
            CALLBACKS.labels(health).set(by_health[health])
        self._unhealthy.show(
            {(f"{key.namespace}/{key.name}",): 1 for key, each in endpoints.items() if each.health in BAD}
        )
        counts = Counter((key.kind, ready) for key, ready in self._reconciler.ready.items())
        for kind in KINDS:
            for ready in (True, False):
                RESOURCES.labels(kind, str(ready).lower()).set(counts[kind, ready])
