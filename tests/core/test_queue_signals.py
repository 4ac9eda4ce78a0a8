"""Hearing at once what is settled, in each shard, on one server and on a Cluster."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.core.redis_servers import Clustered

from angarium.identifiers import notification_id
from angarium.notifications import Notification, Priority, Target
from angarium.queue import Consumer, Intake, Queue, Settlement
from angarium.queue.signals import Signals
from angarium.retries import Move
from angarium.settings import RedisSettings

SHARDS = 4


async def posted(queue: Queue, shard: int) -> Notification:
    """One that is stored in that shard."""
    now = time.time_ns() // 1_000_000
    made = Notification(
        notification_id(shard, now), "t", "shop/shop", "e", b"{}", Priority.NORMAL, now, (Target("cbk_0", "shop/a"),)
    )
    await Intake(queue).enqueue(made)
    return made


async def settled(consumer: Consumer, move: Move) -> None:
    """All that is ready."""
    async with asyncio.timeout(10):
        while not (started := (await consumer.take(20)).started):
            await asyncio.sleep(0.01)
    for each in started:
        await consumer.settle(Settlement(each, move))


async def check(settings: RedisSettings) -> None:
    """Two gateways hear of one notification in each shard, and of no other."""
    async with (
        Queue(settings, SHARDS) as queue,
        Consumer(queue, "d") as consumer,
        Signals(queue, "g-1") as first,
        Signals(queue, "g-2") as second,
    ):
        await queue.prepare()
        listening = [asyncio.create_task(forever(signals)) for signals in (first, second)]
        for shard in range(SHARDS):
            wanted, _ = await posted(queue, shard), await posted(queue, shard)
            async with (
                first.of(wanted.id) as one,
                second.of(wanted.id) as two,
                second.of(notification_id(shard, 1)) as never,
            ):
                await settled(consumer, Move.DELIVERED)
                async with asyncio.timeout(10):
                    await asyncio.gather(one.wait(), two.wait())
                assert not never.is_set()
            key = queue.shards[shard].notification(wanted.id)
            assert await queue.link.call("HGET", key, "w") is None
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


async def forever(signals: Signals) -> None:
    """As a gateway does."""
    while True:
        await signals.step()


async def test_each_shard_is_heard(redis_settings: RedisSettings) -> None:
    await check(redis_settings)


async def test_each_shard_of_a_cluster_is_heard(tmp_path: Path) -> None:
    async with Clustered(tmp_path).running() as servers:
        await check(servers.settings)


@pytest.mark.parametrize("times", [1, 2])
async def test_a_gateway_is_noted_once_and_hears_of_each_settle(redis_settings: RedisSettings, times: int) -> None:
    async with Queue(redis_settings) as queue, Consumer(queue, "d") as consumer, Signals(queue, "g 1") as signals:
        await queue.prepare()
        made = await posted(queue, 0)
        async with signals.of(made.id), signals.of(made.id):
            assert await queue.link.call("HGET", queue.shards[0].notification(made.id), "w") == b"g_1"
            for _ in range(times):
                await settled(consumer, Move.REFUSED)
                await Intake(queue).redrive(made, [0], b"{}")
        assert await queue.link.call("LLEN", queue.shards[0].signals("g_1")) == 1  # its end ends the note
        assert 0 < await queue.link.call("PTTL", queue.shards[0].signals("g_1")) <= 10_000


async def test_nothing_is_noted_of_what_there_is_not(redis_settings: RedisSettings) -> None:
    async with Queue(redis_settings) as queue, Signals(queue, "g-1") as signals:
        id_ = notification_id(0, 1)
        async with signals.of(id_):
            assert await queue.link.call("EXISTS", queue.shards[0].notification(id_)) == 0
