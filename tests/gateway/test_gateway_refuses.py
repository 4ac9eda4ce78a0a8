"""What is not accepted: each with its status, its problem document and its place in the request."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.gateway.records import key_record, product
from tests.gateway.running import Answer, Gateway, Start, raw

from angarium import apikeys
from angarium.queue import Queue

JSON = {"Content-Type": "application/json"}
GOOD = b'{"event": "order.paid", "data": 1}'


async def post(gateway: Gateway, body: bytes, **headers: str) -> Answer:
    return await gateway.ask("POST", "/v1/notifications", data=body, headers=JSON | headers)


def rejected(reason: str) -> float:
    return REGISTRY.get_sample_value("angarium_notifications_rejected_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"event": "a", "data": NaN}', b'{"event": "a", "data": 1e400}', b'{"event": "a", "data": "\xff"}',
     b'{"event": "a", "data": "\\ud800"}', b'{"event": "a", "data": 01}', b"\xef\xbb\xbf{}", b'{"event": "a",}',
     b'{"event": "a", "data": ' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"event": "a", "data": "\x01"}'],
)  # fmt: skip
async def test_what_is_not_json(gateway: Gateway, body: bytes) -> None:
    before = rejected("malformed_json")
    answer = await post(gateway, body)
    assert answer.status == 400
    assert answer.json["type"] == "https://angarium.dev/problems/malformed-json"
    assert "line 1, column" in answer.json["errors"][0]["detail"]
    assert rejected("malformed_json") == before + 1


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ("[]", "", "must be an object"),
        ("1", "", "must be an object"),
        ('{"data": 1}', "/event", "is required"),
        ('{"event": "order.paid"}', "/data", "is required"),
        ('{"event": "order..paid", "data": 1}', "/event", "segments are letters"),
        ('{"event": "order.paid\\n", "data": 1}', "/event", "segments are letters"),
        ('{"event": "order.*", "data": 1}', "/event", "segments are letters"),
        ('{"event": "%s", "data": 1}' % ("x" * 129), "/event", "128 characters at most"),
        ('{"event": 7, "data": 1}', "/event", "valid string"),
        ('{"event": "a", "data": 1, "evnt": 1}', "/evnt", "is not a known name"),
        ('{"event": "a", "data": 1, "a/b~c": 1}', "/a~1b~0c", "is not a known name"),
        ('{"event": "a", "data": 1, "deliver_at": null}', "/deliver_at", "is not a known name"),
        ('{"event": "a", "data": 1, "priority": "urgent"}', "/priority", "'high', 'normal' or 'low'"),
        ('{"event": "a", "data": 1, "priority": []}', "/priority", "'high', 'normal' or 'low'"),
        ('{"event": "a", "data": 1, "deliverAt": "2226-11-21T08:00:00Z"}', "/deliverAt", "within 90 days from now"),
        ('{"event": "a", "data": 1, "deliverAt": "2026-11-21T08:00:00"}', "/deliverAt", "with an offset"),
        ('{"event": "a", "data": 1, "deliverAt": "2026-02-30T08:00:00Z"}', "/deliverAt", "not a time that exists"),
        ('{"event": "a", "data": 1, "deliverAt": "0001-01-01T00:00:00+23:59"}', None, ""),
        ('{"event": "a", "data": 1, "deliverAt": 1795229901}', "/deliverAt", "with an offset"),
        ('{"event": "a", "data": 1, "data": 2}', "/data", "is given twice"),
        ('{"event": "a", "event": "b", "data": 2}', "/event", "is given twice"),
        ('{"event": "a", "\\u0065vent": "b", "data": 2}', "/event", "is given twice"),
        ("{" + ",".join(f'"a{n}": 1' for n in range(40)) + "}", "", "too many"),
    ],
)
async def test_what_is_not_valid(gateway: Gateway, body: str, pointer: str | None, words: str) -> None:
    answer = await post(gateway, body.encode())
    if pointer is None:
        assert answer.status == 202
        return
    assert answer.status == 422, answer.body
    assert answer.json["title"] == "The request is not valid"
    [error] = answer.json["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]


async def test_all_that_is_wrong_is_told_at_once(gateway: Gateway) -> None:
    answer = await post(gateway, b'{"event": "a..b", "priority": 1, "x": 1}')
    assert {error["pointer"] for error in answer.json["errors"]} == {"/event", "/data", "/priority", "/x"}


async def test_too_large_by_its_length(gateway: Gateway) -> None:
    before = rejected("too_large")
    answer = await post(gateway, b" " * 262_145)
    assert answer.status == 413
    assert answer.json["detail"] == "262,144 bytes at most"
    assert rejected("too_large") == before + 1


async def test_too_large_in_chunks_is_refused_before_it_is_read(gateway: Gateway) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1 << 30:
            sent += 65536
            yield b" " * 65536

    answer = await gateway.ask("POST", "/v1/notifications", data=endless(), headers=JSON)
    assert answer.status == 413
    assert answer.headers["Connection"] == "close"
    assert sent < 1 << 26


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "nonsense", ""]
)
async def test_other_media_types(gateway: Gateway, kind: str) -> None:
    answer = await post(gateway, GOOD, **{"Content-Type": kind})
    assert answer.status == 415
    assert answer.headers["Accept-Post"] == "application/json"


async def test_a_body_that_does_not_come(start: Start, gateway: Gateway) -> None:
    slow = await start(gateway_body_timeout=0.05)
    slow.key = gateway.key
    head = f"POST /v1/notifications HTTP/1.1\r\nHost: a\r\nX-API-Key: {slow.key.text}\r\nContent-Length: 10\r\n"
    answered, document = await raw(slow, f"{head}Content-Type: application/json\r\n\r\n".encode())
    assert answered.startswith(b"HTTP/1.1 408")
    assert b"\r\nConnection: close\r\n" in answered
    assert document["detail"] == "the body must arrive within 0.05 s"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic {key}"},
        {"Authorization": "{key}"},
        {"Authorization": "Bearer {unknown}"},
        {"Authorization": "Bearer {forged}"},
        {"X-API-Key": "{unknown}"},
        {"X-API-Key": ""},
        {"X-API-Key": "nonsense", "Authorization": "Bearer {key}"},
        {"Authorization": "Bearer ang_\u00e9"},
    ],
)
async def test_no_credentials_that_are_known(gateway: Gateway, headers: dict[str, str]) -> None:
    unknown = apikeys.mint()
    head = f"ang_{gateway.key.id}_{unknown.text.split('_')[2]}"
    forged = f"{head}_{apikeys._checksum(head)}"
    assert apikeys.key_id(forged) == gateway.key.id
    filled = {
        name: text.format(key=gateway.key.text, unknown=unknown.text, forged=forged) for name, text in headers.items()
    }
    before = rejected("unauthenticated")
    async with gateway.session.post(gateway.url + "/v1/notifications", data=GOOD, headers=JSON | filled) as response:
        document = await response.json()
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="angarium"'
    del document["requestId"]
    assert document == {
        "type": "https://angarium.dev/problems/unauthenticated",
        "title": "Missing or unknown credentials",
        "status": 401,
        "detail": "send an API key or a token as `Authorization: Bearer <key>`, or an API key as `X-API-Key: <key>`",
    }
    assert rejected("unauthenticated") == before + 1


async def test_either_header_takes_a_key(gateway: Gateway) -> None:
    for headers in ({"Authorization": f"bearer  {gateway.key.text}"}, {"X-API-Key": gateway.key.text}):
        async with gateway.session.get(gateway.url + "/v1/me", headers=headers) as response:
            assert response.status == 200


async def test_a_retired_key_stops_when_its_time_is_up(gateway: Gateway) -> None:
    old, now_ms = apikeys.mint(), int(time.time() * 1000)
    for expires, status in ((now_ms + 60_000, 200), (now_ms - 1, 401)):
        keys = (key_record(gateway.key), key_record(old, expires))
        await gateway.publish(product(gateway.key, keys=keys))
        answer = await gateway.ask("GET", "/v1/me", key=old)
        assert answer.status == status
        assert (await gateway.ask("GET", "/v1/me")).status == 200
    await gateway.publish(product(old))
    assert (await gateway.ask("GET", "/v1/me")).status == 401


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/notifications/", "/v1/nothing", "/%00", "/v1/notifications/a/b/c"])
async def test_paths_that_lead_nowhere(gateway: Gateway, path: str) -> None:
    answer = await gateway.ask("GET", path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_notification_stands_as_it_is(gateway: Gateway, method: str) -> None:
    id_ = (await gateway.post()).json["id"]
    answer = await gateway.ask(method, f"/v1/notifications/{id_}")
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.json["detail"] == "a notification can't be changed or deleted"
    assert (await gateway.ask("DELETE", "/v1/notifications")).headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("given", "kept"), [("order-1042", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ("é", False)]
)
async def test_every_answer_has_a_request_id(gateway: Gateway, given: str, kept: bool) -> None:
    for path in ("/v1/me", "/nowhere"):
        answer = await gateway.ask("GET", path, headers={"X-Request-Id": given})
        id_ = answer.headers["X-Request-Id"]
        assert id_ == given if kept else id_.startswith("req_")
        if answer.status == 404:
            assert answer.json["requestId"] == id_


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\n",
    ],
)
async def test_what_is_not_http(gateway: Gateway, sent: bytes) -> None:
    head, document = await raw(gateway, sent)
    assert b" 400 Bad Request\r\n" in head
    assert b"application/problem+json" in head
    assert document["title"] == "The request can't be understood"


async def test_a_failure_within_says_nothing_of_itself(gateway: Gateway, queue: Queue) -> None:
    await queue.link.call("SET", queue.shards[0].counters, "not a hash")  # the script fails
    answer = await gateway.post()
    assert answer.status == 500
    document: dict[str, Any] = answer.json
    assert document.pop("requestId") == answer.headers["X-Request-Id"]
    assert document == {
        "type": "https://angarium.dev/problems/internal",
        "title": "Something went wrong here",
        "status": 500,
        "detail": "it was logged under this requestId",
    }


async def test_a_caller_that_hangs_up_is_no_failure_of_ours(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    def hung_up() -> float:
        labels = {"route": "POST /v1/notifications", "code": "400"}
        return REGISTRY.get_sample_value("angarium_requests_total", labels) or 0.0

    before = hung_up()
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.settings.gateway_port)
    head = f"POST /v1/notifications HTTP/1.1\r\nHost: a\r\nX-API-Key: {gateway.key.text}\r\nContent-Length: 10\r\n"
    writer.write(f"{head}Content-Type: application/json\r\n\r\nhalf".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(10):
        while hung_up() == before:
            await asyncio.sleep(0.01)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_compressed_body_is_bounded_by_what_it_unfolds_to(gateway: Gateway) -> None:
    import zlib

    bomb = zlib.compress(b'{"event": "a", "data": "' + b"x" * 10_000_000 + b'"}')
    answer = await post(gateway, bomb, **{"Content-Encoding": "deflate"})
    assert answer.status == 413
    assert (await post(gateway, b"not deflated", **{"Content-Encoding": "deflate"})).status == 400
