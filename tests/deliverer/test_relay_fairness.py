"""A whole deliverer with real receivers: endpoints that never answer or fail leave the others their slots."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request, reply
from tests.deliverer.world import SOON, World, callback, deliverer, settings, world

from angarium.config import ConfigStore
from angarium.notifications import DeliveryState, Status
from angarium.queue import Census, Queue
from angarium.settings import RedisSettings

SLOTS = 32


@pytest.fixture
async def shop(redis_settings: RedisSettings) -> AsyncIterator[World]:
    async with world(redis_settings) as shop:
        yield shop


async def never(_: Request, __: asyncio.StreamWriter) -> None:
    """Holds the connection until the client gives up."""
    await asyncio.Event().wait()


async def until_received(receiver: Receiver, count: int) -> None:
    async with asyncio.timeout(SOON):
        while len(receiver.requests) < count:
            receiver.came.clear()
            await receiver.came.wait()


async def in_flight(shop: World) -> int:
    return sum((await Census(shop.queue).backlog()).in_flight.values())


async def test_a_thousand_to_an_endpoint_that_never_answers_leave_others_their_slots(shop: World) -> None:
    """It has answered before, so nothing is held against it when it falls silent."""
    silent_now = asyncio.Event()

    async def script(request: Request, writer: asyncio.StreamWriter) -> None:
        if silent_now.is_set():
            await never(request, writer)
        writer.write(NO_CONTENT)

    async with Receiver(script) as silent, Receiver() as fine:
        stuck = callback("stuck", silent.url, tenant="prd_stuck", timeout_s=60.0, max_in_flight=1000)
        good = callback("good", fine.url)
        await shop.declare(stuck, good)
        async with deliverer(settings(shop.redis, deliverer_slots=SLOTS, drain_seconds=0.0)):
            await shop.settled(await shop.post(stuck, tenant="prd_stuck"))
            silent_now.set()
            await asyncio.gather(*[shop.post(stuck, tenant="prd_stuck") for _ in range(1000)])
            await until_received(silent, SLOTS // 2)
            posted = await asyncio.gather(*[shop.post(good) for _ in range(200)])
            for notification in posted:
                assert (await shop.settled(notification)).status is Status.DELIVERED
            assert await in_flight(shop) <= SLOTS * 5 // 8
        assert len(silent.requests) <= 1 + SLOTS * 5 // 8


async def test_silent_endpoints_that_never_answered_share_half(shop: World) -> None:
    """However many tenants they are of."""
    async with Receiver(never) as silent, Receiver() as fine:
        many = [
            callback(f"stuck-{n}", silent.url, tenant=f"prd_{n}", timeout_s=60.0, max_in_flight=1000) for n in range(4)
        ]
        good = callback("good", fine.url)
        await shop.declare(*many, good)
        async with deliverer(settings(shop.redis, deliverer_slots=SLOTS, drain_seconds=0.0)):
            for record in many:
                await asyncio.gather(*[shop.post(record, tenant=record.tenant) for _ in range(100)])
            await until_received(silent, SLOTS // 2)
            posted = await asyncio.gather(*[shop.post(good) for _ in range(100)])
            for notification in posted:
                assert (await shop.settled(notification)).status is Status.DELIVERED
        assert len(silent.requests) <= SLOTS // 2 + len(many)  # the first of each is no doubt yet


async def test_half_of_the_endpoints_fail_and_the_others_have_all(shop: World) -> None:
    async with Receiver(reply(503)) as broken, Receiver() as fine:
        bad = [callback(f"bad-{n}", broken.url, retry_schedule_s=(3600.0,)) for n in range(5)]
        good = [callback(f"good-{n}", fine.url) for n in range(5)]
        await shop.declare(*bad, *good)
        async with deliverer(settings(shop.redis, deliverer_slots=SLOTS)):
            posted = await asyncio.gather(*[shop.post(*bad, *good) for _ in range(40)])
            await until_received(fine, 200)
            async with asyncio.timeout(SOON):
                while (await shop.counters())["delivered"] < 200 or await in_flight(shop):
                    await asyncio.sleep(0.01)
            health = await Census(shop.queue).callbacks()
        sent = Counter(request.headers["webhook-id"] for request in fine.requests)
        assert sorted(sent.values()) == [1] * 200
        assert all(health[record.id].open_since_ms for record in bad)  # what waits for these keeps its attempts
        assert not any(health[record.id].open_since_ms for record in good)
        for notification in posted:
            attempts = [d.attempts for d in (await shop.stored(notification)).deliveries if d.attempts > 1]
            assert not attempts


async def test_limits_are_told_changed_and_withdrawn_while_it_runs(shop: World) -> None:
    held = asyncio.Event()
    at_once = Counter[str]()

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        at_once["now"] += 1
        at_once["most"] = max(at_once["most"], at_once["now"])
        await held.wait()
        at_once["now"] -= 1
        writer.write(NO_CONTENT)

    async with Receiver(script) as receiver:
        few = callback("few", receiver.url, max_in_flight=2)
        await shop.declare(few)
        async with deliverer(settings(shop.redis, "a")), deliverer(settings(shop.redis, "b")):
            first = await shop.post(few)
            await until_received(receiver, 1)
            held.set()
            await shop.settled(first)
            held.clear()
            posted = await asyncio.gather(*[shop.post(few) for _ in range(12)])
            await until_received(receiver, 3)
            await shop.declare(callback("few", receiver.url, max_in_flight=5))
            await until_received(receiver, 6)
            assert at_once["most"] <= 5
            await shop.declare(callback("few", receiver.url, suspended=True))
            held.set()
            async with asyncio.timeout(SOON):
                while await in_flight(shop):
                    await asyncio.sleep(0.01)
            await shop.declare(callback("few", receiver.url))
            for notification in posted:
                assert (await shop.settled(notification)).status is Status.DELIVERED


async def test_what_waits_for_a_deleted_callback_is_refused_past_its_limits(shop: World) -> None:
    async with Receiver(never) as silent:
        few = callback("few", silent.url, max_in_flight=1, timeout_s=60.0)
        await shop.declare(few)
        async with deliverer(settings(shop.redis, drain_seconds=0.0)):
            held = await shop.post(few)
            await until_received(silent, 1)
            posted = await asyncio.gather(*[shop.post(few) for _ in range(50)])
            await shop.declare(deleted=(few.key,))
            for notification in posted:
                [delivery] = (await shop.settled(notification)).deliveries
                assert (delivery.state, delivery.reason) == (DeliveryState.REFUSED, "callback_deleted")
            [delivery] = (await shop.stored(held)).deliveries
            assert delivery.state is DeliveryState.WAITING
        assert len(silent.requests) == 1


async def test_what_waits_for_one_that_was_made_anew_is_refused_past_its_limits(shop: World) -> None:
    """Of the same name, but another object: nothing of the former is told of any more."""
    async with Receiver(never) as silent:
        former = callback("few", silent.url, max_in_flight=1, timeout_s=60.0)
        await shop.declare(former)
        async with deliverer(settings(shop.redis, drain_seconds=0.0)):
            await shop.post(former)
            await until_received(silent, 1)
            posted = await asyncio.gather(*[shop.post(former) for _ in range(20)])
            await shop.declare(former.model_copy(update={"id": "cbk_anew", "max_in_flight": 100}))
            for notification in posted:
                [delivery] = (await shop.settled(notification)).deliveries
                assert (delivery.state, delivery.reason) == (DeliveryState.REFUSED, "callback_deleted")


async def test_a_pod_without_a_free_slot_leaves_the_bell_to_others(redis_settings: RedisSettings) -> None:
    async with Queue(redis_settings, 2) as queue, Receiver(never) as silent:
        shop = World(redis_settings, queue, ConfigStore(queue.link))
        stuck, next_one = callback("stuck", silent.url, timeout_s=60.0), callback("next", silent.url)
        await shop.declare(stuck, next_one)
        async with deliverer(settings(redis_settings, shards=2, deliverer_slots=1, drain_seconds=0.0)):
            async with asyncio.timeout(SOON):
                while b"cmd=blpop" not in await queue.link.call("CLIENT", "LIST"):  # until it waits for a bell
                    await asyncio.sleep(0.01)
            await shop.post(stuck)
            await until_received(silent, 1)
            await asyncio.gather(*[queue.link.call("PING") for _ in range(50)])  # time for a wrong wait to begin
            waiting = queue.keys_of((await shop.post(next_one)).id)
            assert await queue.link.call("LLEN", waiting.bell) == 1
