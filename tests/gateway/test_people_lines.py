"""Answers line by line: who does not read, who goes, and what fails in the middle."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from tests.ports import free_port

from angarium_gateway.appkeys import NAME
from angarium_gateway.lines import stream, wants_lines

Source = Callable[[], AsyncIterator[dict[str, Any]]]


@asynccontextmanager
async def serving(source: Source) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Its port, and what is set once an answer has ended."""
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        request[NAME] = "req_1"
        try:
            assert wants_lines(request)
            return await stream(request, 200, source(), {"Location": "/here"})
        finally:
            ended.set()

    app, port = web.Application(), free_port()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield port, ended
    await runner.cleanup()


async def asked(port: int, version: str = "1.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A caller who has asked, and not read yet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(f"GET / HTTP/{version}\r\nHost: a\r\nAccept: text/html, application/x-ndjson;q=1\r\n\r\n".encode())
    return reader, writer


async def endless() -> AsyncIterator[dict[str, Any]]:
    """More than any buffer holds."""
    while True:
        yield {"text": "x" * 100_000}


async def breaking() -> AsyncIterator[dict[str, Any]]:
    """A line, and an error."""
    yield {"n": 1}
    raise RuntimeError("as it happens")


async def two() -> AsyncIterator[dict[str, Any]]:
    """Two lines."""
    yield {"n": 1}
    yield {"n": 2}


async def test_a_caller_who_does_not_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium_gateway.lines.PATIENCE", 0.1)
    async with serving(endless) as (port, ended), asyncio.timeout(20):
        _, writer = await asked(port)
        await ended.wait()
        writer.close()


async def test_a_caller_who_goes_is_not_written_to() -> None:
    async with serving(endless) as (port, ended), asyncio.timeout(20):
        reader, writer = await asked(port)
        await reader.readexactly(100)
        writer.transport.abort()
        await ended.wait()


async def test_an_answer_that_breaks_does_not_look_whole(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(breaking) as (port, _), asyncio.timeout(20):
        reader, writer = await asked(port)
        got = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while data := await reader.read(100):
                got += data
        assert not got.endswith(b"0\r\n\r\n")
        writer.close()
    assert "cut short" in caplog.text


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_lines_come_whole_with_their_head(version: str) -> None:
    async with serving(two) as (port, ended), asyncio.timeout(20):
        reader, writer = await asked(port, version)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b"location: /here" in head
        assert b"x-request-id: req_1" in head
        assert b"content-type: application/x-ndjson" in head
        await ended.wait()
        body = b""
        while body.count(b"}") < 2:
            body += await reader.read(100)
        assert [orjson.loads(line) for line in body.splitlines() if line.startswith(b"{")] == [{"n": 1}, {"n": 2}]
        writer.close()
