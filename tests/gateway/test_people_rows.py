"""Rows are cut out of a body as orjson would read them, and what it would refuse is refused."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.test_gateway_fuzz import JSON, is_json, objects

from angarium_gateway.problems import Problem
from angarium_gateway.rows import cut

MOST = 5


def read(raw: bytes) -> Any:
    """What orjson makes of it, given the rules of the list."""
    document = orjson.loads(raw)
    assert isinstance(document, dict)
    rows = document.pop("users")
    assert isinstance(rows, list)
    assert 1 <= len(rows) <= MOST
    return document, rows


@given(drawn=objects(), rows=st.lists(JSON, max_size=7), blank=st.text(" \t\r\n", max_size=2))
@settings(max_examples=300)
async def test_as_orjson_would(drawn: tuple[list[tuple[str, str]], str], rows: list[Any], blank: str) -> None:
    members, text = drawn
    listed = f"{blank},{blank}".join(json.dumps(row) for row in rows)
    name = f'{blank}"users"{blank}:{blank}[{blank}{listed}{blank}]{blank}'
    whole = text.rstrip()[:-1] + ("," if members else "") + name + "}" + blank
    raw = whole.encode("utf-8", "surrogatepass")
    names = [name for name, _ in members]
    if len(set(names)) < len(names) or not is_json(raw) or not 1 <= len(rows) <= MOST:
        with pytest.raises(Problem):
            await cut(raw, "users", 1, MOST)
        return
    found, cuts = await cut(raw, "users", 1, MOST)
    assert (found, [orjson.loads(each) for each in cuts]) == read(raw)


@given(st.binary(max_size=40) | st.text('{}[]":,users 1\\', max_size=40).map(str.encode))
@settings(max_examples=500)
async def test_whatever_it_is_it_is_read_or_refused(raw: bytes) -> None:
    try:
        members, rows = await cut(raw, "users", 0, MOST)
    except Problem:
        return
    document = orjson.loads(raw)
    assert [orjson.loads(row) for row in rows] == document.pop("users", [])
    assert members == document


@pytest.mark.parametrize(
    ("raw", "status", "pointer"),
    [
        (b'{"users": [1, 2, 3, 4, 5, 6]}', 422, "/users"),
        (b'{"users": []}', 422, "/users"),
        (b'{"users": {}}', 422, "/users"),
        (b'{"users": [1], "users": [2]}', 422, "/users"),
        (b'{"a": 1, "a": 1}', 422, "/a"),
        (b"[1]", 422, ""),
        (b'{"users": [1,]}', 400, ""),
        (b'{"users": [1] ', 400, ""),
        (b'{"users": [1]}}', 400, ""),
        (b'{"users": [1]} x', 400, ""),
        (b'{"users" [1]}', 400, ""),
        (b"{'users': [1]}", 400, ""),
        (b'{"a": NaN, "users": [1]}', 400, ""),
        (b"", 400, ""),
        (b"\xff", 400, ""),
        (b'{"users": [' + b"[" * 100_000, 422, "/users"),
    ],
)
async def test_what_is_wrong_is_told(raw: bytes, status: int, pointer: str) -> None:
    with pytest.raises(Problem) as refused:
        await cut(raw, "users", 1, MOST)
    assert (refused.value.kind.status, refused.value.errors[0]["pointer"]) == (status, pointer)
