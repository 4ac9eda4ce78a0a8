"""What deliverers are told of when a delivery was due: where nothing but us has held it up, and only there."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from tests.core.queue_scene import Scene, scene, settle

from angarium.queue import Started
from angarium.retries import Move
from angarium.settings import RedisSettings


@pytest.fixture
async def shop(redis_settings: RedisSettings, redis_client: redis.asyncio.Redis) -> AsyncIterator[Scene]:
    async with scene(redis_settings, redis_client) as shop:
        await shop.known_good("shop-1")
        yield shop


async def taken(shop: Scene, count: int = 10) -> list[Started]:
    return (await shop.consumer().take(count)).started


async def test_of_one_that_nothing_held_up(shop: Scene) -> None:
    await shop.post("shop-1")
    [one] = await taken(shop)
    assert one.due_ms == pytest.approx(one.attempt.notification.created_ms, abs=1000)


async def test_not_of_one_whose_callback_failed_meanwhile(shop: Scene) -> None:
    await shop.post("shop-1", 2)
    first, second = await taken(shop, 1), None
    await settle(shop.consumer(), first, Move.RETRY)
    [second] = await taken(shop)
    assert second.due_ms == 0


async def test_not_of_what_waited_behind_a_suspension(shop: Scene) -> None:
    await shop.limit("shop-1", "0 0 0")
    await shop.post("shop-1", 2)
    assert await taken(shop) == []
    await shop.post("shop-1")  # it, too
    await shop.limit("shop-1", "")
    assert [item.due_ms for item in await taken(shop)] == [0, 0, 0]
    await shop.alter("shop-1", full=(await shop.standing("shop-1")).full + 5)  # so long ago
    await shop.post("shop-1")
    assert 0 not in [item.due_ms for item in await taken(shop)]


async def test_not_of_what_waited_for_a_place(shop: Scene) -> None:
    await shop.limit("shop-1", "1 0 0")
    await shop.post("shop-1", 2)
    first = await taken(shop)
    assert [bool(item.due_ms) for item in first] == [True]
    await settle(shop.consumer(), first)
    assert [item.due_ms for item in await taken(shop)] == [0]


async def test_not_of_what_waited_for_its_rate(shop: Scene) -> None:
    await shop.limit("shop-1", "100 60000000 1")
    await shop.post("shop-1", 2)
    assert [bool(item.due_ms) for item in await taken(shop)] == [True]
    await shop.age("shop-1", 120)
    assert [item.due_ms for item in await taken(shop)] == [0]


async def test_what_was_taken_over_keeps_it(shop: Scene) -> None:
    await shop.post("shop-1")
    [one] = await taken(shop)
    other = shop.consumer("b")
    [again] = await other.start(await other.claim("a", 10))
    assert again.due_ms == one.due_ms > 0
