"""Seconds to drain: what deliverers are scaled by."""

import pytest
import redis.asyncio
from tests.core.queue_scene import Scene, scene, settle

from angarium.queue import Census, Headway, Queue, drain_seconds
from angarium.queue.draining import LONGEST
from angarium.settings import RedisSettings

NOW = 1_000_000
STEADY = Headway(NOW, 1000, tuple((NOW - s * 1000, 1000 - s * 10) for s in range(5, 80, 5)))  # 10 a second
QUIET = Headway(NOW, 1000, ((NOW - 6_000, 940), (NOW - 30_000, 940), (NOW - 60_000, 940)))  # 60 in the last 6 s
STILL = Headway(NOW, 1000, ((NOW - 15_000, 1000), (NOW - 60_000, 1000)))
NEW = Headway(NOW, 0)


@pytest.mark.parametrize(
    ("ready", "oldest", "shards", "seconds"),
    [
        (0, 0.0, [STEADY], 0.0),
        (0, 0.0, [NEW], 0.0),
        (300, 30.0, [STEADY], 30.0),
        (300, 5000.0, [STEADY], 30.0),  # the last minute counts, whatever was before
        (300, 30.0, [STEADY, STEADY], 15.0),
        (300, 6.0, [QUIET], 30.0),  # not 300: before the burst there was nothing to do
        (300, 12.0, [STILL], 12.0),  # nothing moves: as long again as it has lasted
        (300, 900.0, [STILL], 900.0),
        (300, 2.0, [NEW], 2.0),
        (300, 90_000.0, [STILL], LONGEST),
        (10**9, 60.0, [STEADY], LONGEST),
    ],
)
def test_seconds_to_drain(ready: int, oldest: float, shards: list[Headway], seconds: float) -> None:
    assert drain_seconds(ready, oldest, shards) == pytest.approx(seconds)


async def test_who_looks_leaves_notes_for_all(redis_settings: RedisSettings, redis_client: redis.asyncio.Redis) -> None:
    async with scene(redis_settings, redis_client) as shop, shop.consumer() as consumer, Queue(redis_settings) as other:
        await shop.known_good("shop-1")
        await shop.post("shop-1", 4)
        census = Census(shop.queue)
        [first] = await census.headway()
        assert (first.settled, first.notes) == (0, ())
        await settle(consumer, (await consumer.take(3)).started)
        await _age_notes(shop, 10_000)
        [seen] = await Census(other).headway()  # another pod, that has just started
        assert seen.settled == 3
        assert seen.rate(60.0) == pytest.approx(0.3, rel=0.1)
        [again] = await census.headway()
        assert len(again.notes) == 2  # the other one's was soon enough ago
        [again] = await census.headway()
        assert len(again.notes) == 2


async def test_notes_of_counters_that_were_lost_are_dropped(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    async with scene(redis_settings, redis_client) as shop:
        await redis_client.lpush(shop.keys.progress, "5 1000")
        [seen] = await Census(shop.queue).headway()
        assert seen.notes == ()
        assert await redis_client.llen(shop.keys.progress) == 1


async def _age_notes(shop: Scene, ms: int) -> None:
    notes = [note.split() for note in await shop.redis.lrange(shop.keys.progress, 0, -1)]
    await shop.redis.delete(shop.keys.progress)
    await shop.redis.rpush(shop.keys.progress, *[f"{int(at) - ms} {int(count)}" for at, count in notes])
