"""How Redis and the other gateways are, read once a second, so that requests need not ask.

While Redis has been away for a while, or is nearly full, what is new is refused at once instead of gathering here.
"""

import asyncio
import logging

from angarium.config import ConfigStore, ConfigTail, read_live
from angarium.errors import StorageUnavailable
from angarium.queue import Census, Queue
from angarium.telemetry import metrics
from angarium_gateway.problems import full, unavailable

log = logging.getLogger(__name__)
INTERVAL = 1.0  # s
PATIENCE = 2.0  # s that Redis may be away before requests are refused without trying


class Vitals:
    """`gateways` live now, this one included; at least 1."""

    def __init__(self, queue: Queue, tail: ConfigTail, memory_limit: float) -> None:
        self._queue = queue
        self._tail = tail
        self._census = Census(queue)
        self._store = ConfigStore(queue.link, queue.prefix)
        self._memory_limit = memory_limit
        self._away_since: float | None = None
        self.memory_ratio = 0.0
        self.gateways = 1

    def require_storage(self) -> None:
        """Raise a Problem where asking Redis would only make the caller wait."""
        if self._queue.link.up:
            self._away_since = None
            return
        now = asyncio.get_running_loop().time()
        if self._away_since is None:
            self._away_since = now
        elif now - self._away_since > PATIENCE:
            raise unavailable()

    def require_room(self) -> None:
        """Raise a Problem where Redis has no room for something new."""
        if self.memory_ratio >= self._memory_limit:
            raise full()

    async def run(self) -> None:
        """Sample until cancelled; a round that fails is counted, and the next one comes all the same."""
        while True:
            try:
                await self.sample()
            except StorageUnavailable:
                metrics.REDIS_UP.set(0)
            except Exception:
                log.exception("sampling failed")
                metrics.LOOP_ERRORS.labels("vitals").inc()
            await asyncio.sleep(INTERVAL)

    async def sample(self) -> None:
        """One round."""
        metrics.REDIS_UP.set(self._queue.link.up)
        metrics.REJECTED_RECORDS.set(len(self._tail.applied.rejected))
        memory, store, pods = await asyncio.gather(
            self._census.memory_ratio(), self._store.state(), read_live(self._queue.link, self._queue.prefix)
        )
        self._away_since = None
        self.memory_ratio = memory
        self.gateways = max(1, sum(pod.role == "gateway" for pod in pods))
        metrics.REDIS_UP.set(1)
        metrics.REDIS_MEMORY.set(memory)
        metrics.CONFIG_LAG.set(max(0, store.revision - self._tail.revision) if store.epoch else 0)
