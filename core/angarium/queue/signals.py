"""Hearing at once that something was settled, for who waits for it.

Who waits has its gateway's name noted in the notification, among the fields that settling reads anyway; so a settle
costs nothing more where nobody waits, and where somebody does it says so in a list of that gateway's. One call waits
for the list, however many wait for notifications. A signal may get lost: who waits looks now and then all the same.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from angarium.errors import StorageUnavailable
from angarium.keys import ShardKeys
from angarium.link import Link
from angarium.queue.queue import Queue, script

LISTEN = script("listen", prelude="")
MOST_AT_ONCE = 100


class Signals:
    """`async with Signals(queue, pod) as signals:`; `step` is run for ever beside. `block`: seconds that it waits."""

    def __init__(self, queue: Queue, name: str, block: float = 2.0) -> None:
        self._queue, self._name, self._block = queue, name.replace(" ", "_"), block
        self._links: dict[ShardKeys | None, Link] = {}
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._somebody = asyncio.Event()

    async def __aenter__(self) -> "Signals":
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*[link.__aexit__() for link in self._links.values()])

    @asynccontextmanager
    async def of(self, notification: str) -> AsyncIterator[asyncio.Event]:
        """Set whenever something of it is settled; raises InvalidIdentifier and what Link.call raises."""
        event = asyncio.Event()
        waiting = self._waiting.setdefault(notification, set())
        waiting.add(event)
        self._somebody.set()
        try:
            key = self._queue.keys_of(notification).notification(notification)
            await LISTEN.run(self._queue.link, [key], [self._name])
            yield event
        finally:
            waiting.discard(event)
            if not waiting and self._waiting.get(notification) is waiting:
                del self._waiting[notification]

    def release(self) -> None:
        """Let all look at once what they wait for."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def step(self) -> None:
        """Hear what there is, for as long as it waits; nothing is asked of Redis while nobody waits."""
        if not self._waiting:
            self._somebody.clear()
            await self._somebody.wait()
        if self._queue.link.clustered:  # there a call can't wait for keys of several slots
            await asyncio.gather(*[self._listen(keys) for keys in self._queue.reachable])
        else:
            await self._hear(None, self._queue.shards, self._block)

    async def _listen(self, keys: ShardKeys) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._block
        try:
            while (left := end - loop.time()) > 0:
                await self._hear(keys, (keys,), left)
        except StorageUnavailable:
            await asyncio.sleep(max(0.0, end - loop.time()))  # its master is away; the others are heard

    async def _hear(self, link: ShardKeys | None, shards: tuple[ShardKeys, ...], seconds: float) -> None:
        lists = [keys.signals(self._name) for keys in shards]
        found = await self._link(link).call(
            "BLMPOP", max(0.01, seconds), len(lists), *lists, "LEFT", "COUNT", MOST_AT_ONCE
        )
        for notification in found[1] if found else ():
            for event in self._waiting.get(notification.decode("ascii"), ()):
                event.set()

    def _link(self, keys: ShardKeys | None) -> Link:
        link = self._links.get(keys)
        if link is None:
            link = self._links[keys] = Link(self._queue.redis, timeout=self._block + self._queue.redis.timeout)
            link.start()
        return link
