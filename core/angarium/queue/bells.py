"""Waiting until something may be ready: for the bells of all shards.

Commands that block hold up their connection, and in a Redis Cluster one can't wait for keys of several shards. So there
each shard has a Link of its own, and its waiting may outlast that of the others.
"""

import asyncio
from typing import Any

from angarium.errors import StorageUnavailable
from angarium.keys import ShardKeys
from angarium.link import Link
from angarium.queue.queue import Queue


class Bells:
    """`block`: seconds that wait() waits at most."""

    def __init__(self, queue: Queue, block: float) -> None:
        self._queue, self._block = queue, block
        self._links: dict[ShardKeys | None, Link] = {}
        self._listening: dict[ShardKeys, asyncio.Task[None]] = {}
        self._waiting = False
        self._first = 0  # whose bell is heard first where several have rung: each in turn

    async def wait(self) -> list[ShardKeys]:
        """Until one rings, or for the blocking time; the shards that are to be looked at then (none: all)."""
        if not self._queue.link.clustered:
            shards = self._queue.shards
            self._first = (self._first + 1) % len(shards)
            bells = {keys.bell: keys for keys in (*shards[self._first :], *shards[: self._first])}
            rang = await self._link(None).call("BLPOP", *bells, self._block)
            return [bells[rang[0].decode()]] if rang else []
        for keys in self._queue.reachable:
            if keys not in self._listening:
                self._listening[keys] = asyncio.create_task(self._listen(keys), name="bell")
        if not self._listening:
            raise StorageUnavailable("no master of the cluster answers")
        self._waiting = True
        try:
            await asyncio.wait(self._listening.values(), timeout=self._block, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting = False
        heard = [keys for keys, task in self._listening.items() if task.done()]
        for keys in heard:
            self._heard(self._listening.pop(keys))
        return heard

    async def _listen(self, keys: ShardKeys) -> None:
        rang = await self._link(keys).call("BLPOP", keys.bell, self._block)
        if rang and not self._waiting:  # for those who have nothing else to do
            await self._queue.link.call("RPUSH", keys.bell, 1)

    @staticmethod
    def _heard(task: asyncio.Task[Any]) -> None:
        try:
            task.result()
        except StorageUnavailable:
            return  # its master went away; whoever takes from it hears of that

    def _link(self, keys: ShardKeys | None) -> Link:
        link = self._links.get(keys)
        if link is None:
            link = self._links[keys] = Link(self._queue.redis, timeout=self._block + self._queue.redis.timeout)
            link.start()
        return link

    async def close(self) -> None:
        """For good: what waits in Redis for a caller that is gone would be handed what nobody hears of any more."""
        tasks, self._listening = list(self._listening.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*[link.__aexit__() for link in self._links.values()])
