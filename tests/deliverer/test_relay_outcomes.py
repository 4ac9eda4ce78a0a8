"""What becomes of a delivery, by what its receiver answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from standardwebhooks import Webhook
from tests.deliverer.receivers import Receiver, Request, reply
from tests.deliverer.world import SIGNING_KEY, SOON, World, callback, deliverer, settings, world

from angarium.notifications import DeliveryState, Status
from angarium.queue import Census, Consumer, Intake, Ledger
from angarium.settings import RedisSettings


@pytest.fixture
async def shop(redis_settings: RedisSettings) -> AsyncIterator[World]:
    async with world(redis_settings) as shop:
        yield shop


async def test_delivered_signed_and_told(shop: World) -> None:
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis)):
            posted = await shop.post(warehouse)
            stored = await shop.settled(posted)
        [got] = receiver.requests
        Webhook(SIGNING_KEY).verify(got.body, got.headers)
        assert got.body == posted.body
        assert got.headers["webhook-id"] == stored.deliveries[0].id
        assert stored.status is Status.DELIVERED
        [attempt] = await Ledger(shop.queue).timeline(posted.id)
        assert (attempt["outcome"], attempt["number"], attempt["delivery"]) == ("delivered", 1, stored.deliveries[0].id)
        assert await shop.counters() == {"accepted": 1, "delivered": 1, "refused": 0, "dead": 0, "waiting": 0}


async def test_a_failure_is_tried_again_under_the_same_id(shop: World) -> None:
    async def twice_busy(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(503, b"overloaded") if len(receiver.requests) < 3 else reply(200))

    async with Receiver(twice_busy) as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis)):
            posted = await shop.post(warehouse)
            await shop.settled(posted)
        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
        entries = await Ledger(shop.queue).timeline(posted.id)
        assert [(e["number"], e["outcome"], e["reason"]) for e in entries] == [
            (1, "retry", "http_503"), (2, "retry", "http_503"), (3, "delivered", ""),
        ]  # fmt: skip
        assert entries[0]["response"] == {"status": 503, "body": "overloaded", "truncated": False}
        assert 50 <= entries[0]["next_ms"] - entries[0]["at_ms"] <= 60  # the schedule's 50 ms and 0..20 %


async def test_attempts_end_with_the_policy_and_a_person_may_redrive(shop: World) -> None:
    async with Receiver(reply(500)) as receiver:
        warehouse = callback("warehouse", receiver.url, retry_schedule_s=(0.01, 0.01))
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis)):
            posted = await shop.post(warehouse)
            stored = await shop.settled(posted)
            assert (stored.deliveries[0].state, stored.deliveries[0].reason) == (DeliveryState.DEAD, "http_500")
            assert len(receiver.requests) == 3
            assert await shop.counters() == {"accepted": 1, "delivered": 0, "refused": 0, "dead": 1, "waiting": 0}
            assert await Intake(shop.queue).redrive(posted, [0], b'{"type":"redrive"}') == ["redriven"]
            await shop.settled(posted)
            assert len(receiver.requests) == 6


async def test_410_refuses_and_is_known_of_the_endpoint(shop: World) -> None:
    async with Receiver(reply(410)) as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis)):
            stored = await shop.settled(await shop.post(warehouse))
            assert (stored.deliveries[0].state, stored.deliveries[0].reason) == (DeliveryState.REFUSED, "gone")
            assert (await Census(shop.queue).callbacks())[warehouse.id].gone == warehouse.endpoint
            await shop.declare(warehouse.model_copy(update={"disabled": "gone"}))
            await shop.applied()
            stored = await shop.settled(await shop.post(warehouse))
        assert stored.deliveries[0].reason == "gone"
        assert len(receiver.requests) == 1


async def test_a_suspended_callback_waits_without_spending_attempts(shop: World) -> None:
    async with Receiver() as receiver:
        suspended = callback("warehouse", receiver.url, suspended=True)
        await shop.declare(suspended)
        async with deliverer(settings(shop.redis)):
            first, second = await shop.post(suspended), await shop.post(suspended)
            async with asyncio.timeout(SOON):
                while (await Census(shop.queue).backlog()).parked < 2:
                    await asyncio.sleep(0.01)
            assert receiver.requests == []
            await shop.declare(suspended.model_copy(update={"suspended": False}))
            for posted in (first, second):
                stored = await shop.settled(posted)
                assert (stored.status, stored.deliveries[0].attempts) == (Status.DELIVERED, 1)


async def test_a_deleted_callback_refuses_what_waits_for_it(shop: World) -> None:
    lost = callback("lost", "http://127.0.0.1:1/")
    await shop.declare(lost)
    await shop.declare(deleted=(lost.key,))
    async with deliverer(settings(shop.redis)):
        stored = await shop.settled(await shop.post(lost))
    assert (stored.deliveries[0].state, stored.deliveries[0].reason) == (DeliveryState.REFUSED, "callback_deleted")


async def test_a_callback_that_is_newer_than_our_config_is_waited_for(shop: World) -> None:
    async with Receiver() as receiver:
        await shop.declare(callback("other", receiver.url))
        newer = callback("newer", receiver.url)
        async with deliverer(settings(shop.redis)):
            posted = await shop.post(newer, config_revision=shop.revision + 1)
            async with asyncio.timeout(SOON):
                while not (await Census(shop.queue).backlog()).scheduled:
                    await asyncio.sleep(0.01)
            await shop.declare(newer)
            stored = await shop.settled(posted)
    assert (stored.status, stored.deliveries[0].attempts) == (Status.DELIVERED, 1)


async def test_a_test_send_is_made_once_and_is_no_mark_against_the_endpoint(shop: World) -> None:
    async with Receiver(reply(500)) as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis)):
            stored = await shop.settled(await shop.post(warehouse, test=True))
        assert stored.deliveries[0].state is DeliveryState.DEAD
        assert len(receiver.requests) == 1
        assert warehouse.id not in await Census(shop.queue).callbacks()


async def test_what_is_for_later_is_not_sent_before(shop: World) -> None:
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis)):
            seconds, _ = await shop.queue.link.call("TIME")
            posted = await shop.post(warehouse, due_ms=int(seconds) * 1000 + 1500)
            await shop.settled(posted)
        [attempt] = await Ledger(shop.queue).timeline(posted.id)
        assert attempt["at_ms"] >= posted.due_ms


async def test_a_private_address_is_refused_and_not_dialled(shop: World) -> None:
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis).model_copy(update={"egress_allowed_cidrs": ()})):
            stored = await shop.settled(await shop.post(warehouse))
        assert (stored.deliveries[0].state, stored.deliveries[0].reason) == (DeliveryState.REFUSED, "address_refused")
        assert receiver.connections == 0


async def test_a_delivery_that_ends_its_deliverers_is_given_up_and_a_person_may_try_again(shop: World) -> None:
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        await shop.queue.prepare()
        posted = await shop.post(warehouse)
        [begun] = (await Consumer(shop.queue, "dead-0").take(1)).started
        for death in range(6):
            heir = Consumer(shop.queue, f"dead-{death + 1}")
            [begun] = await heir.start(await heir.claim(f"dead-{death}", 1))
        assert (begun.attempt.number, begun.attempt.recoveries) == (1, 6)
        async with deliverer(settings(shop.redis, "dead-6")):
            stored = await shop.settled(posted)
            assert (stored.deliveries[0].state, stored.deliveries[0].reason) == (
                DeliveryState.REFUSED,
                "deliverer_lost",
            )
            assert receiver.requests == []
            [entry] = await Ledger(shop.queue).timeline(posted.id)
            assert (entry["type"], entry["reason"]) == ("refused", "deliverer_lost")
            assert warehouse.id not in await Census(shop.queue).callbacks()
            assert await Intake(shop.queue).redrive(posted, [0], b'{"type":"redrive"}') == ["redriven"]
            assert (await shop.settled(posted)).status is Status.DELIVERED
