"""A queue of keys, not of events: a key waits at most once, is worked on by one at a time, and comes back when it was
added meanwhile. What fails comes back after a wait that doubles, for that key alone.
"""

import asyncio
import heapq
import random
from collections.abc import Hashable
from typing import Generic, TypeVar

FIRST_WAIT, LONGEST_WAIT = 0.25, 60.0  # s

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """`get` a key, work, say `done`; `retry` before it if the work failed."""

    def __init__(self) -> None:
        self._ready: dict[K, None] = {}  # in order of arrival
        self._rechecks: dict[K, None] = {}  # likewise; after all those
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._due: dict[K, float] = {}  # loop time
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0
        self._failures: dict[K, int] = {}
        self._held: dict[K, float] = {}  # not before this loop time, whatever is asked
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready) + len(self._rechecks) + len(self._again)

    @property
    def idle(self) -> bool:
        """Whether nothing is being worked on or waits for its turn; what is due later doesn't count."""
        return not self._ready and not self._rechecks and not self._working and not self._again

    def add(self, key: K, delay: float = 0.0) -> None:
        """Ask for work on a key, at once or in so many seconds; the earlier of two such wishes counts."""
        now = asyncio.get_running_loop().time()
        when = max(now + delay, self._held.get(key, now))
        if when > now:
            self._add_later(key, when)
        elif key in self._working:
            self._again.add(key)
        else:
            self._due.pop(key, None)
            self._rechecks.pop(key, None)
            self._ready[key] = None
            self._wake.set()

    def recheck(self, key: K) -> None:
        """Ask for work on a key of which nothing new is known, once there is nothing else to do."""
        if key in self._working or key in self._held:
            self.add(key)
        elif key not in self._ready:
            self._rechecks[key] = None
            self._wake.set()

    def retry(self, key: K, least: float = 0.0) -> float:
        """Ask for work on a key that failed; the seconds until then. Before `least` nothing else brings it back."""
        self._held[key] = asyncio.get_running_loop().time() + least
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        wait = min(FIRST_WAIT * 2.0 ** min(failures - 1, 10), LONGEST_WAIT)
        wait = max(wait * random.uniform(0.8, 1.2), least)  # noqa: S311 - it only spreads the load
        self.add(key, wait)
        return wait

    def forget(self, key: K) -> None:
        """The key's work went well: its next failure is a first one."""
        self._failures.pop(key, None)
        self._held.pop(key, None)

    async def get(self) -> K:
        """The next key; nobody else gets it until it is done."""
        while True:
            self._promote()
            if waiting := self._ready or self._rechecks:
                key = next(iter(waiting))
                del waiting[key]
                self._working.add(key)
                return key
            self._wake.clear()
            await self._wait()

    def done(self, key: K) -> None:
        """The work on a key is over."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _add_later(self, key: K, when: float) -> None:
        if key in self._ready or key in self._again or self._due.get(key, when + 1) <= when:
            return
        self._due[key] = when
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, key))
        self._wake.set()

    def _promote(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == when:
                del self._due[key]
                self.add(key)

    async def _wait(self) -> None:
        if not self._heap:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout_at(self._heap[0][0]):
                await self._wake.wait()
        except TimeoutError:
            return
