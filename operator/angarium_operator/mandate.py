"""Whether this process may write, and until when: asked immediately before each write to Kubernetes and to Redis.

It is a clock that decides and no flag: a process that was stopped (SIGSTOP, a frozen node, a suspended machine) finds
its mandate run out before any task of it could have noticed.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable

Permit = Callable[[], float]
"""Seconds that a write which begins now may take; 0: none may begin."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the former counts while the machine is suspended


def now() -> float:
    """Seconds of a clock that nobody sets and nothing stops."""
    return time.clock_gettime(_CLOCK)


def unlimited() -> float:
    """The permit of who is alone."""
    return math.inf


class Mandate:
    """`rest` is a Permit; `begun` is set while there is a mandate."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._begin_until = self._end_until = -math.inf
        self.closed = False  # for good
        self._ended = asyncio.Event()
        self.begun = asyncio.Event()

    def rest(self) -> float:
        """Seconds, as Permit says."""
        now = self._clock()
        return self._end_until - now if now < self._begin_until else 0.0

    def extend(self, begin_until: float, end_until: float) -> None:
        """Writes may begin until the one time of the clock, and must have ended by the other."""
        if self.closed:
            return
        self._begin_until, self._end_until = begin_until, end_until
        self._ended.clear()
        self.begun.set()

    def end(self) -> None:
        """At once, for somebody else has it."""
        self._begin_until = self._end_until = -math.inf
        self.begun.clear()
        self._ended.set()

    def close(self) -> None:
        """Lay it down for good."""
        self.closed = True
        self.end()

    async def over(self) -> None:
        """Once it has run out, or was ended."""
        while (left := self._begin_until - self._clock()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if left == math.inf else left):
                    await self._ended.wait()
        self.end()
