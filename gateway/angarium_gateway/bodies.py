"""Bodies as they arrive: bounded, JSON, and with `data` kept as the very bytes that the caller sent.

`data` is never parsed into numbers and written out again, which would turn 12345678901234567890123 into a float and
19.90 into 19.9: it is cut out of the body and handed on. orjson is the judge of what is JSON (no NaN, no lone
surrogates, UTF-8, nested at most 1,024 deep); names given twice at the top level are refused, below it they are the
receiver's own affair.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from aiohttp import StreamReader, web

from angarium_gateway.problems import BAD_REQUEST, MALFORMED, MEDIA_TYPE, SLOW, TOO_LARGE, Problem, invalid

LARGEST = 256 * 1024  # bytes
MOST_MEMBERS = 32

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
_BLANK = re.compile(r"[ \t\r\n]*")

Envelope = dict[str, Any]


async def read_body(request: web.Request, patience: float) -> bytes:
    """All of the body, within `patience` seconds; raises a Problem before reading more than is allowed."""
    length = request.content_length
    if length is not None and length > LARGEST:
        raise _too_large()
    with _unreadable_is_a_problem(patience):
        if request.content.is_eof():
            return whole(request.content)
        async with asyncio.timeout(patience):
            return await request.read()


async def read_large(request: web.Request, patience: float, largest: int) -> bytes:
    """The same of a route that has a limit of its own (bytes, after decompression)."""
    length = request.content_length
    if length is not None and length > largest:
        raise _too_large(largest)
    with _unreadable_is_a_problem(patience, largest):
        async with asyncio.timeout(patience):
            return await request.clone(client_max_size=largest).read()


async def read_late(content: StreamReader, patience: float) -> bytes:
    """The same of a body that is known to be small and comes after its head."""
    with _unreadable_is_a_problem(patience):
        async with asyncio.timeout(patience):
            await content.wait_eof()
        return whole(content)


@contextmanager
def _unreadable_is_a_problem(patience: float, largest: int = LARGEST) -> Iterator[None]:
    try:
        yield
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large(largest) from error
    except (ConnectionError, web.RequestPayloadError) as error:  # the caller has gone, or it can't be decompressed
        raise Problem(BAD_REQUEST, "the body could not be read", headers={"Connection": "close"}) from error
    except TimeoutError as error:
        detail = f"the body must arrive within {patience:g} s"
        raise Problem(SLOW, detail, headers={"Connection": "close"}) from error


def whole(content: StreamReader) -> bytes:
    """A body that has arrived, without waiting; raises a Problem where it is too large."""
    body = content.read_nowait()
    if len(body) > LARGEST:  # it came in chunks, or compressed
        raise _too_large()
    return body


def _too_large(largest: int = LARGEST) -> Problem:
    return Problem(TOO_LARGE, f"{largest:,} bytes at most", headers={"Connection": "close"})


def require_json(request: web.Request) -> None:
    """Raise a Problem unless the body claims to be JSON."""
    header = request.headers.get("Content-Type", "")
    if header == "application/json":
        return
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise Problem(
            MEDIA_TYPE, "send Content-Type: application/json (in UTF-8)", headers={"Accept-Post": "application/json"}
        )


async def read_optional_data(request: web.Request, patience: float) -> tuple[Envelope, bytes | None]:
    """Like `split`, of a body that may be left out."""
    body = await read_body(request, patience)
    if not body:
        return {}, None
    require_json(request)
    return split(body)


def read_object(raw: bytes) -> Envelope:
    """The members of an object, parsed; raises a Problem."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        position = f"line {error.lineno}, column {error.colno}"
        raise Problem(MALFORMED, errors=[{"pointer": "", "detail": f"{error.msg} at {position}"}]) from error
    if not isinstance(document, dict):
        raise invalid("", "must be an object")
    if len(document) > MOST_MEMBERS:
        raise invalid("", "has too many members")
    return document


def split(raw: bytes, cut: str = "data") -> tuple[Envelope, bytes | None]:
    """The members of an object without `data`, and the bytes of `data` (None: there is none); raises a Problem.

    `cut` is its name, where it has another.
    """
    document = read_object(raw)
    data: bytes | None = None
    seen: set[str] = set()
    try:
        for name, text in _members(raw.decode()):
            if name in seen:
                raise invalid(pointer(name), "is given twice")
            seen.add(name)
            if name == cut:
                data = text.encode()
    except RecursionError as error:
        raise invalid(pointer(cut) if cut in document else "", "is nested too deeply") from error
    document.pop(cut, None)
    return document, data


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Name and text of each member of an object that is known to be valid."""
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        start = _skip(text, text.index(":", at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        yield name, text[start:end]
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def pointer(*parts: str | int) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part)[:64].replace("~", "~0").replace("/", "~1") for part in parts)
