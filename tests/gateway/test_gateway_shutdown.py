"""Graceful shutdown: what was accepted is answered."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError, ClientSession
from pydantic import SecretStr
from tests.gateway.running import Gateway, Start
from tests.ports import free_port

from angarium.config import read_live
from angarium.link import Link
from angarium.queue import Queue
from angarium.settings import RedisSettings


async def test_what_was_accepted_is_answered(gateway: Gateway, queue: Queue, accepting: list[str]) -> None:
    await queue.link.call("CLIENT", "PAUSE", 800, "WRITE")
    asked = [asyncio.create_task(gateway.post("order.paid")) for _ in range(20)]
    async with asyncio.timeout(10):
        while len(accepting) < 20:
            await asyncio.sleep(0.01)
    gateway.stop.set()
    answers = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} == {202}
    assert {answer.headers.get("Connection") for answer in answers} == {"close"}
    await gateway.task
    assert int(await queue.link.call("HGET", queue.shards[0].counters, "notifications")) == 20
    with pytest.raises(ClientConnectionError):
        await gateway.post("order.paid")


async def test_who_waits_is_answered_when_the_pod_goes(
    gateway: Gateway, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("angarium_gateway.waiting.LOOK_EVERY", 60.0)
    place = (await gateway.post("order.paid")).headers["Location"]
    waiting = asyncio.create_task(gateway.ask("GET", place, params={"wait": "30"}))
    key = queue.shards[0].notification(place.rpartition("/")[2])
    async with asyncio.timeout(10):
        while await queue.link.call("HGET", key, "w") is None:
            await asyncio.sleep(0.01)
        gateway.stop.set()
        assert (await waiting).json["status"] == "pending"
        await gateway.task


async def test_readiness_falls_first_and_the_door_stays_open_meanwhile(start: Start, gateway: Gateway) -> None:
    one = await start(gateway_drain_delay=0.4)
    one.key = gateway.key
    assert (await one.ask("GET", "/readyz")).status == 200
    one.stop.set()
    unready = await one.ask("GET", "/readyz")
    assert unready.status == 503
    assert unready.json["failures"] == {"draining": "this pod is going away"}
    answer = await one.post("order.paid")
    assert answer.status == 202
    assert answer.headers["Connection"] == "close"
    await one.task


async def test_it_says_goodbye(gateway: Gateway, link: Link) -> None:
    assert gateway.settings.pod in {pod.name for pod in await read_live(link)}
    gateway.stop.set()
    await gateway.task
    assert gateway.settings.pod not in {pod.name for pod in await read_live(link)}


async def test_stopping_before_redis_was_ever_there(start: Start) -> None:
    redis = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{free_port()}/0"), timeout=0.2)
    one = await start(redis=redis, wait=False)
    async with asyncio.timeout(10):
        while not await listens(one):
            await asyncio.sleep(0.01)
    assert (await one.ask("GET", "/readyz")).status == 503
    one.stop.set()
    await one.task


async def listens(gateway: Gateway) -> bool:
    try:
        await gateway.ask("GET", "/healthz")
    except ClientConnectionError:
        return False
    return True


async def is_ready(session: ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
            return response.status == 200
    except ClientConnectionError:
        return False


async def test_the_process_ends_on_sigterm(redis_server: str, gateway: Gateway, tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, "ANGARIUM_REDIS_URL": redis_server, "ANGARIUM_PROBE_PORT": "0"}
    environment |= {"ANGARIUM_GATEWAY_HOST": "127.0.0.1", "ANGARIUM_GATEWAY_PORT": str(port), "ANGARIUM_POD": "process"}
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "angarium_gateway", env=environment, stderr=log
        )
    try:
        async with asyncio.timeout(20):
            while not await is_ready(gateway.session, port):
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_a_wrong_setting_stops_it_and_names_the_variable() -> None:
    environment = {**os.environ, "ANGARIUM_GATEWAY_PORT": "70000"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "angarium_gateway", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, printed = await process.communicate()
    assert process.returncode == 78
    assert printed.startswith(b"ANGARIUM_GATEWAY_PORT: ")


async def test_it_listens_until_nobody_has_called_for_a_while(start: Start, gateway: Gateway) -> None:
    one = await start(gateway_drain_delay=0.5, gateway_drain_limit=60)
    one.key = gateway.key
    began = time.monotonic()
    one.stop.set()
    while (late := time.monotonic() - began) < 1.5:  # as from a node that doesn't know yet
        assert (await one.post("order.paid")).status == 202
    await one.task
    assert time.monotonic() - began >= late + 0.5


async def test_callers_that_never_leave_do_not_keep_it(start: Start, gateway: Gateway) -> None:
    one = await start(gateway_drain_delay=0.5, gateway_drain_limit=1.0)
    one.key = gateway.key
    one.stop.set()
    async with asyncio.timeout(20):
        with pytest.raises(ClientConnectionError):
            await call_for_ever(one)
        await one.task


async def call_for_ever(gateway: Gateway) -> None:
    while True:
        await gateway.post("order.paid")
