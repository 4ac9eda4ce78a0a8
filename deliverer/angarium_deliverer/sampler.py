"""Shows the queue as a whole, and this pod's view of config, in the metrics."""

import asyncio
import logging
from collections.abc import Iterable

from angarium.config import ConfigStore, ConfigTail
from angarium.notifications import LANES
from angarium.queue import Census, Queue, drain_seconds
from angarium.records import AnyRecord, OrganizationRecord, ProductRecord
from angarium.telemetry import metrics
from angarium.telemetry.families import Family

log = logging.getLogger(__name__)
PAUSE = 15.0  # s
DELETED = "deleted"  # stands for all products that are no more


class Sampler:
    """One round reads the counts and sets the gauges."""

    def __init__(self, queue: Queue, tail: ConfigTail) -> None:
        self._queue, self._tail = queue, tail
        self._census = Census(queue)
        self._store = ConfigStore(queue.link)
        self._warned = False
        self._dead, self._waiting = Family(metrics.DEAD_LETTERS), Family(metrics.WAITING)

    async def watch_link(self) -> float:
        """Whether Redis is there: read from memory, so often."""
        metrics.REDIS_UP.set(self._queue.link.up)
        return 1.0

    async def step(self) -> float:
        """One round."""
        memory, evicts, store = await asyncio.gather(self._census.memory(), self._census.evicts(), self._store.state())
        if evicts and not self._warned:
            log.error("redis would evict accepted deliveries when it is full; set maxmemory-policy noeviction")
        self._warned = evicts
        metrics.show_memory(memory.used, memory.limit)
        metrics.CONFIG_LAG.set(max(0, store.revision - self._tail.revision) if store.epoch else 0)
        metrics.REJECTED_RECORDS.set(len(self._tail.applied.rejected))
        await self._show_backlog()
        await self._show_products()
        return PAUSE

    async def _show_backlog(self) -> None:
        backlog, headway = await asyncio.gather(self._census.backlog(), self._census.headway())
        for lane in LANES:
            metrics.BACKLOG.labels(lane, "ready").set(backlog.ready[lane])
            metrics.BACKLOG.labels(lane, "in_flight").set(backlog.in_flight[lane])
            metrics.OLDEST_READY.labels(lane).set(backlog.oldest_ready[lane])
        metrics.BACKLOG.labels("all", "scheduled").set(backlog.scheduled)
        metrics.BACKLOG.labels("all", "parked").set(backlog.parked)
        oldest = max(backlog.oldest_ready.values())
        metrics.DRAIN.set(drain_seconds(sum(backlog.ready.values()), oldest, headway))

    async def _show_products(self) -> None:
        """Each product with its organizations; one of which nothing waits is shown with 0."""
        product_of = products(self._tail.records.values())
        dead: dict[tuple[str, ...], float] = {(name,): 0 for name in product_of.values()}
        waiting = dict(dead)
        for tenant, share in (await self._census.shares()).items():
            name = (product_of.get(tenant, DELETED),)
            dead[name] = dead.get(name, 0) + share.dead
            waiting[name] = waiting.get(name, 0) + share.waiting
        self._dead.show(dead)
        self._waiting.show(waiting)


def products(records: Iterable[AnyRecord]) -> dict[str, str]:
    """`namespace/name` of its product by the id of each tenant."""
    found = {}
    for record in records:
        if isinstance(record, ProductRecord):
            found[record.id] = f"{record.namespace}/{record.name}"
        elif isinstance(record, OrganizationRecord):
            found[record.id] = record.product
    return found
