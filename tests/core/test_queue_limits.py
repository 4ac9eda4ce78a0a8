"""What a callback may have at once: kept by the shard, so over all pods, and changed while everything runs."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from tests.core.queue_scene import Scene, callbacks, scene, settle

from angarium.queue import Release, Settlement
from angarium.retries import Move
from angarium.settings import RedisSettings

HOURLY = "1000 3600000000 4"  # four at once, then one an hour
HALF_A_MINUTE = "1000 30000000 4"


@pytest.fixture
async def shop(redis_settings: RedisSettings, redis_client: redis.asyncio.Redis) -> AsyncIterator[Scene]:
    async with scene(redis_settings, redis_client) as shop:
        await shop.known_good("shop-1", "shop-2")
        yield shop


async def test_most_in_flight_holds_over_two_pods(shop: Scene) -> None:
    await shop.limit("shop-1", "5 0 0")
    await shop.post("shop-1", 20)
    async with shop.consumer("a") as a, shop.consumer("b") as b:
        first = (await a.take(3)).started
        second = (await b.take(10)).started
        assert (len(first), len(second)) == (3, 2)
        assert not (await a.take(10)).started
        await settle(b, second)
        assert len((await a.take(10)).started) == 2
        assert not (await b.take(10)).started


async def test_a_hundred_are_in_flight_at_most_where_nothing_else_is_said(shop: Scene) -> None:
    await shop.post("shop-1", 150)
    async with shop.consumer() as pod:
        assert len((await pod.take(64)).started) == 64
        assert len((await pod.take(64)).started) == 36
        assert (await shop.standing("shop-1")).in_flight == 100


async def test_what_is_given_back_frees_its_place(shop: Scene) -> None:
    await shop.limit("shop-1", "1 0 0")
    await shop.post("shop-1", 2)
    async with shop.consumer("a") as a, shop.consumer("b") as b:
        [held] = (await a.take(5)).started
        assert not (await b.take(5)).started
        assert await a.release(held.entry, Release.LINE, fence=held.fence)
        [taken] = (await b.take(5)).started
        assert taken.entry.ticket == held.entry.ticket
        assert taken.attempt.number == 1


async def test_what_a_dead_pod_held_keeps_its_place_until_it_is_settled(shop: Scene) -> None:
    await shop.limit("shop-1", "1 0 0")
    await shop.post("shop-1", 2)
    async with shop.consumer("dead") as dead, shop.consumer("heir") as heir:
        await dead.take(5)
        begun = await heir.start(await heir.claim("dead", 10))
        assert not (await heir.take(5)).started
        await settle(heir, begun)
        assert len((await heir.take(5)).started) == 1


async def test_a_stale_settle_frees_no_place(shop: Scene) -> None:
    await shop.limit("shop-1", "1 0 0")
    await shop.post("shop-1", 2)
    async with shop.consumer("slow") as slow, shop.consumer("heir") as heir:
        [held] = (await slow.take(1)).started
        await heir.start(await heir.claim("slow", 10))
        await slow.settle(Settlement(held, Move.DELIVERED))
        assert not (await heir.take(5)).started
        assert (await shop.standing("shop-1")).in_flight == 1


async def test_a_rate_holds_over_two_pods(shop: Scene) -> None:
    await shop.limit("shop-1", HOURLY)
    await shop.post("shop-1", 20)
    async with shop.consumer("a") as a, shop.consumer("b") as b:
        first = (await a.take(3)).started
        assert (len(first), len((await b.take(10)).started)) == (3, 1)
        await settle(a, first)  # ending one gives no other: begun ones are counted
        assert not (await a.take(10)).started
        assert not (await b.take(10)).started


async def test_a_rate_never_exceeds_its_schedule(shop: Scene) -> None:
    await shop.limit("shop-1", HOURLY)
    await shop.post("shop-1", 40)
    begun = []
    async with shop.consumer() as pod:
        for _ in range(8):
            taken = (await pod.take(20)).started
            begun.append(len(taken))
            await settle(pod, taken)
            await shop.age("shop-1", 3600)
    assert begun == [4, 1, 1, 1, 1, 1, 1, 1]


async def test_what_was_not_used_is_saved_up_to_the_burst_and_no_further(shop: Scene) -> None:
    await shop.limit("shop-1", HOURLY)
    await shop.post("shop-1", 1)
    async with shop.consumer() as pod:
        await settle(pod, (await pod.take(9)).started)
        await shop.age("shop-1", 100 * 3600)
        await shop.post("shop-1", 30)
        assert len((await pod.take(20)).started) == 4


async def test_who_is_at_its_rate_is_looked_at_again_when_half_a_burst_may_go(shop: Scene) -> None:
    await shop.limit("shop-1", HALF_A_MINUTE)
    await shop.post("shop-1", 20)
    async with shop.consumer() as pod:
        assert len((await pod.take(9)).started) == 4
        await shop.age("shop-1", 31)
        assert not await shop.seated("shop-1")
        await shop.age("shop-1", 30)
        assert await shop.seated("shop-1")
        assert len((await pod.take(9)).started) == 2


async def test_a_clock_that_was_put_back_stops_no_rate(shop: Scene) -> None:
    await shop.limit("shop-1", HALF_A_MINUTE)
    await shop.post("shop-1", 20)
    async with shop.consumer() as pod:
        assert len((await pod.take(9)).started) == 4
        await shop.age("shop-1", -3600)  # all that is stored lies an hour ahead
        assert len((await pod.take(9)).started) == 4


async def test_limits_change_while_it_waits(shop: Scene) -> None:
    await shop.limit("shop-1", "2 0 0")
    await shop.post("shop-1", 50)
    async with shop.consumer() as pod:
        assert len((await pod.take(50)).started) == 2
        await shop.limit("shop-1", "10 0 0")
        assert len((await pod.take(50)).started) == 8
        await shop.limit("shop-1", "3 0 0")
        assert not (await pod.take(50)).started
        await shop.limit("shop-1", "")  # withdrawn: the default
        assert len((await pod.take(50)).started) == 40


async def test_suspended_and_resumed(shop: Scene) -> None:
    await shop.post("shop-1", 5)
    async with shop.consumer() as pod:
        await shop.limit("shop-1", "0 0 0")
        assert not (await pod.take(5)).started
        await shop.post("shop-1", 5)
        assert not (await pod.take(5)).started
        await shop.limit("shop-1", "")
        started = (await pod.take(20)).started
    assert [item.attempt.number for item in started] == [1] * 10


async def test_an_older_revision_changes_nothing(shop: Scene) -> None:
    await shop.limit("shop-1", "2 0 0", revision=7)
    await shop.limit("shop-1", "9 0 0", revision=6)
    await shop.post("shop-1", 20)
    async with shop.consumer() as pod:
        assert len((await pod.take(20)).started) == 2


async def test_lines_of_a_callback_that_is_gone_drain_past_every_limit(shop: Scene) -> None:
    await shop.limit("shop-1", "1 3600000000 1")
    await shop.post("shop-1", 200)
    async with shop.consumer() as pod:
        assert len((await pod.take(64)).started) == 1
        await shop.limit("shop-1", "1000000 0 0")
        begun = 1
        while taken := (await pod.take(64)).started:
            begun += len(taken)
    assert begun == 200


async def test_a_limit_is_one_callbacks_own(shop: Scene) -> None:
    await shop.limit("shop-1", "1 0 0")
    await shop.post("shop-1", 10)
    await shop.post("shop-2", 10)
    async with shop.consumer() as pod:
        assert callbacks((await pod.take(20)).started) == {"shop-1": 1, "shop-2": 10}
