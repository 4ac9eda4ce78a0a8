"""How Redis and the other gateways are, read every two seconds, so that requests need not ask.

While requests have met no Redis for a while, or it is nearly full, what is new is refused at once instead of
gathering here.
"""

import asyncio
import logging

from angarium.config import ConfigStore, ConfigTail, read_live
from angarium.queue import Census, Queue
from angarium.telemetry import metrics
from angarium.telemetry.families import Family
from angarium_gateway.directory import Directory
from angarium_gateway.problems import full, unavailable

log = logging.getLogger(__name__)
INTERVAL = 2.0  # s
PATIENCE = 2.0  # s that Redis may be away before requests are refused without trying


class Vitals:
    """`gateways` live now, this one included; at least 1."""

    def __init__(self, queue: Queue, tail: ConfigTail, directory: Directory, memory_limit: float) -> None:
        self._queue = queue
        self._tail = tail
        self._directory = directory
        self._expiries, self._uses = Family(metrics.CREDENTIAL_EXPIRY), Family(metrics.CREDENTIAL_USED)
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
        if self.full:
            raise full()

    @property
    def full(self) -> bool:
        """Whether Redis has no room for something new."""
        return self.memory_ratio >= self._memory_limit

    async def step(self) -> float:
        """One round of `forever`."""
        metrics.REDIS_UP.set(self._queue.link.up)
        await self.sample()
        return INTERVAL

    async def sample(self) -> None:
        """One round."""
        metrics.REDIS_UP.set(self._queue.link.up)
        metrics.REJECTED_RECORDS.set(len(self._tail.applied.rejected))
        self._show_credentials()
        memory, store, pods = await asyncio.gather(
            self._census.memory(), self._store.state(), read_live(self._queue.link, self._queue.prefix)
        )
        self._away_since = None
        self.memory_ratio = memory.ratio
        self.gateways = max(1, sum(pod.role == "gateway" for pod in pods))
        metrics.REDIS_UP.set(1)
        metrics.show_memory(memory.used, memory.limit)
        metrics.CONFIG_LAG.set(max(0, store.revision - self._tail.revision) if store.epoch else 0)

    def _show_credentials(self) -> None:
        expiries: dict[tuple[str, ...], float] = {}
        uses: dict[tuple[str, ...], float] = {}
        for caller in self._directory.expiring:
            labels = (caller.tenant.product, caller.tenant.organization or "", caller.key.id)
            expiries[labels] = (caller.key.expires_ms or 0) / 1000
            if used := self._directory.last_use(caller):
                uses[labels] = used
        self._expiries.show(expiries)
        self._uses.show(uses)
