"""What kopf must not see of a watch, and how a dead watch is told from a quiet server."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from angarium_operator.api import Api, ApiRefused
from angarium_operator.informer import Informer
from angarium_operator.vigil import Vigil
from angarium_operator.watches import EXPIRED, Stream


class Chunks:
    """A response's content."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    async def iter_chunked(self, size: int) -> Any:
        """As aiohttp's."""
        for chunk in self.chunks:
            yield chunk


@pytest.mark.parametrize(
    ("chunks", "seen"),
    [
        ([b'{"a":1}\n'], b'{"a":1}\n'),
        ([b'{"a"', b":1}\n", b'{"b":2}\n'], b'{"a":1}\n{"b":2}\n'),
        ([b'{"a":1}\n{"b"'], b'{"a":1}\n'),
        ([b'{"a"'], b""),
        ([b'{"a":1}\n{"type":"ERROR","object":{"code":500}}\n'], b'{"a":1}\n' + EXPIRED),
        ([b'{"type":"ERR', b'OR","object":{"code":504}}\n{"b":2}\n'], EXPIRED + b'{"b":2}\n'),
    ],
)
async def test_only_whole_lines_and_no_error_but_410_come_through(chunks: list[bytes], seen: bytes) -> None:
    stream = Stream(cast("Any", Chunks(*chunks)))
    assert b"".join([lines async for lines in stream.iter_chunked(1024)]) == seen


class Server:
    """Answers, or doesn't."""

    def __init__(self, *, up: bool) -> None:
        self.up = up
        self.asked = asyncio.Event()

    async def first(self, kind: object, namespace: str) -> None:
        """As Api does."""
        self.asked.set()
        if not self.up:
            raise ApiRefused(0, "Unreachable", "")


@pytest.mark.parametrize(
    ("silence", "up", "stale"),
    [(0.1, True, False), (10.0, True, True), (10.0, False, False)],
)
async def test_a_silent_watch_is_stale_only_while_the_server_answers(silence: float, up: bool, stale: bool) -> None:
    established = asyncio.Event()
    established.set()
    informer = SimpleNamespace(silence=lambda: {"/callbacks": silence}, established=established)
    server = Server(up=up)
    vigil = Vigil(cast("Api", server), cast("Informer", informer), "", idle_seconds=1.0)
    running = asyncio.create_task(vigil.run())
    if silence > 1:
        await server.asked.wait()
        await asyncio.sleep(0)
    running.cancel()
    assert (vigil.stale() is not None) is stale
    assert (vigil.unready() is not None) is (silence > 3)
