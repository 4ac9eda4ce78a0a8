"""Into how many shards gateways write, so that everybody else reads at least these: what makes the number changeable.

Each gateway says its number in Redis before it accepts anything, and again every two seconds; all pods follow. So
nothing has to be rolled in an order, and while pods of several numbers live:

- deliverers, lists and the census read the shards of the highest number, and of a lowered one until they are empty;
- a key's notification may be in another shard than where this pod would put it, so gateways agree on it by way of all
  shards where a gateway of the last day would have looked (intake.py).
"""

import asyncio
from collections.abc import Callable

from angarium.keys import ConfigKeys, ShardKeys
from angarium.queue.codec import pairs
from angarium.queue.queue import Queue, script

LAYOUT = script("layout", prelude="")
INTERVAL = 2.0  # s
KEYS_MS = 25 * 3600_000  # an Idempotency-Key lives 24 hours; one more for a gateway that was cut off
FORGET_MS = 4 * 24 * 3600_000  # longer than the default retries take


class Layout:
    """What one pod says and hears of it. `known` is set once it has heard."""

    def __init__(self, queue: Queue, *, writes: bool = False, changed: Callable[[], None] = lambda: None) -> None:
        """`writes`: a gateway's; `changed` is called when there are other shards, or tenants are spread otherwise."""
        self._queue, self._changed = queue, changed
        self._key = ConfigKeys(queue.prefix).shards
        self._own = queue.count if writes else 0
        self.known = asyncio.Event()

    async def step(self) -> float:
        """One round of `forever`."""
        said, now = await self._hear()
        changed = self._queue.follow(said, [number for number, at in said.items() if now - at < KEYS_MS])
        self.known.set()
        if changed:
            self._changed()
        return INTERVAL

    async def forget(self) -> list[int]:
        """Drop numbers that nobody has written for days and that nothing is left of; which were."""
        said, now = await self._hear()
        used = [number for number, at in said.items() if now - at < FORGET_MS]
        dropped = []
        for number in sorted(said.keys() - used, reverse=True):  # what is empty goes from the top
            if await self._bare(range(max(used, default=number), number)):
                await self._queue.link.call("HDEL", self._key, number)
                dropped.append(number)
            else:
                used.append(number)
        return dropped

    async def _hear(self) -> tuple[dict[int, int], int]:
        now, flat = await LAYOUT.run(self._queue.link, [self._key], [self._own])
        return {int(number): int(at) for number, at in pairs(flat).items()}, now

    async def _bare(self, shards: range) -> bool:
        """Whether these hold no notification: what waits is in the backlog, what is finished in the expiry."""
        for keys in (ShardKeys(shard, self._queue.prefix) for shard in shards):
            if await self._queue.link.call("EXISTS", keys.backlog, keys.expiry):
                return False
        return True
