"""Whoever says nothing, or never comes to the end of a request's head, does not hold a connection for long."""

import asyncio
import contextlib

import pytest
from tests.gateway.running import Gateway, Start

HEAD = b"POST /v1/notifications HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"


@pytest.fixture
async def hasty(gateway: Gateway, start: Start) -> Gateway:
    """A gateway that waits a fifth of a second for heads."""
    one = await start(gateway_head_timeout=0.2)
    one.key = gateway.key
    return one


async def dribble(writer: asyncio.StreamWriter, text: bytes, pause: float) -> None:
    """One byte at a time, until the other side has had enough."""
    for byte in text:
        writer.write(bytes([byte]))
        try:
            await writer.drain()
        except ConnectionError:
            return
        await asyncio.sleep(pause)


@pytest.mark.parametrize("said", [b"", b"POST /v1", HEAD])
async def test_a_caller_that_stops_in_its_head_is_left(hasty: Gateway, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.settings.gateway_port)
    writer.write(said)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_so_is_one_that_stops_in_a_later_head(hasty: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.settings.gateway_port)
    writer.write(HEAD + b"\r\n{}")
    async with asyncio.timeout(10):
        assert b" 401 " in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}")
        writer.write(b"GET /healthz HT")
        assert await reader.read() == b""
    writer.close()


async def test_a_head_that_dribbles_gains_no_time(hasty: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.settings.gateway_port)
    dribbling = asyncio.create_task(dribble(writer, HEAD * 100, 0.02))
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):  # a byte that came too late
            assert await reader.read() == b""
    dribbling.cancel()
    writer.close()


async def test_a_connection_that_waits_between_requests_is_kept(hasty: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.settings.gateway_port)
    for _ in range(2):
        writer.write(HEAD + b"\r\n{}")
        async with asyncio.timeout(10):
            assert b" 401 " in await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"}")
        await asyncio.sleep(0.5)  # longer than a head may take
    writer.close()
