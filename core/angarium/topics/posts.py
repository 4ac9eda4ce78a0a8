"""The body of a notification that was posted to a topic: what all its targets need, in one list.

`[what callbacks get, {integration: position of its target or list of them}, content, content, …]`. It begins with
`[`, as no body of an event does; targets that are recipients name the position of their content in it, as they do in
any list of contents.
"""

import json
from typing import Any, NamedTuple

import orjson

from angarium.contents import Content

FIRST = 2  # position of the first content
Positions = dict[str, int | list[int]]
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)  # only lengths matter here, so no number is made


class Made(NamedTuple):
    """A body, read back; `payload` is what callbacks get, to the byte."""

    payload: bytes
    positions: Positions
    contents: list[dict[str, Any]]


def write_post(payload: bytes, positions: Positions, contents: list[Content]) -> bytes:
    """`payload` is JSON."""
    stored = [content.stored() for content in contents]
    return orjson.dumps([orjson.Fragment(payload), positions, *stored])


def payload_of(body: bytes) -> bytes:
    """What callbacks get: the very bytes that were written."""
    text = body.decode()
    return text[1 : _DECODER.raw_decode(text, 1)[1]].encode()


def read_post(body: bytes) -> Made:
    """The inverse of write_post."""
    _, positions, *contents = orjson.loads(body)
    return Made(payload_of(body), positions, contents)
