"""Takes over what a dead deliverer held, and finds again what a lost reply left unknown to ourselves."""

import asyncio
from collections.abc import Awaitable, Callable

from angarium.config import DEAD_AFTER, Presence
from angarium.queue import Consumer, Entry, Upkeep

PAUSE = 0.5  # s
MOST_HELD = 5000  # entries that a consumer can hold: more than it can have slots
OWN_EVERY = 15.0  # s; also how often consumers are looked for that nobody beats for
OWN_IDLE = 10.0  # s that an entry of ours may be held unknown

Dispatch = Callable[[list[Entry]], Awaitable[None]]


class Recoverer:
    """`free` says how many slots are free; `dispatch` takes entries and skips those already held; `taking` is held
    by whoever has begun some that are not held yet."""

    def __init__(
        self,
        consumer: Consumer,
        upkeep: Upkeep,
        presence: Presence,
        free: Callable[[], int],
        dispatch: Dispatch,
        taking: asyncio.Lock,
    ) -> None:
        self._consumer, self._upkeep, self._presence = consumer, upkeep, presence
        self._free, self._dispatch, self._taking = free, dispatch, taking
        self._emptied: set[str] = set()
        self._strangers: set[str] = set()
        self._own_at = 0.0

    async def own(self, idle: float = 0.0) -> None:
        """Take up what this consumer's name holds and this process does not know of (a restart, a lost reply).

        Not what is just being taken: where Redis's clock is put forward, that seems to have been idle, too.
        """
        self._own_at = asyncio.get_running_loop().time()
        async with self._taking:
            await self._dispatch(await self._consumer.claim(self._consumer.name, MOST_HELD, idle))

    async def step(self) -> float:
        """One round."""
        if asyncio.get_running_loop().time() - self._own_at > OWN_EVERY:
            await self.own(OWN_IDLE)
            self._strangers = await self._unknown()
        lost = self._strangers.union(self._presence.dead)
        self._emptied &= lost
        for pod in lost:
            free = self._free()
            if pod not in self._emptied and free > 0:
                async with self._taking:
                    entries = await self._consumer.claim(pod, free)
                    await self._dispatch(entries)
                if not entries:
                    self._emptied.add(pod)
        return PAUSE

    async def _unknown(self) -> set[str]:
        """Consumers that nobody beats for: dead so long that they are forgotten, or handed something as they left."""
        silent = await self._upkeep.silent(DEAD_AFTER) if self._presence.steady else set()
        if silent - self._presence.known:
            await self._presence.beat()  # to know who came since the last one
        return silent - self._presence.known if self._presence.steady else set()
