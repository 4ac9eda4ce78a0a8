"""What a deliverer does when it can't be sure: it waits, keeps what it did, and takes up what nobody beats for."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio
from pydantic import SecretStr
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request
from tests.deliverer.world import SEAL_KEY, SOON, World, callback, deliverer, settings, world

from angarium.config import presence
from angarium.keys import ConfigKeys
from angarium.notifications import Status
from angarium.queue import Census, Consumer, Entry, Upkeep
from angarium.sealing import generate_seal_key
from angarium.settings import RedisSettings
from angarium_deliverer.recoverer import Recoverer


@pytest.fixture
async def shop(redis_settings: RedisSettings) -> AsyncIterator[World]:
    async with world(redis_settings) as shop:
        yield shop


async def scheduled(shop: World) -> None:
    async with asyncio.timeout(SOON):
        while not (await Census(shop.queue).backlog()).scheduled:
            await asyncio.sleep(0.01)


async def test_a_callback_whose_keys_can_not_be_opened_is_not_a_deleted_one(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deliverer with last year's seal key must not refuse everything for good."""
    monkeypatch.setattr("angarium_deliverer.relay.UNUSABLE_CALLBACK_PAUSE", 0.5)
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        wrong = settings(shop.redis, "wrong").model_copy(update={"seal_keys": SecretStr(generate_seal_key())})
        async with deliverer(wrong):
            posted = await shop.post(warehouse)
            await scheduled(shop)
        async with deliverer(settings(shop.redis, "right")):
            stored = await shop.settled(posted)
    assert (stored.status, stored.deliveries[0].attempts) == (Status.DELIVERED, 1)


