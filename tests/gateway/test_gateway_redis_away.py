"""Redis goes away and comes back: 503 meanwhile, nothing accepted that was not stored, recovery by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientConnectionError
from pydantic import SecretStr
from tests.gateway.running import Gateway, Start

from angarium.queue import Ledger, Queue
from angarium.records import IntegrationRecord, TopicRecord
from angarium.settings import RedisSettings


@dataclass
class Proxy:
    """A TCP proxy before Redis that can be cut, and can hold replies back."""

    host: str
    port: int
    own_port: int = 0
    cut: bool = False
    replying: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.cut:
            writer.close()
            return
        away_reader, away_writer = await asyncio.open_connection(self.host, self.port)
        self.open |= {writer, away_writer}
        await asyncio.gather(self._pump(reader, away_writer, False), self._pump(away_reader, writer, True))
        self.open -= {writer, away_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, replies: bool) -> None:
        try:
            while data := await reader.read(65536):
                if replies:
                    await self.replying.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    def stop(self) -> None:
        """Cut all connections and refuse new ones."""
        self.cut = True
        for writer in self.open:
            writer.close()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[Proxy]:
    """A proxy while the body runs."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "", parts.port or 0)
    proxy.replying.set()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.own_port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy
        proxy.replying.set()
        proxy.stop()


@pytest.fixture
async def proxy(redis_server: str) -> AsyncIterator[Proxy]:
    """Between the gateway under test and Redis."""
    async with proxied(redis_server) as one:
        yield one


@pytest.fixture
async def cut_off(proxy: Proxy, gateway: Gateway, start: Start) -> Gateway:
    """A gateway behind the proxy, which waits half a second for Redis."""
    redis = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{proxy.own_port}/0"), timeout=0.5)
    one = await start(redis=redis)
    one.key = gateway.key
    return one


async def ready(gateway: Gateway) -> int:
    return (await gateway.ask("GET", "/readyz")).status


async def noticed(gateway: Gateway) -> None:
    """Until it tells its callers that Redis is away."""
    async with asyncio.timeout(10):
        while (await gateway.ask("GET", "/v1/notifications")).status != 503:
            await asyncio.sleep(0.02)


async def test_503_while_redis_is_away_and_202_when_it_is_back(cut_off: Gateway, proxy: Proxy) -> None:
    assert (await cut_off.post("order.paid")).status == 202
    proxy.stop()
    answer = await cut_off.post("order.paid")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.json["type"].endswith("/storage-unavailable")
    assert (await cut_off.ask("GET", "/healthz")).status == 200
    assert await ready(cut_off) == 200  # or its Service would have nobody left who could answer 503
    for path in ("/v1/notifications", "/v1/notifications/not_00000000000000000000000000"):
        assert (await cut_off.ask("GET", path)).status == 503
    proxy.cut = False
    async with asyncio.timeout(10):
        while (await cut_off.post("order.paid")).status != 202:
            await asyncio.sleep(0.02)


async def test_a_gateway_that_never_met_redis_is_not_ready(proxy: Proxy, start: Start) -> None:
    """It knows no key, so that whoever reached it would rather have reached another."""
    proxy.stop()
    redis = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{proxy.own_port}/0"), timeout=0.5)
    one = await start(redis=redis, wait=False)
    async with asyncio.timeout(10):
        while not await _listens(one):
            await asyncio.sleep(0.02)
    assert await ready(one) == 503
    proxy.cut = False
    async with asyncio.timeout(10):
        while await ready(one) != 200:
            await asyncio.sleep(0.02)


async def _listens(gateway: Gateway) -> bool:
    try:
        return (await gateway.ask("GET", "/healthz")).status == 200
    except ClientConnectionError:
        return False


async def test_posts_to_topics_are_told_in_their_own_way(cut_off: Gateway, gateway: Gateway, proxy: Proxy) -> None:
    one = IntegrationRecord(name="warehouse", callback="shop/warehouse", callback_id="cbk_warehouse")
    made = TopicRecord(
        namespace="shop", name="paid", id="tpc_paid", product_id="prd_shop", path="orders/paid", integrations=(one,)
    )
    revisions = await gateway.store.publish([made])
    await cut_off.applied(max(revisions.values()))
    proxy.stop()
    answer = await cut_off.ask("POST", "/v1/notifications/orders/paid", json={})
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert answer.json["message"] == answer.json["detail"]
    assert answer.json["message"].startswith("storage is unavailable")


async def test_after_a_while_callers_are_refused_without_waiting(
    cut_off: Gateway, proxy: Proxy, accepting: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("angarium_gateway.vitals.PATIENCE", 0.1)
    proxy.stop()
    await noticed(cut_off)
    assert (await cut_off.post("order.paid")).status == 503
    tried = len(accepting)
    answers = await asyncio.gather(*[cut_off.post("order.paid") for _ in range(20)])
    assert {answer.status for answer in answers} == {503}
    assert len(accepting) == tried


async def test_accepted_means_stored(cut_off: Gateway, proxy: Proxy, queue: Queue) -> None:
    """Promise 1: while Redis has not said that it is stored, nobody is told so."""
    await cut_off.post("order.paid")
    proxy.replying.clear()
    asked = asyncio.create_task(cut_off.post("order.paid", headers={"Idempotency-Key": "order-1042"}))
    async with asyncio.timeout(10):
        while int(await queue.link.call("HGET", queue.shards[0].counters, "notifications")) < 2:
            await asyncio.sleep(0.01)
    assert not asked.done()  # Redis has it, but its reply has not come
    proxy.replying.set()
    answer = await asked
    assert answer.status == 202
    assert await Ledger(queue).get(answer.json["id"]) is not None


async def test_an_answer_that_was_lost_is_found_again_by_its_key(cut_off: Gateway, proxy: Proxy, queue: Queue) -> None:
    await cut_off.post("order.paid")
    proxy.replying.clear()
    asked = cut_off.post("order.paid", headers={"Idempotency-Key": "order-1042"})
    assert (await asked).status == 503  # stored, but nobody could say so
    proxy.replying.set()
    async with asyncio.timeout(10):
        while (answer := await cut_off.post("order.paid", headers={"Idempotency-Key": "order-1042"})).status == 503:
            await asyncio.sleep(0.05)
    assert answer.status == 202
    assert answer.headers["Idempotency-Replay"] == "true"
    assert int(await queue.link.call("HGET", queue.shards[0].counters, "notifications")) == 2


async def test_config_is_kept_while_redis_is_away(cut_off: Gateway, proxy: Proxy) -> None:
    proxy.stop()
    await noticed(cut_off)
    assert (await cut_off.ask("GET", "/v1/me")).status == 200
    assert len((await cut_off.ask("GET", "/v1/callbacks")).json["callbacks"]) == 1
    assert (await cut_off.ask("GET", "/v1/me", headers={"Authorization": "Bearer nonsense"})).status == 401


async def test_before_any_config_was_published_no_key_is_called_wrong(start: Start) -> None:
    one = await start()
    answer = await one.post("order.paid")
    assert answer.status == 503
    assert answer.json["type"].endswith("/not-configured")
    assert answer.headers["Retry-After"] == "5"
