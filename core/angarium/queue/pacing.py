"""Paces: what a rate means for one shard, and one that all pods keep together.

The latter is for several tenants whose messages go out by one account.
"""

import math
import time

from angarium.keys import pace_key
from angarium.queue.queue import Queue, script

PACE = script("pace", prelude="")


class Pacing:
    """One pace for each name."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def wait(self, name: str, interval: int, burst: int) -> float:
        """Seconds until one more may go; 0: it may now, and counts. `interval` in µs. Raises StorageUnavailable."""
        key = pace_key(name, self._queue.prefix)
        return int(await PACE.run(self._queue.link, [key], [interval, burst])) / 1e6

    async def look(self, name: str, interval: int, burst: int) -> float:
        """The same without taking a turn; by our clock."""
        due = await self._queue.link.call("GET", pace_key(name, self._queue.prefix))
        return max(0.0, (int(due) - interval * (burst - 1)) / 1e6 - time.time()) if due else 0.0


def pace(requests: int | None, period: float, spread: int) -> tuple[int, int]:
    """µs between attempts, and how many may go at once, so that no period ever sees more than `requests` in all shards.

    What was saved up counts in: an even pace of `requests` with a burst on top would exceed it. With fewer requests
    than shards each shard still has one at a time: then only the average holds.
    """
    if requests is None:
        return 0, 0
    if requests < spread:
        return math.ceil(period * 1e6 * spread / requests), 1
    share = requests // spread
    burst = max(1, share // 10)
    return math.ceil(period * 1e6 / (share - burst + 1)), burst
