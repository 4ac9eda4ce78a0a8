"""What others made of the records is noticed by the revision, though epoch and number of records are right: a failover
that lost the last one, and an operator of a version before terms that writes once more in a rollout."""

from datetime import timedelta
from typing import Any

import redis.asyncio
from tests.operator.worlds import World, product

from angarium.config import ConfigStore
from angarium.keys import ConfigKeys
from angarium.link import Link
from angarium.records import ProductRecord
from angarium.settings import RedisSettings
from angarium_operator.planning import Key
from angarium_operator.publisher import Publisher


def record(backlog: int) -> ProductRecord:
    return ProductRecord(namespace="shop", name="shop", id="prd_1", backlog=backlog)


async def test_what_a_failover_lost_is_compared_again(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    world, keys = World(product()), ConfigKeys()
    concerned: list[Key] = []
    async with Link(redis_settings) as link:
        publisher = Publisher(ConfigStore(link), world.snapshot, concerned.extend, timedelta(seconds=1))
        world.snapshot.stored = await publisher.check()
        await publisher.publish(record(1))
        before: dict[str, Any] = {name: await redis_client.hgetall(name) for name in (keys.records, keys.state)}
        await publisher.publish(record(2))
        assert await publisher.check()
        for name, values in before.items():
            await redis_client.hset(name, mapping=values)
        concerned.clear()
        assert await publisher.check()
        assert Key.parse(record(0).key) in concerned
        concerned.clear()
        assert await publisher.check()
        assert concerned == []


async def test_what_an_operator_without_a_term_writes_meanwhile_is_compared(redis_settings: RedisSettings) -> None:
    world = World(product())
    concerned: list[Key] = []
    async with Link(redis_settings) as link:
        before = ConfigStore(link)
        await before.begin([record(1)])
        publisher = Publisher(ConfigStore(link), world.snapshot, concerned.extend, timedelta(seconds=1), lambda: 60.0)
        world.snapshot.stored = await publisher.check()
        await publisher.publish(record(1))
        concerned.clear()
        await before.publish([record(2)])
        assert await publisher.check()
        assert Key.parse(record(0).key) in concerned
