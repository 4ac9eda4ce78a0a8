"""Whose turn it is: tenants by weight, callbacks evenly, lanes 8 : 4 : 2, and who has no share left holds up nobody."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from tests.core.queue_scene import Scene, callbacks, scene, settle, tenants

from angarium.notifications import Priority
from angarium.queue import Consumer
from angarium.retries import Move
from angarium.settings import RedisSettings

WIDE = "100000 0 0"  # as limits: as good as none


@pytest.fixture
async def shop(redis_settings: RedisSettings, redis_client: redis.asyncio.Redis) -> AsyncIterator[Scene]:
    async with scene(redis_settings, redis_client) as shop:
        yield shop


async def test_a_backlog_of_ten_thousand_does_not_stand_before_anothers_first(shop: Scene) -> None:
    await shop.limit("loud-1", WIDE)
    await shop.known_good("loud-1")
    await shop.post("loud-1", 10_000)
    async with shop.consumer() as pod:
        assert tenants((await pod.take(64)).started) == {"loud": 64}
        await shop.post("quiet-1")
        assert tenants((await pod.take(2)).started) == {"loud": 1, "quiet": 1}


async def test_one_free_slot_goes_round_the_tenants(shop: Scene) -> None:
    for tenant, count in (("a", 50), ("b", 50), ("c", 1)):
        await shop.known_good(f"{tenant}-1")
        await shop.post(f"{tenant}-1", count)
    async with shop.consumer() as pod:
        served = [next(iter(tenants((await pod.take(1)).started))) for _ in range(7)]
    assert served == ["a", "b", "c", "a", "b", "a", "b"]


@pytest.mark.parametrize("free", [1, 2, 3, 5, 8, 64])
async def test_tenants_share_by_weight_whatever_the_free_slots(shop: Scene, free: int) -> None:
    await shop.limit("heavy", "3", tenant="")
    for tenant in ("light", "heavy"):
        await shop.limit(f"{tenant}-1", WIDE)
        await shop.known_good(f"{tenant}-1")
        await shop.post(f"{tenant}-1", 400)
    served: Counter[str] = Counter()
    async with shop.consumer() as pod:
        while served.total() < 240:
            served += tenants((await pod.take(free)).started)
    assert abs(served["heavy"] / served.total() - 0.75) < 0.02


async def test_a_heavy_tenant_leaves_what_it_does_not_need(shop: Scene) -> None:
    await shop.limit("heavy", "100", tenant="")
    for callback, count in (("heavy-1", 2), ("light-1", 20)):
        await shop.known_good(callback)
        await shop.post(callback, count)
    async with shop.consumer() as pod:
        assert tenants((await pod.take(10)).started) == {"heavy": 2, "light": 8}


async def test_a_heavy_tenants_turn_is_no_longer_than_its_weight(shop: Scene) -> None:
    """However many slots are free: else another's first would wait for as many times the slots."""
    await shop.limit("heavy", "100", tenant="")
    for callback in ("heavy-1", "light-1"):
        await shop.limit(callback, WIDE)
        await shop.known_good(callback)
    await shop.post("heavy-1", 1000)
    before = 0
    async with shop.consumer() as pod:
        await pod.take(64)
        await shop.post("light-1")
        while not (taken := tenants((await pod.take(64)).started))["light"]:
            before += taken["heavy"]
    assert before <= 100


async def test_a_weight_is_withdrawn(shop: Scene) -> None:
    for text in ("3", ""):
        await shop.limit("a", text, tenant="")
    for callback in ("a-1", "b-1"):
        await shop.known_good(callback)
        await shop.post(callback, 20)
    async with shop.consumer() as pod:
        assert tenants((await pod.take(8)).started) == {"a": 4, "b": 4}


async def test_a_tenants_callbacks_share_evenly_and_count_as_one_tenant(shop: Scene) -> None:
    names = ["many-1", "many-2", "many-3", "one-1"]
    for name in names:
        await shop.known_good(name)
        await shop.post(name, 50)
    async with shop.consumer() as pod:
        assert callbacks((await pod.take(24)).started) == {"many-1": 4, "many-2": 4, "many-3": 4, "one-1": 12}


async def test_a_callbacks_backlog_does_not_stand_before_its_neighbours_first(shop: Scene) -> None:
    await shop.limit("shop-1", WIDE)
    await shop.known_good("shop-1")
    await shop.post("shop-1", 2000)
    async with shop.consumer() as pod:
        await pod.take(64)
        await shop.post("shop-2")
        assert callbacks((await pod.take(2)).started) == {"shop-1": 1, "shop-2": 1}


async def test_what_was_posted_first_is_taken_first_within_a_line(shop: Scene) -> None:
    await shop.known_good("shop-1")
    for revision in range(20):
        await shop.post("shop-1", config_revision=revision)
    async with shop.consumer() as pod:
        order = [item.attempt.notification.config_revision for item in (await pod.take(20)).started]
    assert order == list(range(20))


async def three_lanes(shop: Scene, each: int) -> None:
    """Every lane has as much waiting."""
    for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH):
        callback = f"shop-{priority.value}"
        await shop.limit(callback, WIDE)
        await shop.known_good(callback)
        await shop.post(callback, each, priority)


