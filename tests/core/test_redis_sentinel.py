"""A master dies in the middle of everything, and Sentinels promote a replica: all goes on by itself."""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis.asyncio
import redis.exceptions
from pydantic import SecretStr
from tests.core.redis_servers import Replicated, Server, until
from tests.deliverer.receivers import Receiver
from tests.deliverer.world import World, callback, deliverer, settings, world

from angarium.errors import StorageUnavailable
from angarium.identifiers import notification_id
from angarium.link import Link
from angarium.notifications import Notification, Priority, Target
from angarium.queue import Intake
from angarium.records import CallbackRecord
from angarium.settings import RedisSettings
from angarium.telemetry.metrics import REDIS_FAILOVERS


@dataclass
class Caller:
    """Posts one after the other, and keeps the ids that were answered, in their order."""

    shop: World
    target: CallbackRecord
    replicated: bool
    answered: list[str] = field(default_factory=list)

    async def go_on(self, stop: asyncio.Event) -> None:
        """Until told to stop; one that is not answered is forgotten."""
        intake = Intake(self.shop.queue)
        target = Target(self.target.id, self.target.key.removeprefix("callback/"))
        for number in itertools.count():
            if stop.is_set():
                return
            body = str(number).encode()
            notification = Notification(
                notification_id(0), "prd_shop", "shop/shop", "e", body, Priority.NORMAL, 0, (target,)
            )
            try:
                accepted = await intake.enqueue(notification, replicated=self.replicated)
            except StorageUnavailable:
                continue
            self.answered.append(accepted.id)


async def missing(server: redis.asyncio.Redis, shop: World, ids: list[str]) -> list[bool]:
    """Of each, whether it is lost."""
    return [not await server.exists(shop.queue.keys_of(id_).notification(id_)) for id_ in ids]


async def test_a_master_dies_in_the_middle_of_accepts_and_deliveries(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = REDIS_FAILOVERS.labels("failover")._value.get()
    async with Replicated(tmp_path, 2, 3).running() as servers, Receiver() as receiver, world(servers.settings) as shop:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        sure, quick = Caller(shop, warehouse, True), Caller(shop, warehouse, False)
        stop = asyncio.Event()

        async def both_have(count: int) -> bool:
            return min(len(sure.answered), len(quick.answered)) >= count

        async def quick_has(count: int) -> bool:
            return len(quick.answered) >= count

        async with deliverer(settings(servers.settings)), asyncio.TaskGroup() as callers:
            for caller in (sure, quick):
                callers.create_task(caller.go_on(stop))
            await until(lambda: both_have(100))
            await servers.cut_off()
            promised = len(quick.answered)
            await until(lambda: quick_has(promised + 20))
            servers.master.kill()
            before = len(quick.answered)
            for replica in servers.replicas:
                replica.resume()
            promoted = await servers.promoted()
            answered = min(len(sure.answered), len(quick.answered))
            await until(lambda: both_have(answered + 100))  # by themselves
            stop.set()

        async def done() -> bool:
            return (await shop.counters())["waiting"] == 0

        async with deliverer(settings(servers.settings, "heir")):  # takes up at once what the first lost sight of
            await until(done, 30.0)
        lost = await missing(promoted.client, shop, quick.answered)
        assert not any(await missing(promoted.client, shop, sure.answered))
        assert lost.count(True) >= 10
        assert not any(lost[before + 1 :])  # one may have been answered already, and not been read
        assert lost[:before] == sorted(lost[:before])  # nothing but the tail that was on its way to the replicas
        counters = await shop.counters()
        kept = len(sure.answered) + lost.count(False)
        assert counters["accepted"] == counters["delivered"] >= kept  # some were stored, and their answer lost
        assert {request.headers["webhook-id"] for request in receiver.requests} != set()
    assert REDIS_FAILOVERS.labels("failover")._value.get() == told + 1
    [line] = [record for record in caplog.records if "failed over" in record.message]
    assert line.__dict__["has_its_writes_up_to"] > 0


async def planned_failover(servers: Replicated) -> Server:
    """Sentinels give one up that takes too long, as on a busy machine, and may be asked again."""
    async with asyncio.timeout(60.0):
        while True:
            with contextlib.suppress(redis.exceptions.ResponseError):  # the last is still in progress
                await servers.sentinels[0].do("SENTINEL", "FAILOVER", "main", "COORDINATED")
            with contextlib.suppress(TimeoutError):
                return await servers.promoted()


async def test_a_planned_failover_loses_nothing(tmp_path: Path) -> None:
    """The old connection still stands, to what is a replica now."""
    async with Replicated(tmp_path, 1, 3).running() as servers, Link(servers.settings) as link:
        stop = asyncio.Event()

        async def write() -> int:
            for number in itertools.count(1):
                await link.call("SADD", "numbers", number)
                if stop.is_set():
                    return number
            raise AssertionError

        writing = asyncio.create_task(write())
        promoted = await planned_failover(servers)
        stop.set()
        assert await writing == await promoted.do("SCARD", "numbers")


async def test_sentinels_that_are_gone_or_know_nothing_are_passed_over(tmp_path: Path) -> None:
    async with Replicated(tmp_path, 1, 3).running() as servers:
        servers.sentinels[0].kill()
        async with Link(servers.settings) as link:
            assert await link.call("PING") == b"PONG"
        url = servers.settings.url.get_secret_value().replace("/main/", "/other/")
        async with Link(RedisSettings(url=SecretStr(url), timeout=0.3)) as link:
            with pytest.raises(StorageUnavailable):
                await link.call("PING")