async def test_a_seal_key_that_comes_while_it_runs_opens_what_was_rejected(
    shop: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("angarium_deliverer.relay.UNUSABLE_CALLBACK_PAUSE", 0.5)
    monkeypatch.setattr("angarium_deliverer.service.LOOK_EVERY", 0.02)
    mounted, other = tmp_path / "keys", generate_seal_key()
    mounted.write_text(other)
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        late = {"seal_keys": SecretStr(other), "seal_keys_file": mounted}
        async with deliverer(settings(shop.redis, "late").model_copy(update=late)):
            posted = await shop.post(warehouse)
            await scheduled(shop)
            mounted.write_text(f"{other}\n{SEAL_KEY}\n")
            assert (await shop.settled(posted)).status is Status.DELIVERED


async def test_lost_records_are_not_deleted_callbacks(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium_deliverer.relay.UNKNOWN_CALLBACK_PAUSE", 0.1)
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        posted = await shop.post(warehouse)
        keys = ConfigKeys()
        await shop.queue.link.call("DEL", keys.records, keys.state, keys.changes)
        async with deliverer(settings(shop.redis)):
            await scheduled(shop)
            shop.began = False
            await shop.declare(warehouse)
            assert (await shop.settled(posted)).status is Status.DELIVERED


async def test_what_a_consumer_holds_that_nobody_beats_for_is_taken_over(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All deliverers were away for longer than the dead are remembered, or one was handed something as it left."""
    monkeypatch.setattr("angarium_deliverer.recoverer.OWN_EVERY", 0.1)
    monkeypatch.setattr("angarium_deliverer.recoverer.DEAD_AFTER", 0.1)
    monkeypatch.setattr(presence, "DEAD_AFTER", 0.1)
    monkeypatch.setattr(presence, "INTERVAL", 0.05)
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis, "first")):
            await shop.settled(await shop.post(warehouse))
        posted = await shop.post(warehouse)
        assert len((await Consumer(shop.queue, "forgotten").take(5)).started) == 1
        async with deliverer(settings(shop.redis, "heir")):
            assert (await shop.settled(posted)).status is Status.DELIVERED


async def test_who_only_seems_silent_since_the_clock_was_put_forward_keeps_what_it_holds(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("angarium_deliverer.recoverer.DEAD_AFTER", 0.0)  # all consumers have been idle for so long
    dispatched: list[Entry] = []

    async def dispatch(entries: list[Entry]) -> None:
        dispatched.extend(entries)

    await shop.post(callback("warehouse", "http://127.0.0.1:1/"))
    async with Consumer(shop.queue, "holder") as holder, Consumer(shop.queue, "heir") as heir:
        assert len((await holder.take(5)).started) == 1
        theirs, ours = (
            presence.Presence(shop.queue.link, "deliverer", pod, presence.Applied) for pod in ("holder", "heir")
        )
        recoverer = Recoverer(heir, Upkeep(shop.queue, "heir"), ours, lambda: 5, dispatch, asyncio.Lock())
        recoverer._own_at = -100.0
        await ours.beat()
        ours.steady = True
        await theirs.beat()
        monkeypatch.setattr(ours, "_since", -100.0)
        await recoverer.step()
        assert dispatched == []
        await theirs.leave()
        await ours.beat()
        recoverer._own_at = -100.0
        await recoverer.step()
        assert len({entry.id for entry in dispatched}) == 1  # twice, where it was found among its own too


async def test_what_is_just_being_taken_is_not_found_among_ones_own(shop: World) -> None:
    """Where Redis's clock is put forward, an entry that was begun this moment has been idle for long."""
    found: list[Entry] = []

    async def dispatch(entries: list[Entry]) -> None:
        found.extend(entries)

    await shop.post(callback("warehouse", "http://127.0.0.1:1/"))
    async with Consumer(shop.queue, "first") as consumer:
        taking = asyncio.Lock()
        beats = presence.Presence(shop.queue.link, "deliverer", "first", presence.Applied)
        recoverer = Recoverer(consumer, Upkeep(shop.queue, "first"), beats, lambda: 5, dispatch, taking)
        async with taking:
            assert len((await consumer.take(5)).started) == 1
            own = asyncio.create_task(recoverer.own())
            for _ in range(3):  # what had been asked meanwhile would have been answered before
                await consumer.claim("nobody", 5)
            assert found == []
        await own
        assert len(found) == 1  # as after a reply that was lost


async def test_what_was_sent_is_settled_once_redis_takes_writes_again(
    shop: World, redis_client: redis.asyncio.Redis
) -> None:
    """A failover without replicas, a full disk: Redis is there, and refuses."""
    sent, answer = asyncio.Event(), asyncio.Event()

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        sent.set()
        await answer.wait()
        writer.write(NO_CONTENT)

    async with Receiver(script) as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis)):
            posted = await shop.post(warehouse)
            async with asyncio.timeout(SOON):
                await sent.wait()
            await redis_client.config_set("min-replicas-to-write", 1)
            refused_before = await refusals(redis_client)
            try:
                answer.set()
                async with asyncio.timeout(SOON):
                    while await refusals(redis_client) < refused_before + 5:
                        await asyncio.sleep(0.01)
            finally:
                await redis_client.config_set("min-replicas-to-write", 0)
            stored = await shop.settled(posted)
        assert (stored.status, stored.deliveries[0].recoveries) == (Status.DELIVERED, 0)
        assert len(receiver.requests) == 1


async def refusals(client: redis.asyncio.Redis) -> int:
    found = (await client.info("errorstats")).get("errorstat_NOREPLICAS", {"count": 0})
    return int(found["count"])


async def test_slow_receivers_in_a_queue_of_many_shards_hold_up_nobody_else(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 4: a read that waits may bring one entry of each lane of each shard; it needn't have room for all."""

    monkeypatch.setattr("angarium_deliverer.recoverer.OWN_EVERY", 1000.0)  # so that nothing else wakes the reader

    async def never(_: Request, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with Receiver(never) as slow, Receiver() as quick, world(redis_settings) as shop:
        stuck, well = callback("stuck", slow.url, timeout_s=60.0), callback("well", quick.url)
        await shop.declare(stuck, well)
        few = settings(shop.redis, shards=8, deliverer_slots=32, drain_seconds=0.0)
        async with deliverer(few):
            await shop.post(stuck)
            async with asyncio.timeout(SOON):
                await slow.came.wait()
            assert (await shop.settled(await shop.post(well))).status is Status.DELIVERED
