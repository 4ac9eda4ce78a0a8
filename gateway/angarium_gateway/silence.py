"""When a gateway that is going away may stop listening: once nobody has called for a while."""

import asyncio
from collections.abc import Callable
from time import monotonic


class Silence:
    """How long nobody has called: neither connected, nor been answered on a connection that there was."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since = clock()

    def broken(self) -> None:
        """Somebody called."""
        self._since = self._clock()

    async def lasts(self, quiet: float, most: float) -> float:
        """Wait until it has lasted `quiet` seconds from now on, for `most` seconds at most; how many those were."""
        self._since = began = self._clock()
        # Not an event: there are many calls, and only their absence is waited for.
        while (left := min(self._since + quiet, began + max(quiet, most)) - self._clock()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)
        return self._clock() - began
