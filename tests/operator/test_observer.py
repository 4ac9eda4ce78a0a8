"""Looking at Redis: what was away comes back without a moment of wrong."""

from datetime import timedelta

import redis.asyncio
from pydantic import SecretStr
from tests.operator.worlds import World, callback, product

from angarium.config import ConfigStore
from angarium.identifiers import resource_id
from angarium.keys import ShardKeys
from angarium.queue import Census, Queue
from angarium.sealing import generate_seal_key
from angarium.settings import RedisSettings
from angarium_operator.observer import Observer
from angarium_operator.publisher import Publisher
from angarium_operator.reconciler import Reconciler
from angarium_operator.settings import OperatorSettings


async def test_which_endpoints_are_gone_is_known_before_anything_is_planned(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    world = World(product(), callback())
    id_ = resource_id("cbk", "uid-warehouse")
    await redis_client.hset(ShardKeys(0).callback_gone, id_, "token 1")
    async with Queue(redis_settings) as queue:
        reconciler, census = Reconciler(world.snapshot), Census(queue)
        publisher = Publisher(ConfigStore(queue.link), world.snapshot, reconciler.concern, timedelta(seconds=1))
        settings = OperatorSettings(redis=redis_settings, seal_keys=SecretStr(generate_seal_key()))
        observer = Observer(settings, queue.link, census, publisher, reconciler, world.snapshot)
        assert not world.snapshot.stored
        await observer.look()
    assert world.snapshot.stored
    assert world.snapshot.health[id_].gone == "token"
    assert {key.kind for key in world.snapshot.published} == {"product", "callback"}
