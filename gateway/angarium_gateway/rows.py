"""Long lists in bodies, cut into rows bit by bit: orjson would hold the event loop 60 ms for 10,000 at once.

Here the standard library's decoder finds where each row ends; orjson judges the rows one by one, later.
"""

import asyncio
import json
import re
from collections.abc import Generator, Iterator

import orjson

from angarium_gateway.bodies import MOST_MEMBERS, Envelope, pointer
from angarium_gateway.problems import MALFORMED, Problem, invalid

STRETCH = 100  # rows that are cut at a time: 1 ms
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
_BLANK = re.compile(r"[ \t\r\n]*")


async def cut(raw: bytes, name: str, least: int, most: int) -> tuple[Envelope, list[bytes]]:
    """The members of an object but `name`, and the rows of the list of that name, unread; raises a Problem."""
    rows: list[bytes] = []
    members: Envelope = {}
    try:
        cutting = _cut(raw.decode(), name, members, rows, most)
        for _ in cutting:
            await asyncio.sleep(0)
    except (UnicodeDecodeError, json.JSONDecodeError, IndexError) as error:
        raise Problem(MALFORMED, errors=[{"pointer": "", "detail": _where(error)}]) from None
    except RecursionError:
        raise invalid(pointer(name), "is nested too deeply") from None
    if len(rows) < least:
        raise invalid(pointer(name), f"must have {least:,} to {most:,} rows")
    return members, rows


def _where(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "it ends too early"


def _cut(text: str, name: str, members: Envelope, rows: list[bytes], most: int) -> Iterator[None]:
    at = _skip(text, 0)
    if text[at] != "{":
        _DECODER.raw_decode(text, at)
        raise invalid("", "must be an object")
    at = _skip(text, at + 1)
    seen: set[str] = set()
    while text[at] != "}":
        key, at = _key(text, at)
        if key in seen or len(seen) == MOST_MEMBERS:
            raise invalid(pointer(key), "is given twice" if key in seen else "is one member too many")
        seen.add(key)
        if key == name:
            at = yield from _rows(text, at, name, rows, most)
        else:
            _, end = _DECODER.raw_decode(text, at)
            members[key], at = orjson.loads(text[at:end]), end
        at = _next(text, at, "}")
    if _skip(text, at + 1) != len(text):
        raise json.JSONDecodeError("there is more after the object", text, at + 1)


def _key(text: str, at: int) -> tuple[str, int]:
    if text[at] != '"':
        raise json.JSONDecodeError("a name in double quotes is expected", text, at)
    key, at = _DECODER.raw_decode(text, at)
    at = _skip(text, at)
    if text[at] != ":":
        raise json.JSONDecodeError("a colon is expected", text, at)
    return key, _skip(text, at + 1)


def _rows(text: str, at: int, name: str, rows: list[bytes], most: int) -> Generator[None, None, int]:
    if text[at] != "[":
        raise invalid(pointer(name), "must be a list")
    at = _skip(text, at + 1)
    while text[at] != "]":
        if len(rows) == most:
            raise invalid(pointer(name), f"must have {most:,} rows at most")
        _, end = _DECODER.raw_decode(text, at)
        rows.append(text[at:end].encode())
        at = _next(text, end, "]")
        if not len(rows) % STRETCH:
            yield
    return at + 1


def _next(text: str, at: int, closing: str) -> int:
    """Where the next begins, or the end is."""
    at = _skip(text, at)
    if text[at] == closing:
        return at
    if text[at] != ",":
        raise json.JSONDecodeError(f"a comma or {closing} is expected", text, at)
    at = _skip(text, at + 1)
    if text[at] == closing:
        raise json.JSONDecodeError("there is nothing after the comma", text, at)
    return at


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at
