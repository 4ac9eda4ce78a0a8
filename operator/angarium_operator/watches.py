"""Watches on their way to kopf: when each last brought anything, and nothing in them that would end kopf.

kopf stops for good, and even hangs on its way out, at half a line (a watch that was broken off), at any error in a
watch but 410, and at most refusals of a list (kopf 1.45). So half lines are dropped, all errors in a watch become 410,
at which kopf lists and watches anew, and refusals become errors of the connection.
"""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

HANDLED = frozenset({401, 403, 429})  # by kopf itself
ERROR = b'{"type":"ERROR"'
EXPIRED = b'{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410}}\n'


class Stream:
    """Stands in for the content of a watch's response; `silence` are the seconds since it last brought something."""

    def __init__(self, content: aiohttp.StreamReader, before: "Stream | None" = None) -> None:
        """`before`: what this one takes the place of; opening a watch again brings nothing by itself."""
        self._content = content
        self._heard: float = before._heard if before else time.monotonic()  # noqa: SLF001 - its own kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    @property
    def silence(self) -> float:
        """Seconds."""
        return time.monotonic() - self._heard

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Whole lines only."""
        rest = b""
        async for data in self._content.iter_chunked(size):
            self._heard = time.monotonic()
            lines, newline, rest = (rest + data).rpartition(b"\n")
            if ERROR in lines:
                lines = b"\n".join(EXPIRED.rstrip() if line.startswith(ERROR) else line for line in lines.split(b"\n"))
            if newline:
                yield lines + newline


def check(response: aiohttp.ClientResponse, *, of_kind: bool) -> None:
    """Turn refusals that would end kopf into errors at which it tries again: a list, from its beginning."""
    if 400 <= response.status < 500 and response.status not in HANDLED:
        response.release()
        error = aiohttp.ClientPayloadError if of_kind else aiohttp.ClientConnectionError
        raise error(f"{response.status} {response.reason}")


def watched(response: aiohttp.ClientResponse, before: Stream | None) -> Stream:
    """Put a Stream into a response."""
    stream = Stream(response.content, before)
    response.content = stream  # type: ignore[assignment]  # it is one in all that kopf and aiohttp ask of it
    return stream
