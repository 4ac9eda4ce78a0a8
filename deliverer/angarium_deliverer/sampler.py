"""Shows the queue as a whole, and this pod's view of config, in the metrics."""

import asyncio
import logging

from angarium.config import ConfigStore, ConfigTail
from angarium.notifications import LANES
from angarium.queue import Census, Queue
from angarium.telemetry import metrics

log = logging.getLogger(__name__)
PAUSE = 15.0  # s


class Sampler:
    """One round reads the counts and sets the gauges."""

    def __init__(self, queue: Queue, tail: ConfigTail) -> None:
        self._queue, self._tail = queue, tail
        self._census = Census(queue)
        self._store = ConfigStore(queue.link)
        self._warned = False

    async def watch_link(self) -> float:
        """Whether Redis is there: read from memory, so often."""
        metrics.REDIS_UP.set(self._queue.link.up)
        return 1.0

    async def step(self) -> float:
        """One round."""
        backlog, memory, evicts, store = await asyncio.gather(
            self._census.backlog(), self._census.memory_ratio(), self._census.evicts(), self._store.state()
        )
        if evicts and not self._warned:
            log.error("redis would evict accepted deliveries when it is full; set maxmemory-policy noeviction")
        self._warned = evicts
        for lane in LANES:
            metrics.BACKLOG.labels(lane, "ready").set(backlog.ready[lane])
            metrics.BACKLOG.labels(lane, "in_flight").set(backlog.in_flight[lane])
            metrics.OLDEST_READY.labels(lane).set(backlog.oldest_ready[lane])
        metrics.BACKLOG.labels("all", "scheduled").set(backlog.scheduled)
        metrics.BACKLOG.labels("all", "parked").set(backlog.parked)
        metrics.DEAD_LETTERS.set(backlog.counters.get("dead", 0) + backlog.counters.get("refused", 0))
        metrics.REDIS_MEMORY.set(memory)
        metrics.CONFIG_LAG.set(max(0, store.revision - self._tail.revision) if store.epoch else 0)
        metrics.REJECTED_RECORDS.set(len(self._tail.applied.rejected))
        return PAUSE