async def test_lanes_share_eight_to_four_to_two(shop: Scene) -> None:
    await three_lanes(shop, 200)
    async with shop.consumer() as pod:
        taken = [callbacks((await pod.take(14)).started) for _ in range(5)]
    assert taken == [{"shop-high": 8, "shop-normal": 4, "shop-low": 2}] * 5


async def test_high_overtakes_a_backlog_of_low_without_starving_it(shop: Scene) -> None:
    for callback in ("shop-low", "shop-high"):
        await shop.limit(callback, WIDE)
        await shop.known_good(callback)
    await shop.post("shop-low", 10_000, Priority.LOW)
    async with shop.consumer() as pod:
        await pod.take(64)
        await shop.post("shop-high", 1000, Priority.HIGH)
        assert callbacks((await pod.take(10)).started) == {"shop-high": 8, "shop-low": 2}


async def test_low_is_not_starved_where_one_slot_is_free_at_a_time(shop: Scene) -> None:
    await three_lanes(shop, 100)
    async with shop.consumer() as pod:
        served = callbacks([item for _ in range(70) for item in (await pod.take(1)).started])
    assert served == {"shop-high": 40, "shop-normal": 20, "shop-low": 10}


async def test_a_lane_that_needs_less_leaves_it_to_the_others(shop: Scene) -> None:
    for priority, count in ((Priority.HIGH, 1), (Priority.LOW, 50)):
        await shop.known_good(f"shop-{priority.value}")
        await shop.post(f"shop-{priority.value}", count, priority)
    async with shop.consumer() as pod:
        assert callbacks((await pod.take(14)).started) == {"shop-high": 1, "shop-low": 13}


async def tried(pod: Consumer, times: int) -> None:
    """So many fail."""
    await settle(pod, (await pod.take(times)).started, Move.RETRY)


@pytest.mark.parametrize("why", ["suspended", "in flight", "rate", "circuit"])
async def test_who_has_no_share_left_costs_no_slot_no_attempt_and_no_seat(shop: Scene, why: str) -> None:
    await shop.known_good("shop-1", "shop-2")
    async with shop.consumer() as pod:
        await shop.post("shop-1", 10)
        match why:
            case "suspended":
                await settle(pod, (await pod.take(10)).started)
                await shop.limit("shop-1", "0 0 0")
            case "in flight":
                await shop.limit("shop-1", "10 0 0")
                await pod.take(10)
            case "rate":
                await shop.limit("shop-1", "100 3600000000 10")
                await settle(pod, (await pod.take(10)).started)
            case _:
                await tried(pod, 10)
        await shop.post("shop-1", 100)
        await shop.post("shop-2", 5)
        assert callbacks((await pod.take(50)).started) == {"shop-2": 5}
        assert not (await pod.take(50)).more  # nobody is kept looking
    assert not await shop.seated("shop-1")
    assert await shop.waiting("shop-1") == 100
    assert (await shop.census()).parked == 100


async def test_a_tenant_without_a_callback_that_may_go_leaves_the_ring(shop: Scene) -> None:
    await shop.limit("shop-1", "0 0 0")
    await shop.post("shop-1", 10)
    async with shop.consumer() as pod:
        assert not (await pod.take(10)).started
    assert not await shop.redis.exists(shop.keys.ring("normal"), shop.keys.ring("normal", "shop"))


async def test_a_tenant_that_is_to_get_nothing_now_keeps_its_seat(shop: Scene) -> None:
    for callback in ("a-1", "b-1"):
        await shop.known_good(callback)
        await shop.post(callback, 10)
    async with shop.consumer() as pod:
        taken = await pod.take(6, skipped=["a"])
        assert tenants(taken.started) == {"b": 6}
        assert taken.more
        assert tenants((await pod.take(4)).started) == {"a": 2, "b": 2}


async def test_a_callback_that_never_answered_begins_with_one(shop: Scene) -> None:
    await shop.post("new-1", 10)
    await shop.post("old-1", 10)
    await shop.known_good("old-1")
    async with shop.consumer() as pod:
        first = (await pod.take(6, 0)).started
        assert callbacks(first)["new-1"] == 1
        assert callbacks((await pod.take(6, 0)).started)["new-1"] == 0
        await settle(pod, first)
        assert callbacks((await pod.take(20, 0)).started)["new-1"] == 9


async def test_those_that_failed_share_what_is_left_for_them(shop: Scene) -> None:
    await shop.known_good("bad-1", "bad-2", "good-1")
    async with shop.consumer() as pod:
        await shop.post("bad-1")
        await shop.post("bad-2")
        await tried(pod, 2)
        for callback in ("bad-1", "bad-2", "good-1"):
            await shop.post(callback, 10)
        taken = (await pod.take(30, 4)).started
        assert callbacks(taken)["good-1"] == 10
        assert sum(item.doubtful for item in taken) == 4


async def test_one_that_failed_does_not_always_go_before_another_that_did(shop: Scene) -> None:
    async with shop.consumer() as pod:
        for callback in ("bad-1", "bad-2", "worse-1"):
            await shop.alter(callback, delivered=1, failures=1)
            await shop.post(callback, 10)
        served = callbacks([item for _ in range(9) for item in (await pod.take(30, 1)).started])
    assert set(served) == {"bad-1", "bad-2", "worse-1"}
