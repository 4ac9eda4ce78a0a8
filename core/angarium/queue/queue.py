"""What intake, ledger, consumer and census share: the connection and the shards' keys."""

import hashlib
from functools import cached_property, lru_cache
from typing import Any

from angarium.errors import StorageRefused
from angarium.identifiers import shard_of
from angarium.keys import GROUP, ShardKeys
from angarium.link import Argument, Link
from angarium.lua import Script
from angarium.settings import RedisSettings

TENANT_SPREAD = 4  # shards that one tenant's notifications are spread over (shuffle sharding)


class Queue:
    """`async with Queue(settings.redis, settings.shards) as queue:`"""

    def __init__(self, redis: RedisSettings, shards: int = 1, prefix: str = "ang") -> None:
        self.redis = redis
        self.link = Link(redis)
        self.shards = tuple(ShardKeys(shard, prefix) for shard in range(shards))
        self._beyond: dict[int, ShardKeys] = {}
        self.prefix = prefix

    async def __aenter__(self) -> "Queue":
        await self.link.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.__aexit__()

    @cached_property
    def count(self) -> int:
        """How many shards new notifications go to."""
        return len(self.shards)

    def shard_for(self, tenant: str, key: bytes) -> int:
        """The shard for a tenant's notification: the same key, the same shard; a tenant's are spread over a few."""
        if self.count == 1:
            return 0
        own = int.from_bytes(hashlib.blake2b(key, digest_size=2).digest(), "big") % self.spread
        return _pick(tenant, own, self.count)

    @property
    def spread(self) -> int:
        """Over how many shards a tenant's notifications are spread."""
        return min(TENANT_SPREAD, self.count)

    def keys_of(self, notification: str) -> ShardKeys:
        """The keys of the shard that an id names, also of one beyond today's count; raises InvalidIdentifier."""
        shard = shard_of(notification)
        if shard < self.count:
            return self.shards[shard]
        return self._beyond.setdefault(shard, ShardKeys(shard, self.prefix))

    async def prepare(self) -> None:
        """Make the consumer groups that are missing, from the beginning of their streams (`0`, not `$`)."""
        for keys in self.shards:
            for lane in keys.lanes:
                await ENSURE_GROUP.run(self.link, [lane], [GROUP])

    async def grouped(self, script: Script, keys: ShardKeys, arguments: list[Argument]) -> Any:
        """Run one that needs the consumer groups; make them and try once more where Redis has lost them."""
        try:
            return await script.run(self.link, keys.lanes, arguments)
        except StorageRefused as error:
            if "NOGROUP" not in str(error) and "no such key" not in str(error):
                raise
            await self.prepare()
            return await script.run(self.link, keys.lanes, arguments)


@lru_cache(maxsize=65536)
def _pick(tenant: str, which: int, shards: int) -> int:
    """The `which`-th of a tenant's shards: a draw without replacement, the same everywhere."""
    ranked = sorted(
        range(shards), key=lambda shard: hashlib.blake2b(f"{tenant}/{shard}".encode(), digest_size=8).digest()
    )
    return ranked[which]


def script(name: str, prelude: str = "lines") -> Script:
    """A script of this package."""
    return Script("angarium.queue", name, prelude)


ENSURE_GROUP = script("ensure_group", prelude="")
