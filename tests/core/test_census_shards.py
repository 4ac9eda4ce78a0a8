"""One callback, several shards: what is heard last, in whichever shard, is what counts."""

import time

from angarium.identifiers import notification_id
from angarium.notifications import Notification, Priority, Target
from angarium.queue import CallbackHealth, Census, Consumer, Intake, Queue, Settlement
from angarium.retries import Move
from angarium.settings import RedisSettings


async def settle(queue: Queue, consumer: Consumer, shard: int, endpoint: str, reason: str = "") -> None:
    """One attempt in that shard: a failed one where a reason is given."""
    now = time.time_ns() // 1_000_000
    id_ = notification_id(shard, now)
    target = Target("cbk_a", "shop/a")
    await Intake(queue).enqueue(
        Notification(id_, "prd_a", "shop/shop", "order.paid", b"{}", Priority.NORMAL, now, (target,))
    )
    [started] = (await consumer.take(1)).started
    move = Move.RETRY if reason else Move.DELIVERED
    await consumer.settle(Settlement(started, move, reason, delay=3600, endpoint=endpoint))


async def known(queue: Queue) -> CallbackHealth:
    """Of the callback."""
    return (await Census(queue).callbacks())["cbk_a"]


async def test_the_endpoint_that_was_tried_last_is_the_one_that_is_told_of(redis_settings: RedisSettings) -> None:
    async with Queue(redis_settings, 2) as queue, Consumer(queue, "a", block=0.1) as consumer:
        await settle(queue, consumer, 0, "former", "http_503")
        while time.time() * 1000 <= (await known(queue)).failed_ms + 1:  # a later millisecond
            pass
        await settle(queue, consumer, 1, "present")
        health = await known(queue)
        assert (health.endpoint, health.failures, health.failing_since_ms) == ("present", 0, 0)
        await settle(queue, consumer, 1, "present", "timeout")
        await settle(queue, consumer, 0, "present", "timeout")
        health = await known(queue)
    assert (health.endpoint, health.failures, health.reason) == ("present", 2, "timeout")
