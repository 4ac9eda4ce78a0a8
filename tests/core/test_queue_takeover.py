"""A pod that only slept, while others took over what it held."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from angarium.identifiers import notification_id
from angarium.notifications import DeliveryState, Notification, Priority, Target
from angarium.queue import Consumer, Intake, Ledger, Queue, Release, Settlement, Started
from angarium.queue.codec import Standing, write_standing
from angarium.retries import Move
from angarium.settings import RedisSettings


@pytest.fixture
async def queue(redis_settings: RedisSettings) -> AsyncIterator[Queue]:
    async with Queue(redis_settings) as queue:
        posted = Notification(
            notification_id(0), "t", "shop/shop", "e", b"{}", Priority.NORMAL, 0, (Target("cbk_a", "shop/a"),)
        )
        await Intake(queue).enqueue(posted)
        yield queue


async def state(queue: Queue) -> DeliveryState:
    keys = queue.shards[0]
    [id_] = await queue.link.call("ZRANGE", keys.index("t"), 0, -1)
    stored = await Ledger(queue).get(id_.decode())
    assert stored is not None
    return stored.deliveries[0].state


async def taken(consumer: Consumer) -> list[Started]:
    return (await consumer.take(5)).started


async def test_it_can_not_begin_what_another_holds(queue: Queue) -> None:
    sleeper, heir = Consumer(queue, "sleeper"), Consumer(queue, "heir")
    entries = [item.entry for item in await taken(sleeper)]
    [claimed] = await heir.claim("sleeper", 5)
    [begun] = await heir.start([claimed])
    assert await sleeper.start(entries) == []
    assert await heir.settle(Settlement(begun, Move.DELIVERED)) == 0.0


async def test_it_can_not_give_back_what_another_holds(queue: Queue) -> None:
    sleeper, heir = Consumer(queue, "sleeper"), Consumer(queue, "heir")
    [late] = await taken(sleeper)
    [claimed] = await heir.claim("sleeper", 5)
    [begun] = await heir.start([claimed])
    assert not await sleeper.release(late.entry, Release.LINE)
    assert await heir.settle(Settlement(begun, Move.DELIVERED)) == 0.0
    assert await taken(heir) == []
    assert await state(queue) is DeliveryState.DELIVERED


async def test_it_can_not_settle_what_another_has_begun_again(queue: Queue) -> None:
    sleeper, heir = Consumer(queue, "sleeper"), Consumer(queue, "heir")
    [late] = await taken(sleeper)
    [begun] = await heir.start(await heir.claim("sleeper", 5))
    assert begun.attempt.number == late.attempt.number
    assert begun.attempt.recoveries == 1
    assert await sleeper.settle(Settlement(late, Move.DEAD, "timeout")) is None
    assert await state(queue) is DeliveryState.WAITING
    assert await heir.settle(Settlement(begun, Move.DELIVERED)) == 0.0


async def test_an_emptied_consumer_is_forgotten_and_a_full_one_is_not(queue: Queue) -> None:
    going, heir = Consumer(queue, "going"), Consumer(queue, "heir")
    await taken(going)
    await going.leave()
    assert len(await heir.claim("going", 5)) == 1
    await going.leave()
    names = {
        c[b"name"] if isinstance(c, dict) else c[1]
        for c in await queue.link.call("XINFO", "CONSUMERS", queue.shards[0].lanes[2], "deliverers")
    }
    assert names == {b"heir"}


async def test_what_is_taken_over_little_by_little_is_taken_over_whole(queue: Queue) -> None:
    """An heir has few free slots: what it leaves must stay with the dead until somebody comes for it."""
    targets = tuple(Target(f"cbk_{name}", f"shop/{name}") for name in "bcd")
    await Intake(queue).enqueue(
        Notification(notification_id(0), "t", "shop/shop", "e", b"{}", Priority.NORMAL, 0, targets)
    )
    held = {item.attempt.delivery for item in await taken(Consumer(queue, "dead"))}
    heir = Consumer(queue, "heir")
    begun = [started for _ in held for started in await heir.start(await heir.claim("dead", 1))]
    assert {item.attempt.delivery for item in begun} == held
    assert len(held) == 4


async def test_one_that_leaves_is_handed_nothing_more(queue: Queue, redis_client: redis.asyncio.Redis) -> None:
    """A read that waits goes on in Redis when its caller is cancelled: the next entry would go to nobody."""
    async with Consumer(queue, "going") as going:
        await going.wait()  # the bell rang for it
        [held] = await taken(going)
        waiting = asyncio.create_task(going.wait())
        while not (await redis_client.info("clients"))["blocked_clients"]:
            await asyncio.sleep(0.01)
        waiting.cancel()
        await going.stop_waiting()
        while (await redis_client.info("clients"))["blocked_clients"]:
            await asyncio.sleep(0.01)
        assert await going.release(held.entry, Release.LINE)
        await going.leave()
        assert len(await taken(Consumer(queue, "heir"))) == 1


async def test_the_others_hear_what_one_heard_that_leaves(queue: Queue) -> None:
    """The bell rings but once, so who went after it had heard it kept everything waiting: 2 s, at each scale-in."""
    async with Consumer(queue, "going") as going, Consumer(queue, "staying", block=60.0) as staying:
        await going.wait()  # it heard the bell, and takes nothing any more
        waiting = asyncio.create_task(staying.wait())
        await going.stop_waiting()
        async with asyncio.timeout(10):
            await waiting
        assert len(await taken(staying)) == 1


async def test_one_that_can_not_be_read_holds_up_nobody_else(queue: Queue, redis_client: redis.asyncio.Redis) -> None:
    await Intake(queue).enqueue(
        Notification(notification_id(0), "t", "shop/shop", "e", b"{}", Priority.NORMAL, 0, (Target("cbk_a", "shop/a"),))
    )
    keys = queue.shards[0]
    [unreadable, readable] = [id_.decode() for id_ in await queue.link.call("ZRANGE", keys.index("t"), 0, -1)]
    await redis_client.hset(keys.notification(unreadable), "doc", '{"newer": 1}')
    await redis_client.hset(
        keys.callback_standing, "cbk_a", write_standing(Standing(delivered=1))
    )  # it has answered before
    [started] = await taken(Consumer(queue, "a"))
    assert started.attempt.notification.id == readable
    assert await redis_client.zcard(keys.schedule) == 1  # for a pod that can read it, its attempt unspent


async def test_it_can_not_settle_what_another_has_given_back(queue: Queue) -> None:
    sleeper, heir = Consumer(queue, "sleeper"), Consumer(queue, "heir")
    [late] = await taken(sleeper)
    [claimed] = await heir.claim("sleeper", 5)
    assert await heir.release(claimed, Release.LINE)
    assert await sleeper.settle(Settlement(late, Move.DELIVERED)) is None
    assert await state(queue) is DeliveryState.WAITING
    [begun] = await taken(heir)
    assert (begun.attempt.number, begun.attempt.recoveries) == (1, 1)
