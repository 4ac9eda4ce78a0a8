"""What intake, ledger, consumer and census share: the connection and the shards' keys."""

import hashlib
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from angarium.errors import StorageRefused
from angarium.identifiers import shard_of
from angarium.keys import GROUP, ShardKeys
from angarium.link import Argument, Confirm, Link
from angarium.lua import Script
from angarium.settings import RedisSettings

TENANT_SPREAD = 4  # shards that one tenant's notifications are spread over (shuffle sharding)


class Queue:
    """`async with Queue(settings.redis, settings.shards) as queue:`"""

    def __init__(self, redis: RedisSettings, shards: int = 1, prefix: str = "ang") -> None:
        """`shards`: how many this process writes new notifications into; it reads more where others do (layout.py)."""
        self.redis = redis
        self.link = Link(redis)
        self._confirmed: Link | None = None
        self.prefix = prefix
        self.count = shards
        self.shards = tuple(ShardKeys(shard, prefix) for shard in range(shards))
        self.counts: tuple[int, ...] = (shards,)  # by which a key of the last day may have got its shard, ascending
        self.spread = min(TENANT_SPREAD, shards)  # over how many shards a tenant's notifications are spread at most
        self._beyond: dict[int, ShardKeys] = {}

    async def __aenter__(self) -> "Queue":
        await self.link.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.__aexit__()
        if self._confirmed:
            await self._confirmed.__aexit__()

    @property
    def confirmed(self) -> Link:
        """Answers what replicas have confirmed. Apart, so that nobody else waits for them; made when first needed."""
        if self._confirmed is None:
            confirm = Confirm(self.redis.confirm_replicas, round(self.redis.confirm_timeout * 1000))
            self._confirmed = Link(self.redis, confirm=confirm)
            self._confirmed.start()
        return self._confirmed

    @property
    def reachable(self) -> list[ShardKeys]:
        """The shards, but those on a master of a Cluster that is away: to ask them would hold up the others."""
        return [keys for keys in self.shards if self.link.reaches(keys.counters)]

    def follow(self, said: Collection[int], recent: Collection[int]) -> bool:
        """Read what any gateway writes: `said` are the numbers of shards that are in use, `recent` of the last day.

        Whether other shards are read now, or a tenant is spread over more or fewer.
        """
        before = self.shards, self.spread
        numbers = {*said, self.count}
        most = max(numbers)
        if most != len(self.shards):
            self.shards = tuple(self._keys(shard) for shard in range(most))
        self.counts = tuple(sorted({*recent, self.count}))
        self.spread = min(most, sum(min(TENANT_SPREAD, number) for number in numbers))
        return before != (self.shards, self.spread)

    def shard_for(self, tenant: str, key: bytes, count: int | None = None) -> int:
        """The shard for a tenant's notification: the same key, the same shard; a tenant's are spread over a few."""
        count = count or self.count
        if count == 1:
            return 0
        own = int.from_bytes(hashlib.blake2b(key, digest_size=2).digest(), "big") % min(TENANT_SPREAD, count)
        return _pick(tenant, own, count)

    def homes(self, tenant: str, key: bytes) -> list[ShardKeys]:
        """The shards where gateways look for a key, in an order that is the same everywhere; mostly one."""
        return [self._keys(shard) for shard in sorted({self.shard_for(tenant, key, count) for count in self.counts})]

    def keys_of(self, notification: str) -> ShardKeys:
        """The keys of the shard that an id names, also of one beyond those that are read; raises InvalidIdentifier."""
        return self._keys(shard_of(notification))

    def _keys(self, shard: int) -> ShardKeys:
        if shard < len(self.shards):
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
