"""Where a delivery is, as the shard tells who asks, in each place that it may be in; nothing is changed by asking."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from tests.core.queue_scene import Scene, scene, settle

from angarium.notifications import Delivery, DeliveryState, Notification
from angarium.queue import Inquiry, Ledger, Limits, Place, Release, Whereabouts, inquiry
from angarium.retries import Move
from angarium.settings import RedisSettings


@pytest.fixture
async def shop(redis_settings: RedisSettings, redis_client: redis.asyncio.Redis) -> AsyncIterator[Scene]:
    async with scene(redis_settings, redis_client) as shop:
        yield shop


async def posted(shop: Scene) -> list[Notification]:
    """All there are, the oldest first."""
    ids = await shop.redis.zrange(shop.keys.index("shop"), 0, -1)
    stored = await Ledger(shop.queue).summaries([each.decode() for each in ids])
    return [each.notification for each in stored]


async def where(shop: Scene, notification: Notification) -> tuple[Delivery, Whereabouts]:
    """Its only delivery, and where that is."""
    [stored] = await Ledger(shop.queue).summaries([notification.id])
    now, [found] = await Inquiry(shop.queue).ask(notification, stored.deliveries)
    assert now > notification.created_ms
    return found


async def test_from_the_line_to_the_end(shop: Scene) -> None:
    await shop.post("shop-1", 3)
    line = [raw.decode().split(" ")[0] for raw in await shop.redis.lrange(shop.keys.line("normal", "shop-1"), 0, -1)]
    third = next(each for each in await posted(shop) if each.id == line[2])
    first = next(each for each in await posted(shop) if each.id == line[0])
    _, here = await where(shop, third)
    assert (here.place, here.lane, here.ahead, here.line) == (Place.SEATED, "normal", 2, 3)
    async with shop.consumer("a") as a, shop.consumer("b") as b:
        assert len((await a.take(1)).started) == 1
        _, here = await where(shop, first)
        assert (here.place, here.holder, here.standing.in_flight) == (Place.FLYING, "a", 1)
        await asyncio.sleep(0.01)  # so that the entry's id is not the time of the attempt
        [claimed] = await b.claim("a", 5)
        [again] = await b.start([claimed])
        delivery, here = await where(shop, first)
        assert (here.place, here.holder, delivery.started, delivery.recoveries) == (Place.FLYING, "b", True, 1)
        await settle(b, [again], Move.RETRY)
        delivery, here = await where(shop, first)
        assert (here.place, here.at_ms, delivery.reason) == (Place.SCHEDULED, delivery.due_ms, "http_503")
        [second] = (await b.take(1)).started
        await b.release(second.entry, Release.LINE, fence=second.fence)
        await settle(b, (await b.take(1)).started)
    [done] = [each for each in await posted(shop) if (await where(shop, each))[1].place is Place.ENDED]
    assert (await where(shop, done))[0].state is DeliveryState.DELIVERED


async def test_parked_with_the_limits_that_park_it(shop: Scene) -> None:
    await shop.limit("shop-1", "0 0 0")
    await shop.post("shop-1", 2)
    [one, *_] = await posted(shop)
    async with shop.consumer() as consumer:
        assert (await consumer.take(5)).started == []
    _, here = await where(shop, one)
    assert (here.place, here.at_ms, here.line, here.limits) == (Place.PARKED, -1, 2, Limits(0, 0, 0))


async def test_a_line_that_is_longer_than_is_looked_at(shop: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiry, "LOOKED_AT", 0)
    monkeypatch.setattr(inquiry, "LEAST_DEPTH", 2)
    await shop.post("shop-1", 4)
    ahead = sorted([(await where(shop, each))[1].ahead for each in await posted(shop)])
    assert ahead == [-1, -1, 0, 1]


async def test_nothing_is_changed_by_asking(shop: Scene) -> None:
    await shop.post("shop-1", 2)
    [one, *_] = await posted(shop)
    before = {key: await shop.redis.dump(key) for key in await shop.redis.keys("*")}
    await where(shop, one)
    assert before == {key: await shop.redis.dump(key) for key in await shop.redis.keys("*")}
