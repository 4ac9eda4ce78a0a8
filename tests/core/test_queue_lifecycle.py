"""The way of a notification through the queue."""

import time

import redis.asyncio

from angarium.notifications import DeliveryState, Notification, Priority, Status, Target
from angarium.queue import Census, Consumer, Filters, Intake, Ledger, Queue, Settlement, Upkeep
from angarium.retries import Move
from angarium.settings import RedisSettings


def notification(intake: Intake, targets: int = 1, **more: object) -> Notification:
    now = time.time_ns() // 1_000_000
    id_ = intake.new_id("prd_a", None, now)
    names = tuple(Target(f"cbk_{n}", f"shop/c{n}") for n in range(targets))
    fields: dict[str, object] = {"priority": Priority.NORMAL} | more
    return Notification(id_, "prd_a", "shop/shop", "order.paid", b'{"a":1}', created_ms=now, targets=names, **fields)  # type: ignore[arg-type]  # test data


async def test_accept_fail_retry_deliver(redis_settings: RedisSettings) -> None:
    async with Queue(redis_settings) as queue, Consumer(queue, "a", block=0.2) as consumer:
        intake, ledger = Intake(queue), Ledger(queue)
        first = notification(intake, 2)
        assert (await intake.enqueue(first)).id == first.id
        started = (await consumer.take(10)).started
        assert [s.attempt.number for s in started] == [1, 1]
        due = await consumer.settle(Settlement(started[0], Move.DELIVERED, timeline=b'{"type":"attempt"}'))
        assert due == 0.0
        assert await consumer.settle(Settlement(started[1], Move.RETRY, "http_503", 0.0, b'{"type":"attempt"}'))
        stored = await ledger.get(first.id)
        assert stored is not None
        assert stored.status is Status.PENDING
        assert (await Upkeep(queue, "a").promote(queue.shards[0])).moved == 1
        await consumer.wait()
        [again] = (await consumer.take(1)).started
        assert again.attempt.number == 2
        await consumer.settle(Settlement(again, Move.DEAD, "http_503", 0.0, b'{"type":"attempt"}'))
        stored = await ledger.get(first.id)
        assert stored is not None
        assert [d.state for d in stored.deliveries] == [DeliveryState.DELIVERED, DeliveryState.DEAD]
        assert stored.status is Status.PARTIAL
        page = await ledger.page("prd_a", Filters(status=Status.PARTIAL), 10)
        assert [item.notification.id for item in page.items] == [first.id]
        assert len(await ledger.timeline(first.id)) == 3
        assert await intake.redrive(first, [0, 1], b'{"type":"redrive"}') == ["delivered", "redriven"]
        backlog = await Census(queue).backlog()
        assert backlog.ready["normal"] == 1
        async with Consumer(queue, "b", block=0.2) as other:
            [begun] = (await consumer.take(5)).started
            [claimed] = await other.claim("a", 10)
            [restarted] = await other.start([claimed])
            assert restarted.attempt.number == begun.attempt.number
            assert restarted.attempt.recoveries == 1
            assert await consumer.settle(Settlement(begun, Move.DELIVERED)) is None
            assert await other.settle(Settlement(restarted, Move.DELIVERED)) == 0.0
        counters = (await Census(queue).backlog()).counters
        assert counters["accepted"] == counters["delivered"] + counters.get("refused", 0) + counters.get("dead", 0) == 2


async def test_a_fan_out_to_thousands_is_stored_and_read_whole(redis_settings: RedisSettings) -> None:
    async with Queue(redis_settings) as queue:
        wide = notification(Intake(queue), 5000)
        await Intake(queue).enqueue(wide)
        ledger = Ledger(queue)
        stored = await ledger.get(wide.id)
        assert stored is not None
        assert len(stored.deliveries) == 5000
        [listed] = (await ledger.page("prd_a", Filters(), 10)).items
        assert listed.deliveries == stored.deliveries


async def test_a_redis_that_would_evict_is_known(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    async with Queue(redis_settings) as queue:
        assert not await Census(queue).evicts()
        await redis_client.config_set("maxmemory-policy", "allkeys-lru")
        await redis_client.config_set("maxmemory", "1gb")
        try:
            assert await Census(queue).evicts()
        finally:
            await redis_client.config_set("maxmemory", 0)
            await redis_client.config_set("maxmemory-policy", "noeviction")
