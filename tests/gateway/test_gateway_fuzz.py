"""Whatever is sent: an answer of the API's own, and never a 500."""

import json
import random
from urllib.parse import quote_from_bytes

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.running import Gateway, raw

from angarium.payload import instant
from angarium_gateway.bodies import split
from angarium_gateway.clock import parse_instant
from angarium_gateway.idempotency import parse_key
from angarium_gateway.problems import Problem

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["event", "data", "priority", "deliverAt", "x", "\x00", 'a"b'])
BLANKS = st.text(" \t\r\n", max_size=3)


@st.composite
def objects(draw: st.DrawFn) -> tuple[list[tuple[str, str]], str]:
    """Members of an object, as (name, text of the value), and the text of the object."""
    members, pieces = [], []
    for name in draw(st.lists(NAMES, max_size=5)):
        value = json.dumps(draw(JSON), ensure_ascii=draw(st.booleans()))
        written = json.dumps(name) if draw(st.booleans()) else '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"'
        members.append((name, value))
        pieces.append(f"{draw(BLANKS)}{written}{draw(BLANKS)}:{draw(BLANKS)}{value}{draw(BLANKS)}")
    return members, f"{draw(BLANKS)}{{{','.join(pieces) or draw(BLANKS)}}}{draw(BLANKS)}"


def is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


@given(objects())
@settings(max_examples=500)
def test_split_cuts_out_the_very_bytes_of_data(drawn: tuple[list[tuple[str, str]], str]) -> None:
    members, text = drawn
    raw_text = text.encode("utf-8", "surrogatepass")
    names = [name for name, _ in members]
    if len(set(names)) < len(names) or not is_json(raw_text):
        with pytest.raises(Problem):
            split(raw_text)
        return
    envelope, data = split(raw_text)
    given_data = dict(members).get("data")
    assert data == (None if given_data is None else given_data.encode())
    assert envelope == {name: orjson.loads(value) for name, value in members if name != "data"}


@given(st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_split_refuses_or_returns_json(raw_bytes: bytes) -> None:
    try:
        _, data = split(raw_bytes)
    except Problem:
        return
    orjson.loads(raw_bytes)
    assert data is None or orjson.loads(data) is not ...


@given(st.text(max_size=300))
def test_any_idempotency_key_is_taken_or_refused(text: str) -> None:
    try:
        key = parse_key(text)
    except Problem:
        return
    assert 1 <= len(key) <= 255


@given(st.text("0123456789-:TZz+. ", max_size=30) | st.datetimes().map(lambda at: at.isoformat() + "Z"))
def test_any_time_is_read_or_refused(text: str) -> None:
    try:
        ms = parse_instant(text)
    except ValueError:
        return
    if 0 <= ms < 253402300799000:
        assert parse_instant(instant(ms)) == ms


SNIPPETS = (b'"', b"{", b"}", b"[", b",", b"\\u0000", b"null", b'"data":1,', b"1e99")


def mutated(dice: random.Random, text: bytes) -> bytes:
    """The text with a few injuries."""
    body = bytearray(text)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(body) or 1)
        match dice.randint(0, 3):
            case 0:
                body[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del body[at : at + dice.randint(1, 20)]
            case 2:
                body[at:at] = dice.choice(SNIPPETS)
            case _:
                body[at:at] = body[at : at + dice.randint(1, 30)]
    return bytes(body)


@pytest.mark.parametrize("seed", range(4))
async def test_bodies(gateway: Gateway, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same each time
    good = b'{"event": "order.paid", "data": {"a": [1, 2.5, "x\\u00e9"]}, "priority": "high", "deliverAt": null}'
    headers = {"X-API-Key": gateway.key.text, "Content-Type": "application/json"}
    for _ in range(150):
        body = mutated(dice, good)
        for path in ("/v1/notifications", "/v1/notifications/not_" + "0" * 26 + "/retry"):
            async with gateway.session.post(gateway.url + path, data=body, headers=headers) as response:
                document = await response.read()
                assert response.status < 500, document
                orjson.loads(document)


WORDS = [b"v1", b"notifications", b"callbacks", b"me", b"timeline", b"retry", b"test", b"not_" + b"0" * 26, b"\x00"]
WORDS += [b"\xff\xfe", b"..", b".", b"%", b" ", b"warehouse", "é".encode(), b"shop/warehouse", b"dlv_" + b"Z" * 26]
FIELDS = ["limit", "cursor", "status", "event", "callback", "since", "until"]
VALUES = [b"", b"1", b"-1", b"9" * 30, b"\xff", b"\x00", b"pending", b"a.b", b"2026-11-21T00:00:00Z", b"NaN", b"1e3"]
VALUES += [b"0001-01-01T00:00:00Z", b"AAAA", b"=" * 5, b"9999-12-31T23:59:59-23:59", "١".encode(), b"true"]


@pytest.mark.parametrize("seed", range(2))
async def test_paths_queries_and_headers(gateway: Gateway, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same each time
    for _ in range(150):
        path = "/".join(quote_from_bytes(dice.choice(WORDS), safe="") for _ in range(dice.randint(1, 5)))
        query = "&".join(
            f"{dice.choice(FIELDS)}={quote_from_bytes(dice.choice(VALUES))}" for _ in range(dice.randint(0, 3))
        )
        target = dice.choice(
            [f"/v1/notifications?{query}", f"/v1/callbacks?{query}", f"/{path}?{query}", f"/v1/{path}"]
        )
        method = dice.choice(["GET", "GET", "POST", "HEAD", "PUT", "OPTIONS", "BREW"])
        if target.endswith("/warehouse/test") and method == "POST":
            continue
        sent = f"{method} {target} HTTP/1.1\r\nHost: a\r\nX-API-Key: {gateway.key.text}\r\nConnection: close\r\n\r\n"
        head, _ = await raw(gateway, sent.encode(), json_expected=method != "HEAD" and "docs" not in target)
        status = int(head.split(b" ", 2)[1])
        assert status < 500, (sent, head)


@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer \xff\xfe",
        "Authorization: Bearer ang_\udcff",
        "X-API-Key: ang_" + "a" * 5000,
        "Idempotency-Key: \xff",
        "X-Request-Id: \xff",
        "Content-Type: \xff",
        "Content-Type: application/json; charset=\x80",
        "Expect: the-unexpected",
        "Content-Encoding: br",
        "Content-Encoding: zstd",
        "Content-Encoding: nonsense",
        "Transfer-Encoding: chunked",
        "Upgrade: websocket\r\nConnection: Upgrade",
    ],
)
async def test_headers(gateway: Gateway, header: str) -> None:
    key = "" if header.startswith(("Auth", "X-API")) else f"X-API-Key: {gateway.key.text}\r\n"
    kind = "" if header.startswith("Content-Type") else "Content-Type: application/json\r\n"
    sent = f"POST /v1/notifications HTTP/1.1\r\nHost: a\r\n{key}{kind}{header}\r\n\r\n"
    body = b"zz\r\n" if "chunked" in header else b"hello"
    head, document = await raw(gateway, sent.encode("latin-1", "replace") + body)
    assert 400 <= int(head.split(b" ", 2)[1]) < 500
    assert document["type"].startswith("https://angarium.dev/problems/")
