"""Slots: how many deliveries a pod has in flight, and who may have more of them.

No tenant gets another slot while it holds more than are free, so that k of them leave one in k + 1 to whoever comes
next (a dynamic threshold, as switches share their buffers). Callbacks that fail or have never answered share at most
half: however many endpoints fall silent, the other half goes on.
"""

import asyncio
import contextlib
from collections import Counter

from angarium.queue import Entry, Started
from angarium.telemetry import metrics

LARGEST_TAKE = 64  # begun at once: what comes meanwhile waits until these are on their way

_Key = tuple[int, int, str]  # shard, lane and entry


class Slots:
    """The pod's slots, each held by a task."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._held: dict[_Key, asyncio.Task[None]] = {}
        self._tenants: Counter[str] = Counter()
        self._doubtful = 0
        self._one_freed = asyncio.Event()
        metrics.SLOTS.set(count)
        metrics.SLOTS_USED.set_function(lambda: len(self._held))

    @property
    def free(self) -> int:
        """How many are free; claimed entries may take more than there are."""
        return self._count - len(self._held)

    @property
    def portion(self) -> int:
        """How many to take at once: a part of what is free, for all of it could go to one tenant."""
        return min(LARGEST_TAKE, max(1, self.free // 4))

    @property
    def doubtful_left(self) -> int:
        """How many more may go to doubtful callbacks."""
        return max(0, self._count // 2 - self._doubtful)

    def crowding(self) -> list[str]:
        """Tenants that hold more than are free."""
        free = self.free
        if free > self._count // 2:
            return []
        return [tenant for tenant, held in self._tenants.items() if held > free]

    def holds(self, entry: Entry) -> bool:
        """Whether it is being delivered here."""
        return _key(entry) in self._held

    def hold(self, started: Started, task: asyncio.Task[None]) -> None:
        """One more is held."""
        self._held[_key(started.entry)] = task
        self._tenants[started.entry.ticket.tenant] += 1
        self._doubtful += started.doubtful

    def let_go(self, started: Started) -> None:
        """It has ended."""
        tenant = started.entry.ticket.tenant
        del self._held[_key(started.entry)]
        self._tenants[tenant] -= 1
        if not self._tenants[tenant]:
            del self._tenants[tenant]
        self._doubtful -= started.doubtful
        self._one_freed.set()

    async def freed(self, most: float | None = None) -> None:
        """Wait until the next is let go, at most so many seconds."""
        self._one_freed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most):
                await self._one_freed.wait()

    def tasks(self) -> list[asyncio.Task[None]]:
        """Those under way."""
        return list(self._held.values())


def _key(entry: Entry) -> _Key:
    return entry.keys.shard, entry.lane, entry.id
