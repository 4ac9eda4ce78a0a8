"""What is answered in short is answered as in full: a usual body without pydantic, the one route without a router."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.gateway.running import Gateway, raw

from angarium_gateway.problems import Problem
from angarium_gateway.requests import read_any, read_usual

PIECES = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", " ", "\n", "\x0b", '"', "\\", "1", "-0.0", "1e400", "NaN", "null", '{"a": 1}', '"é"']
) | st.sampled_from(
    [
        '"event"',
        '"data"',
        '"priority"',
        '"deliverAt"',
        '"high"',
        '"normal"',
        '"urgent"',
        '"order.paid"',
        '"a..b"',
        '"x"',
    ]
)
PHRASES = st.sampled_from(
    [
        '"event": "order.paid", ',
        '"data": 1',
        ', "priority": "low"',
        '"x, \\"priority\\":\\"low\\""',
        '{"event": "a", "data": ',
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["priority", "event", ""]), inner, max_size=2)
    ),
    max_leaves=6,
)


@st.composite
def likely(draw: st.DrawFn) -> str:
    """An object that is usual, or nearly."""
    members = [("event", draw(st.sampled_from(["a", "order.paid", "a..b", "a" * 129, 1]))), ("data", draw(VALUES))]
    if draw(st.booleans()):
        members.insert(draw(st.integers(0, 2)), ("priority", draw(st.sampled_from(["high", "normal", "urgent", None]))))
    if draw(st.booleans()):
        members.append(draw(st.sampled_from(members)))
    blank = draw(st.sampled_from(["", " ", "\n", "\x0b"]))
    separators = (blank + "," + blank, blank + ":" + blank)
    text = ",".join(json.dumps({name: value}, separators=separators)[1:-1] for name, value in members)
    return f"{blank}{{{text}}}{blank}"


def said(read: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return read(body)
    except Problem:
        return "refused"


@given(st.lists(PIECES | PHRASES, max_size=12).map("".join) | likely())
@settings(max_examples=500)
@example('{"event":"a","data":' + "[" * 1024 + "]" * 1024 + "}")
@example('{"event":"a","data":' + "[" * 1023 + "]" * 1023 + "}")
@example('{"event":"a","priority":"high","data":1,"priority":"low"}')
@example('{"event":"a","data":1,2}')
@example('{"event":"a","data":}')
def test_a_usual_body_is_read_as_any_is(text: str) -> None:
    body = text.encode()
    usual = read_usual(body)
    assert usual is None or usual == said(read_any, body)


@pytest.mark.parametrize(
    "text",
    [
        '{"event": "order.paid", "data": {"a": [1, 2.50]}}',
        '{"event":"order.paid","data":"x","priority":"high"}',
        ' {\n"event": "a", "priority": "low", "data": null }\r\n',
    ],
)
def test_what_is_usual_is_known_as_such(text: str) -> None:
    assert read_usual(text.encode()) == read_any(text.encode())


HEADERS = st.sampled_from(
    [
        "Content-Type: application/json",
        "Content-Type: text/plain",
        "Idempotency-Key: k",
        'Idempotency-Key: "k',
        "X-Request-Id: mine",
        "X-Request-Id: \x7f",
        "Connection: close",
        "Content-Encoding: gzip",
        "X-API-Key: wrong",
    ]
)
BODIES = st.sampled_from(['{"event": "order.paid", "data": 1}', '{"event": "order.paid"}', "{", "", "x" * 300])


def comparable(head: bytes, document: Any) -> Any:
    """An answer without what differs each time."""
    lines = [line for line in head.decode().split("\r\n") if not line.startswith(("Date", "Location", "X-Request-Id"))]
    kept = {
        name: value for name, value in document.items() if name not in {"id", "createdAt", "deliveries", "requestId"}
    }
    own = [line for line in head.decode().split("\r\n") if line == "X-Request-Id: mine"]
    return sorted(lines), own, kept


async def test_without_the_router_the_answer_is_the_same(gateway: Gateway) -> None:
    """A query, which nothing reads, makes the request take the long way."""
    asked: list[tuple[str, str]] = []

    @given(st.lists(HEADERS, max_size=3, unique_by=lambda line: line.partition(":")[0]), BODIES)
    @settings(max_examples=60)
    def draw(headers: list[str], body: str) -> None:
        asked.append(("".join(f"{line}\r\n" for line in headers), body))

    await asyncio.to_thread(draw)
    for number, (headers, body) in enumerate(asked):
        answers = []
        for way in ("", "?"):
            key = "" if "X-API-Key" in headers else f"X-API-Key: {gateway.key.text}\r\n"
            own = headers.replace("Idempotency-Key: k", f"Idempotency-Key: {number}{len(way)}")
            head = f"POST /v1/notifications{way} HTTP/1.1\r\nHost: a\r\n{key}{own}Content-Length: {len(body)}\r\n\r\n"
            answers.append(comparable(*await raw(gateway, (head + body).encode())))
        assert answers[0] == answers[1], (headers, body)


def post(gateway: Gateway, name: str, data: str = "1") -> bytes:
    """A request of that name."""
    body = f'{{"event": "order.paid", "data": {data}}}'
    head = f"POST /v1/notifications HTTP/1.1\r\nHost: a\r\nX-API-Key: {gateway.key.text}\r\nX-Request-Id: {name}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


async def test_one_connection_takes_both_ways_in_turn(gateway: Gateway) -> None:
    """Pipelined, in pieces, too large for the short way, of another route: each is answered, in order, once."""
    late, health = post(gateway, "late"), b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-Id: health\r\n\r\n"
    turns = [
        (post(gateway, "a") + post(gateway, "b") + late[:-20], [("a", 202), ("b", 202)]),
        (late[-20:] + post(gateway, "wrong", "{"), [("late", 202), ("wrong", 400)]),
        (health + post(gateway, "c"), [("health", 200), ("c", 202)]),
        (post(gateway, "large", json.dumps("x" * 100_000)) + post(gateway, "d"), [("large", 202), ("d", 202)]),
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.settings.gateway_port)
    async with asyncio.timeout(10):
        for sent, expected in turns:
            writer.write(sent)
            for answer in expected:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
                await reader.readexactly(int(fields["Content-Length"]))
                assert (fields["X-Request-Id"], int(head.split(" ", 2)[1])) == answer
    writer.close()
