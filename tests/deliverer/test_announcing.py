"""Callbacks that hear of what became of their tenant's notifications: once for each end, and no echo of echoes."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request, reply
from tests.deliverer.world import SOON, World, callback, deliverer, settings, world

from angarium.config import ConfigTail
from angarium.keys import ShardKeys
from angarium.notifications import Notification, Priority, Status
from angarium.queue import Consumer, Ending, Endings, Intake, Settlement
from angarium.retries import Move
from angarium.settings import RedisSettings
from angarium_deliverer.announcer import Announcer
from angarium_deliverer.hearers import Hearers

HEARS = ("notification.*",)


@pytest.fixture
async def shop(redis_settings: RedisSettings) -> AsyncIterator[World]:
    """An empty store."""
    async with world(redis_settings) as shop:
        yield shop


def heard(receiver: Receiver) -> list[dict[str, Any]]:
    """What it was told."""
    return [json.loads(request.body) for request in receiver.requests]


async def told(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    """What it was told, once there is so much."""
    async with asyncio.timeout(SOON):
        while len(receiver.requests) < count:
            await asyncio.sleep(0.01)
    return heard(receiver)


async def refusing(_: Request, writer: asyncio.StreamWriter) -> None:
    """For good."""
    writer.write(reply(410))


async def test_each_end_is_told_with_its_reason(shop: World) -> None:
    async with Receiver() as good, Receiver(refusing) as bad, Receiver() as hearer:
        records = [
            callback("good", good.url), callback("bad", bad.url),
            callback("hearer", hearer.url).model_copy(update={"events": HEARS}),
        ]  # fmt: skip
        await shop.declare(*records)
        async with deliverer(settings(shop.redis)):
            await shop.applied()
            delivered = await shop.post(records[0])
            await told(hearer, 1)
            partial = await shop.post(records[0], records[1])
            first, second = await told(hearer, 2)
    assert (first["type"], first["data"]["id"], first["data"]["status"]) == (
        "notification.delivered", delivered.id, "delivered"
    )  # fmt: skip
    assert (second["type"], second["data"]["id"], second["data"]["status"]) == (
        "notification.refused", partial.id, "partial"
    )  # fmt: skip
    assert [(each["callback"], each["status"], each.get("reason")) for each in second["data"]["deliveries"]] == [
        ("shop/good", "delivered", None), ("shop/bad", "refused", "gone")
    ]  # fmt: skip


async def test_who_asked_for_refusals_hears_of_nothing_else_and_of_no_echo(shop: World) -> None:
    async with Receiver() as good, Receiver(refusing) as bad, Receiver() as hearer:
        records = [
            callback("good", good.url), callback("bad", bad.url),
            callback("hearer", hearer.url).model_copy(update={"events": ("notification.refused", "**")}),
        ]  # fmt: skip
        await shop.declare(*records)
        async with deliverer(settings(shop.redis)):
            await shop.applied()
            for record in (records[0], records[1], records[0]):
                await shop.settled(await shop.post(record))
            await told(hearer, 1)
            await shop.standing(waiting=0)
            assert await shop.queue.link.call("ZCARD", ShardKeys(0).ended) == 0
    assert [each["type"] for each in heard(hearer)] == ["notification.refused"]


async def test_another_tenant_hears_nothing(shop: World) -> None:
    async with Receiver() as good, Receiver() as hearer:
        record = callback("good", good.url)
        other = callback("hearer", hearer.url, tenant="prd_other").model_copy(update={"events": HEARS})
        await shop.declare(record, other)
        async with deliverer(settings(shop.redis)):
            await shop.applied()
            await shop.settled(await shop.post(record))
            await shop.standing(waiting=0)
        assert hearer.requests == []
        assert await shop.queue.link.call("ZCARD", ShardKeys(0).ended) == 0


async def test_a_redrive_that_ends_otherwise_is_told_again(shop: World) -> None:
    mood = [reply(410)]

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(mood[0])

    async with Receiver(script) as receiver, Receiver() as hearer:
        record = callback("good", receiver.url)
        await shop.declare(record, callback("hearer", hearer.url).model_copy(update={"events": HEARS}))
        async with deliverer(settings(shop.redis)):
            await shop.applied()
            posted = await shop.post(record)
            await told(hearer, 1)
            mood[0] = NO_CONTENT
            await Intake(shop.queue).redrive(posted, [0], orjson.dumps({"type": "redriven"}))
            types = [each["type"] for each in await told(hearer, 2)]
    assert types == ["notification.refused", "notification.delivered"]


async def end(shop: World, consumer: Consumer) -> Ending:
    """A notification ends, and its deliverer dies before it has told of it."""
    ended: list[Ending] = []
    consumer.ended = ended.append
    await shop.post(callback("good", "http://127.0.0.1:1/"))
    [started] = (await consumer.take(5)).started
    await consumer.settle(Settlement(started, Move.DELIVERED, announced=True))
    return ended[0]


def announcer(shop: World) -> Announcer:
    """One that knows a hearer."""
    hearers = Hearers()
    hearers.put(callback("hearer", "http://127.0.0.1:1/").model_copy(update={"events": HEARS}))
    return Announcer(shop.queue, hearers, ConfigTail(shop.redis))


async def test_what_the_dead_have_not_told_others_tell(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium_deliverer.announcer.LATE_MS", 0)
    async with Consumer(shop.queue, "first") as consumer:
        ending = await end(shop, consumer)
        assert await Endings(shop.queue).untold(ShardKeys(0), 0) == [ending]
        heir = asyncio.create_task(announcer(shop).step())
        [told] = await _taken(consumer)
        heir.cancel()
    assert told.attempt.notification.event == "notification.delivered"
    assert orjson.loads(told.attempt.notification.body)["data"]["id"] == ending.notification


async def _taken(consumer: Consumer) -> list[Any]:
    async with asyncio.timeout(SOON):
        while not (found := (await consumer.take(5)).started):
            await asyncio.sleep(0.01)
    return found


async def test_told_twice_it_is_one_notification(shop: World) -> None:
    async with Consumer(shop.queue, "first") as consumer:
        ending = await end(shop, consumer)
        for _ in range(2):  # killed before it was noted as told
            await announcer(shop)._tell(ending)
        assert len((await consumer.take(5)).started) == 1
    assert (await shop.counters())["accepted"] == 2


async def test_an_end_that_came_since_is_not_forgotten(shop: World) -> None:
    async with Consumer(shop.queue, "first") as consumer:
        ending = await end(shop, consumer)
        endings = Endings(shop.queue)
        await endings.told(ending._replace(at_ms=ending.at_ms - 1))
        assert await endings.untold(ShardKeys(0), 0) == [ending]
        await endings.told(ending)
        assert await endings.untold(ShardKeys(0), 0) == []


async def test_what_goes_on_is_told_when_it_has_ended_once_more(shop: World) -> None:
    async with Consumer(shop.queue, "first") as consumer:
        ending = await end(shop, consumer)
        posted = shop.posted[0]
        await shop.queue.link.call("HSET", ShardKeys(0).notification(posted.id), "0", "waiting 1 0 0 0 1 0 -")
        assert (await shop.stored(posted)).status is Status.PENDING
        await announcer(shop)._tell(ending)
        assert (await consumer.take(5)).started == []


async def test_one_that_cannot_be_told_holds_up_no_other(shop: World, caplog: pytest.LogCaptureFixture) -> None:
    async with Consumer(shop.queue, "first") as consumer:
        broken, good = await end(shop, consumer), await end(shop, consumer)
        await shop.queue.link.call("HSET", ShardKeys(0).notification(broken.notification), "doc", "{}")
        one = announcer(shop)
        one.hear(broken)
        one.hear(good)
        await one.tell()
        assert await Endings(shop.queue).untold(ShardKeys(0), 0) == [broken]
        [told] = (await consumer.take(5)).started
    assert orjson.loads(told.attempt.notification.body)["data"]["id"] == good.notification
    assert "an end was not told" in caplog.text


async def test_an_end_that_another_followed_is_not_told(shop: World) -> None:
    async with Consumer(shop.queue, "first") as consumer:
        ending = await end(shop, consumer)
        await announcer(shop)._tell(ending._replace(at_ms=ending.at_ms - 1))
        assert (await consumer.take(5)).started == []
        await announcer(shop)._tell(ending)
        assert len((await consumer.take(5)).started) == 1


async def test_what_ends_while_a_pod_drains_is_told_before_it_goes(shop: World) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Request, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go.wait()
        writer.write(NO_CONTENT)

    async with Receiver(slow) as receiver, Receiver() as hearer:
        record = callback("slow", receiver.url)
        await shop.declare(record, callback("hearer", hearer.url).model_copy(update={"events": HEARS}))
        async with deliverer(settings(shop.redis)) as stop:
            await shop.applied()
            await shop.post(record)
            async with asyncio.timeout(SOON):
                await asked.wait()
            stop.set()
            go.set()
        assert await shop.queue.link.call("ZCARD", ShardKeys(0).ended) == 0
        assert (await shop.counters())["accepted"] == 2


def test_which_patterns_hear() -> None:
    record = callback("hearer", "http://127.0.0.1:1/").model_copy(
        update={"events": ("notification.refused", "**", "*.*")}
    )
    hearers = Hearers()
    hearers.put(record)
    assert len(hearers.of("prd_shop", "notification.refused")) == 1
    assert hearers.of("prd_shop", "notification.delivered") == ()
    told = Notification("not_0", "prd_shop", "shop/shop", "order.paid", b"", Priority.NORMAL, 0, ())
    assert hearers.want(told)
    assert not hearers.want(replace(told, tenant="prd_other"))
    assert not hearers.want(replace(told, test=True))
    assert not hearers.want(replace(told, event="notification.refused"))
    hearers.drop(record)
    assert not hearers.want(told)
