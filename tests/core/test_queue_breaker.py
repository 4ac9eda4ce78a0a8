"""The circuit of a callback: failures open it, all pods share it, a probe closes it; and since when it has failed."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from tests.core.queue_scene import Scene, scene, settle

from angarium.notifications import Priority
from angarium.queue import CallbackHealth, Census, Consumer
from angarium.retries import Move
from angarium.settings import RedisSettings

CALLBACK = "shop-1"
DAY = 86_400.0


@pytest.fixture
async def shop(redis_settings: RedisSettings, redis_client: redis.asyncio.Redis) -> AsyncIterator[Scene]:
    async with scene(redis_settings, redis_client) as shop:
        await shop.known_good(CALLBACK)
        yield shop


@pytest.fixture
async def pod(shop: Scene) -> AsyncIterator[Consumer]:
    async with shop.consumer() as pod:
        yield pod


async def endings(shop: Scene, pod: Consumer, outcomes: str) -> None:
    """So many attempts at once, that end in this order: `g`ood, `b`ad."""
    await shop.post(CALLBACK, len(outcomes))
    started = (await pod.take(len(outcomes))).started
    assert len(started) == len(outcomes)
    for item, outcome in zip(started, outcomes, strict=True):
        await settle(pod, [item], Move.DELIVERED if outcome == "g" else Move.RETRY)


async def is_open(shop: Scene) -> bool:
    standing = await shop.standing(CALLBACK)
    assert bool(standing.probe) == bool(standing.opened)
    return standing.probe > 0


async def opened(shop: Scene, pod: Consumer, waiting: int = 5) -> None:
    """Open the circuit, with so many waiting."""
    await endings(shop, pod, "b" * 10)
    assert await is_open(shop)
    await shop.post(CALLBACK, waiting)
    assert not (await pod.take(20)).started


async def health(shop: Scene) -> CallbackHealth:
    return (await Census(shop.queue).callbacks())[CALLBACK]


@pytest.mark.parametrize(
    ("outcomes", "opens"),
    [
        ("b" * 9, False),
        ("b" * 10, True),
        ("gggbbbbbbb", True),
        ("ggggbbbbbb", False),
        ("g" * 29 + "b" * 67, False),
        ("g" * 29 + "b" * 68, True),
        ("b" * 9 + "g", False),
    ],
)
async def test_it_opens_at_seven_of_ten_and_not_before(
    shop: Scene, pod: Consumer, outcomes: str, *, opens: bool
) -> None:
    await endings(shop, pod, outcomes)
    assert await is_open(shop) is opens


async def test_what_is_older_than_five_minutes_does_not_count(shop: Scene, pod: Consumer) -> None:
    await endings(shop, pod, "b" * 9)
    await shop.age(CALLBACK, 301)
    await endings(shop, pod, "b" * 9)
    assert not await is_open(shop)


async def test_what_is_two_and_a_half_minutes_old_still_counts(shop: Scene, pod: Consumer) -> None:
    await endings(shop, pod, "b" * 5)
    await shop.age(CALLBACK, 151)
    await endings(shop, pod, "b" * 5)
    assert await is_open(shop)


async def test_all_pods_share_it(shop: Scene, pod: Consumer) -> None:
    await shop.post(CALLBACK, 10)
    async with shop.consumer("b") as other:
        for consumer in (pod, other):
            await settle(consumer, (await consumer.take(5)).started, Move.RETRY)
        assert await is_open(shop)
        await shop.post(CALLBACK, 5)
        assert not (await pod.take(5)).started
        assert not (await other.take(5)).started


async def test_what_waits_meanwhile_keeps_its_attempts(shop: Scene, pod: Consumer) -> None:
    await shop.post(CALLBACK, 10)
    started = (await pod.take(10)).started
    await settle(pod, started[:1], Move.RETRY, delay=0.0)
    await settle(pod, started[1:], Move.RETRY)
    await shop.upkeep.promote(shop.keys)  # due, but to an open circuit
    await shop.post(CALLBACK, 2)
    for _ in range(3):
        assert not (await pod.take(10)).started
    assert (await shop.census()).parked == 3
    await shop.age(CALLBACK, 31)
    [probe] = (await pod.take(10)).started
    assert probe.attempt.number == 2  # the first in its line
    await settle(pod, [probe])
    assert [item.attempt.number for item in (await pod.take(10)).started] == [1, 1]


async def test_no_probe_before_half_a_minute(shop: Scene, pod: Consumer) -> None:
    await opened(shop, pod)
    await shop.age(CALLBACK, 29)
    assert not (await pod.take(10)).started


async def test_one_probe_for_all_pods(shop: Scene, pod: Consumer) -> None:
    await opened(shop, pod)
    await shop.age(CALLBACK, 31)
    async with shop.consumer("b") as other:
        assert len((await pod.take(10)).started) == 1
        assert not (await other.take(10)).started
        assert not (await pod.take(10)).started


async def test_a_probe_that_is_taken_closes_it(shop: Scene, pod: Consumer) -> None:
    await opened(shop, pod)
    await shop.age(CALLBACK, 31)
    await settle(pod, (await pod.take(10)).started)
    assert not await is_open(shop)
    assert len((await pod.take(10)).started) == 4
    await shop.age(CALLBACK, 0)


async def test_the_failures_before_it_are_forgotten_then(shop: Scene, pod: Consumer) -> None:
    await opened(shop, pod, 1)
    await shop.age(CALLBACK, 31)
    await settle(pod, (await pod.take(10)).started)
    await endings(shop, pod, "b" * 8)
    assert not await is_open(shop)
    await endings(shop, pod, "b")
    assert await is_open(shop)


async def test_a_probe_that_fails_opens_it_again(shop: Scene, pod: Consumer) -> None:
    await opened(shop, pod)
    since = (await health(shop)).open_since_ms
    for _ in range(3):
        await shop.age(CALLBACK, 31)
        since -= 31_000
        [probe] = (await pod.take(10)).started
        await settle(pod, [probe], Move.RETRY)
        await shop.age(CALLBACK, 29)
        since -= 29_000
        assert not (await pod.take(10)).started
    assert (await health(shop)).open_since_ms == since  # open since the first time


async def test_a_probe_whose_pod_died_is_made_again(shop: Scene, pod: Consumer) -> None:
    await opened(shop, pod)
    await shop.age(CALLBACK, 31)
    assert len((await pod.take(10)).started) == 1  # never heard of again
    await shop.age(CALLBACK, 55)
    assert not (await pod.take(10)).started
    await shop.age(CALLBACK, 6)
    assert len((await pod.take(10)).started) == 1


async def test_a_pod_without_room_for_a_probe_leaves_it_to_the_next(shop: Scene, pod: Consumer) -> None:
    await opened(shop, pod)
    await shop.age(CALLBACK, 31)
    assert not (await pod.take(10, 0)).started
    async with shop.consumer("b") as other:
        assert len((await other.take(10, 1)).started) == 1


async def test_a_probe_keeps_to_what_may_be_in_flight(shop: Scene, pod: Consumer) -> None:
    await shop.limit(CALLBACK, "11 0 0")
    await shop.post(CALLBACK, 20)
    started = (await pod.take(20)).started
    await settle(pod, started[:10], Move.RETRY)  # one hangs
    await shop.limit(CALLBACK, "1 0 0")
    await shop.age(CALLBACK, 31)
    assert not (await pod.take(10)).started
    await settle(pod, started[10:], Move.RETRY)
    await shop.age(CALLBACK, 31)
    assert len((await pod.take(10)).started) == 1


async def test_a_probe_keeps_to_the_rate(shop: Scene, pod: Consumer) -> None:
    await shop.limit(CALLBACK, "100 3600000000 10")
    await opened(shop, pod)
    await shop.age(CALLBACK, 31)
    assert not (await pod.take(10)).started
    await shop.age(CALLBACK, 3600)
    assert len((await pod.take(10)).started) == 1


async def test_an_answer_to_another_attempt_closes_it_too(shop: Scene, pod: Consumer) -> None:
    await shop.post(CALLBACK, 11)
    started = (await pod.take(11)).started
    await settle(pod, started[:10], Move.RETRY)
    assert await is_open(shop)
    await settle(pod, started[10:])
    assert not await is_open(shop)


async def test_another_endpoint_begins_anew(shop: Scene, pod: Consumer) -> None:
    await shop.post(CALLBACK, 11)
    started = (await pod.take(11)).started
    await settle(pod, started[:10], Move.RETRY)
    await settle(pod, started[10:], Move.RETRY, endpoint="another")
    assert not await is_open(shop)
    assert (await health(shop)).failures == 1


async def test_a_test_send_passes_an_open_circuit_and_says_nothing_of_it(shop: Scene, pod: Consumer) -> None:
    await opened(shop, pod)
    before = await shop.standing(CALLBACK)
    await shop.post(CALLBACK, 1, Priority.NORMAL, test=True)
    [tried] = (await pod.take(10)).started
    await settle(pod, [tried], counts=False)
    assert await shop.standing(CALLBACK) == before


async def test_an_open_circuit_does_not_hold_up_what_is_to_be_refused(shop: Scene, pod: Consumer) -> None:
    await opened(shop, pod)
    await shop.limit(CALLBACK, "1000000 0 0")
    assert len((await pod.take(10)).started) == 5


async def test_it_is_told_with_its_times(shop: Scene, pod: Consumer) -> None:
    await opened(shop, pod)
    told = await health(shop)
    assert (told.recent, told.recent_failed, told.failures, told.reason) == (10, 10, 10, "http_503")
    assert told.open_until_ms - told.open_since_ms == pytest.approx(30_000, abs=1000)
    assert told.backlog == 15


async def test_failing_is_counted_from_the_first_failure(shop: Scene, pod: Consumer) -> None:
    await endings(shop, pod, "b")
    first = (await health(shop)).failing_since_ms
    for _ in range(5):
        await shop.age(CALLBACK, DAY)
        await endings(shop, pod, "b")
    told = await health(shop)
    assert told.failing_since_ms == first - 5 * DAY * 1000
    assert told.failed_ms - told.failing_since_ms >= 5 * DAY * 1000
    assert told.failures == 6


async def test_any_success_ends_it(shop: Scene, pod: Consumer) -> None:
    await endings(shop, pod, "b")
    await shop.age(CALLBACK, 4.9 * DAY)
    await endings(shop, pod, "g")
    assert (await health(shop)).failing_since_ms == 0
    await endings(shop, pod, "b")
    told = await health(shop)
    assert told.failed_ms - told.failing_since_ms < 1000
    assert told.failures == 1


async def test_who_is_not_sent_to_does_not_fail_longer(shop: Scene, pod: Consumer) -> None:
    await endings(shop, pod, "b")
    await shop.age(CALLBACK, 6 * DAY)
    told = await health(shop)
    assert told.failed_ms - told.failing_since_ms < 1000
