"""The number of shards may differ between pods and change: keys hold, and all of it is worked off."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from angarium.errors import StorageUnavailable
from angarium.identifiers import shard_of
from angarium.keys import ConfigKeys
from angarium.notifications import Notification, Priority, Target
from angarium.queue import (
    Accepted,
    Consumer,
    Idempotency,
    IdempotencyConflict,
    Intake,
    Layout,
    Ledger,
    Queue,
    Settlement,
)
from angarium.queue.layout import FORGET_MS, KEYS_MS
from angarium.retries import Move
from angarium.settings import RedisSettings

NUMBERS = count()


class Pod:
    """A gateway, as the queue sees it; `shards` is its setting."""

    def __init__(self, redis: RedisSettings, shards: int) -> None:
        self.queue = Queue(redis, shards)
        self.layout = Layout(self.queue, writes=True)
        self.intake = Intake(self.queue, self.layout)

    def compose(self, key: str | None, data: str = "") -> tuple[Notification, Idempotency | None]:
        once = Idempotency(key, data or "fp") if key else None
        now = time.time_ns() // 1_000_000
        id_ = self.intake.new_id("t", once, now)
        return Notification(id_, "t", "a/a", "e", b"{}", Priority.NORMAL, now, (Target("cbk_a", "a/a"),)), once

    async def post(self, key: str | None = None, data: str = "") -> Accepted:
        notification, once = self.compose(key, data)
        return await self.intake.enqueue(notification, once)


@asynccontextmanager
async def pod(redis: RedisSettings, shards: int) -> AsyncIterator[Pod]:
    """It has said its number and heard the others'."""
    made = Pod(redis, shards)
    async with made.queue:
        await made.layout.step()
        yield made


def moved_key(few: Queue, many: Queue) -> str:
    """A key whose shard is another with many shards."""
    keys = (f"k{number}" for number in NUMBERS)
    return next(key for key in keys if few.shard_for("t", key.encode()) != many.shard_for("t", key.encode()))


async def stored(queue: Queue) -> int:
    """Notifications, in all shards."""
    values = [await queue.link.call("HGET", keys.counters, "notifications") for keys in queue.shards]
    return sum(int(value or 0) for value in values)


async def test_nothing_is_accepted_before_the_shards_in_use_are_known(redis_settings: RedisSettings) -> None:
    young = Pod(redis_settings, 4)
    async with young.queue:
        with pytest.raises(StorageUnavailable):
            await young.post("k")
        await young.layout.step()
        assert not (await young.post("k")).replay


async def test_a_deliverer_set_to_one_shard_works_off_what_a_gateway_set_to_four_writes(
    redis_settings: RedisSettings,
) -> None:
    async with pod(redis_settings, 4) as gateway, Queue(redis_settings, 1) as queue, Consumer(queue, "d") as deliverer:
        ids = {(await gateway.post()).id for _ in range(40)}
        assert {shard_of(id_) for id_ in ids} == {0, 1, 2, 3}
        changes: list[int] = []
        follower = Layout(queue, changed=lambda: changes.append(queue.spread))
        await follower.step()
        await follower.step()
        assert changes == [4]
        taken: set[str] = set()
        while len(taken) < 40:
            begun = (await deliverer.take(64)).started
            assert begun
            taken |= {started.attempt.notification.id for started in begun}
            await asyncio.gather(*[deliverer.settle(Settlement(started, Move.DELIVERED)) for started in begun])
        assert taken == ids


@pytest.mark.parametrize(("few", "many"), [(1, 4), (4, 2), (2, 8), (8, 3)])
async def test_a_key_holds_across_the_change_whichever_gateway_is_asked(
    redis_settings: RedisSettings, few: int, many: int
) -> None:
    async with pod(redis_settings, few) as old, pod(redis_settings, many) as new:
        before, after = moved_key(old.queue, new.queue), moved_key(old.queue, new.queue)
        first = await old.post(before)  # it does not know of the new one yet
        assert await new.post(before) == Accepted(first.id, replay=True)
        second = await new.post(after)
        assert shard_of(second.id) == new.queue.shard_for("t", after.encode())
        assert await old.post(after) == Accepted(second.id, replay=True)
        await old.layout.step()
        for gateway in (old, new):
            assert await gateway.post(before) == Accepted(first.id, replay=True)
            assert await gateway.post(after) == Accepted(second.id, replay=True)
            with pytest.raises(IdempotencyConflict):
                await gateway.post(before, "another body")
        assert await stored(max(old.queue, new.queue, key=lambda queue: len(queue.shards))) == 2


async def test_many_gateways_at_once_store_one(redis_settings: RedisSettings) -> None:
    async with pod(redis_settings, 1) as a, pod(redis_settings, 4) as b, pod(redis_settings, 2) as c:
        await b.layout.step()
        for _ in range(20):
            key = moved_key(a.queue, b.queue)
            answers = await asyncio.gather(*[each.post(key) for each in (a, b, c, b, a, c)])
            assert len({answer.id for answer in answers}) == 1
            assert sum(not answer.replay for answer in answers) == 1
        await b.layout.step()
        assert await stored(b.queue) == 20


@pytest.mark.parametrize("asked", ["old", "new"])
async def test_what_a_gateway_had_agreed_on_before_it_died_is_stored_by_the_next_that_is_asked(
    redis_settings: RedisSettings, asked: str
) -> None:
    async with pod(redis_settings, 1) as old, pod(redis_settings, 4) as new:
        notification, once = new.compose(moved_key(old.queue, new.queue))
        assert once
        homes = new.queue.homes("t", once.key.encode())
        await new.intake._agree(new.queue.link, homes, notification, once)  # and then it dies
        assert await stored(new.queue) == 0
        answer = await {"old": old, "new": new}[asked].post(once.key)
        assert answer == Accepted(notification.id, replay=True)
        assert await Ledger(new.queue).get(notification.id) is not None
        assert await stored(new.queue) == 1


async def test_a_former_number_is_asked_for_a_day_and_its_shards_are_read_until_they_are_empty(
    redis_settings: RedisSettings,
) -> None:
    async with pod(redis_settings, 2) as gateway, Queue(redis_settings, 2) as queue, Consumer(queue, "d") as deliverer:
        async with pod(redis_settings, 4) as former:
            while shard_of((await former.post()).id) < 2:
                pass
        follower = Layout(queue)

        async def aged(ms: int) -> None:
            now = int((await queue.link.call("TIME"))[0]) * 1000
            await queue.link.call("HSET", ConfigKeys().shards, 4, now - ms)
            await gateway.layout.step()
            await follower.step()

        for age, counts in ((KEYS_MS - 60_000, (2, 4)), (KEYS_MS + 60_000, (2,))):
            await aged(age)
            assert gateway.queue.counts == counts
        await aged(FORGET_MS + 60_000)
        assert await follower.forget() == []  # something waits there
        assert len(queue.shards) == 4
        while begun := (await deliverer.take(64)).started:
            await asyncio.gather(*[deliverer.settle(Settlement(started, Move.DELIVERED)) for started in begun])
        assert await follower.forget() == []  # finished, and still kept
        await queue.link.call_many([("DEL", keys.expiry) for keys in queue.shards])
        assert await follower.forget() == [4]
        await follower.step()
        assert len(queue.shards) == 2
