"""Looking at Redis: what was away comes back without a moment of wrong, and an idle operator hardly asks."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import redis.asyncio
from prometheus_client import REGISTRY
from pydantic import SecretStr
from tests.operator.worlds import World, callback, product

from angarium.config import Applied, ConfigStore, Presence
from angarium.identifiers import resource_id
from angarium.keys import ShardKeys
from angarium.link import Link
from angarium.queue import Census, Queue
from angarium.resources import CallbackStatus, Health
from angarium.sealing import generate_seal_key
from angarium.settings import RedisSettings
from angarium_operator.observer import Observer, health_pause, pause
from angarium_operator.planning import Key
from angarium_operator.publisher import Publisher
from angarium_operator.reconciler import Reconciler
from angarium_operator.settings import OperatorSettings

HEALTH: dict[str, Health] = {
    "a": "Healthy",
    "b": "Failing",
    "c": "CircuitOpen",
    "d": "CircuitOpen",
    "e": "Disabled",
    "f": "Unknown",
}


@contextlib.asynccontextmanager
async def observing(world: World, settings: OperatorSettings) -> AsyncIterator[Observer]:
    """An observer of a world, with a store of its own."""
    async with Queue(settings.redis, settings.shards) as queue:
        reconciler = Reconciler(world.snapshot)
        publisher = Publisher(ConfigStore(queue.link), world.snapshot, reconciler.concern, timedelta(seconds=1))
        yield Observer(settings, queue.link, Census(queue), publisher, reconciler, world.snapshot)


def settings_of(redis_settings: RedisSettings, shards: int = 1) -> OperatorSettings:
    """As the chart has them."""
    return OperatorSettings(redis=redis_settings, shards=shards, seal_keys=SecretStr(generate_seal_key()))


async def test_which_endpoints_are_gone_is_known_before_anything_is_planned(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    world = World(product(), callback())
    id_ = resource_id("cbk", "uid-warehouse")
    await redis_client.hset(ShardKeys(0).callback_gone, id_, "token 1")
    async with observing(world, settings_of(redis_settings)) as observer:
        assert not world.snapshot.stored
        await observer.look()
    assert world.snapshot.stored
    assert world.snapshot.health[id_].gone == "token"
    assert {key.kind for key in world.snapshot.published} == {"product", "callback"}


@pytest.mark.parametrize("shards", [1, 16])
async def test_an_idle_operator_costs_redis_fewer_than_five_commands_a_second(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis, shards: int
) -> None:
    world = World(product(), callback())
    settings = settings_of(redis_settings, shards)

    async def commands() -> int:
        """Since the last time."""
        found = await redis_client.info("commandstats")
        await redis_client.config_resetstat()
        return sum(
            each["calls"] for name, each in found.items() if not name.startswith(("cmdstat_info", "cmdstat_con"))
        )

    async with observing(world, settings) as observer, contextlib.AsyncExitStack() as pods:
        for number in range(10):
            link = await pods.enter_async_context(Link(redis_settings))
            await Presence(link, "deliverer", f"pod-{number}", Applied).beat()
        await observer.look()
        await observer.look_at_health()
        await commands()
        await observer.look()
        plane = await commands()
        await observer.look_at_health()
        health = await commands()
    assert plane / settings.idle_look_seconds + health / health_pause(settings) < 5


@pytest.mark.parametrize(
    ("last", "waits", "hurried", "seconds"),
    [
        (0.0, False, False, 5.0),
        (0.0, True, False, 0.5),
        (0.5, True, False, 0.75),
        (4.0, True, False, 5.0),
        (5.0, True, True, 0.5),
        (5.0, False, True, 0.5),
    ],
)
def test_what_waits_in_vain_is_looked_after_ever_more_seldom(
    last: float, waits: bool, hurried: bool, seconds: float
) -> None:
    assert pause(last, (0.5, 5.0), waits=waits, hurried=hurried) == seconds


async def test_callbacks_are_counted_by_health(redis_settings: RedisSettings) -> None:
    world = World(product(), *(callback(name) for name in HEALTH))
    for name, health in HEALTH.items():
        held = world.snapshot.objects[Key("callback", "shop", name)]
        world.snapshot.put(held.model_copy(update={"status": CallbackStatus(health=health)}))
    async with observing(world, settings_of(redis_settings)) as observer:
        world.snapshot.stored = True
        await observer.look_at_health()
    assert {h: REGISTRY.get_sample_value("angarium_callbacks", {"health": h}) for h in set(HEALTH.values())} == {
        "Healthy": 1,
        "Failing": 1,
        "CircuitOpen": 2,
        "Disabled": 1,
        "Unknown": 1,
    }
    unhealthy = {
        name: REGISTRY.get_sample_value("angarium_callback_unhealthy", {"callback": f"shop/{name}"}) for name in HEALTH
    }
    assert [name for name, value in unhealthy.items() if value] == ["b", "c", "d", "e"]
