"""Retention: what is forgotten leaves no key behind."""

import redis.asyncio
from tests.chaos.retention import BATCH, cycle, fill, size

from angarium.queue import Filters, Ledger, Queue
from angarium.settings import RedisSettings


async def test_forgotten_notifications_leave_nothing(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    async with Queue(redis_settings) as queue:
        await cycle(queue, BATCH, retention_s=0)
        keys, before = set(await redis_client.keys()), await size(redis_client)
        await fill(queue, 1000, retention_s=3600)
        full = await size(redis_client)
        assert full.keys >= before.keys + 1000
        await redis_client.flushall()
        await cycle(queue, BATCH, retention_s=0)
        await cycle(queue, 1000, retention_s=0)
        assert set(await redis_client.keys()) == keys
        after = await size(redis_client)
        assert after.bytes - before.bytes < (full.bytes - before.bytes) / 50
        page = await Ledger(queue).page("prd_0", Filters(), 10)
        assert page.items == ()
