"""What intake, ledger, consumer and census share: the connection and the shards' keys."""

import hashlib
from functools import cached_property, lru_cache

from angarium.identifiers import shard_of
from angarium.keys import GROUP, ShardKeys
from angarium.link import Link
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
        own = int.from_bytes(hashlib.blake2b(key, digest_size=2).digest(), "big") % min(TENANT_SPREAD, self.count)
        return _pick(tenant, own, self.count)

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


@lru_cache(maxsize=65536)
def _pick(tenant: str, which: int, shards: int) -> int:
    """The `which`-th of a tenant's shards: a draw without replacement, the same everywhere."""
    ranked = sorted(
        range(shards), key=lambda shard: hashlib.blake2b(f"{tenant}/{shard}".encode(), digest_size=8).digest()
    )
    return ranked[which]


def script(name: str) -> Script:
    """A script of this package."""
    return Script("angarium.queue", name)


ENSURE_GROUP = script("ensure_group")
