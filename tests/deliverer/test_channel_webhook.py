"""Webhooks: what a real receiver gets, checked by another implementation of the standard, and what answers mean."""

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError
from tests.deliverer.receivers import Receiver, reply
from tests.deliverer.webhooks import SIGNER, callback, event

from angarium.notifications import Result
from angarium.signing import Signer, generate_ed25519_key, generate_hmac_key
from angarium_deliverer.channels.webhook import (
    LONGEST_WISH_S,
    SHOWN_BODY_BYTES,
    USER_AGENT,
    Webhook,
    judge,
    retry_after,
)
from angarium_deliverer.dialer import Answer, Dialer

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def answer(status: int, body: bytes = b"", truncated: bool = False, **headers: str) -> Answer:
    """As the dialer gives it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, body, 0.002, truncated)


async def test_a_standard_webhooks_library_verifies_what_arrives(dialer: Dialer) -> None:
    current, previous = generate_hmac_key(), generate_hmac_key()
    made = event({"name": "Zoë"})
    async with Receiver() as receiver:
        await Webhook(dialer).deliver(made, callback(receiver.url), Signer([current, previous]))
    (request,) = receiver.requests
    for key in (current, previous):
        assert StandardWebhook(key).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        StandardWebhook(generate_hmac_key()).verify(request.body, request.headers)
    assert request.body == made.notification.body


async def test_an_ed25519_signature_verifies_by_the_specification(dialer: Dialer) -> None:
    key = generate_ed25519_key()
    async with Receiver() as receiver:
        await Webhook(dialer).deliver(event(), callback(receiver.url), Signer([key.private]))
    (request,) = receiver.requests
    version, _, signature = request.headers["webhook-signature"].partition(",")
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public.removeprefix("whpk_")))
    public.verify(base64.b64decode(signature), signed)
    assert version == "v1a"


async def test_the_headers_of_an_attempt(dialer: Dialer) -> None:
    times = iter([1000.9, 0.0, 2000.0, 0.0])
    channel = Webhook(dialer, clock=lambda: next(times))
    async with Receiver() as receiver:
        record = callback(receiver.url).model_copy(update={"headers": (("X-Team", "warehouse"),)})
        await channel.deliver(event(), record, SIGNER)
        await channel.deliver(event(), record, SIGNER)
    first, second = (request.headers for request in receiver.requests)
    assert first["webhook-id"] == second["webhook-id"] == event().delivery
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1000", "2000")
    assert first["webhook-signature"] != second["webhook-signature"]
    assert first["content-type"] == "application/json"
    assert first["user-agent"] == USER_AGENT
    assert first["x-team"] == "warehouse"


async def test_static_headers_can_not_take_the_place_of_ours(dialer: Dialer) -> None:
    forged = (
        ("Webhook-Id", "x"),
        ("webhook-signature", "v1,x"),
        ("CONTENT-TYPE", "text/plain"),
        ("User-Agent", "curl"),
        ("host", "internal"),
        ("content-length", "0"),
        ("transfer-encoding", "chunked"),
        ("x-fine", "1"),
    )
    async with Receiver() as receiver:
        record = callback(receiver.url).model_copy(update={"headers": forged})
        assert (await Webhook(dialer).deliver(event(), record, SIGNER)).result is Result.DELIVERED
    (request,) = receiver.requests
    assert sorted(request.names) == [
        "accept",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-fine",
    ]
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "result", "reason"),
    [
        (200, Result.DELIVERED, ""),
        (201, Result.DELIVERED, ""),
        (202, Result.DELIVERED, ""),
        (204, Result.DELIVERED, ""),
        (299, Result.DELIVERED, ""),
        (301, Result.RETRYABLE, "http_3xx"),
        (302, Result.RETRYABLE, "http_3xx"),
        (304, Result.RETRYABLE, "http_3xx"),
        (307, Result.RETRYABLE, "http_3xx"),
        (400, Result.PERMANENT, "http_400"),  # the callback lists it
        (401, Result.RETRYABLE, "http_401"),
        (404, Result.RETRYABLE, "http_404"),
        (408, Result.RETRYABLE, "http_408"),
        (410, Result.PERMANENT, "gone"),
        (418, Result.RETRYABLE, "http_418"),
        (422, Result.PERMANENT, "http_422"),
        (429, Result.RETRYABLE, "http_429"),
        (500, Result.RETRYABLE, "http_500"),
        (502, Result.RETRYABLE, "http_502"),
        (503, Result.RETRYABLE, "http_503"),
        (599, Result.RETRYABLE, "http_599"),
        (799, Result.RETRYABLE, "http_799"),
    ],
)
def test_what_a_status_means(status: int, result: Result, reason: str) -> None:
    said = judge(answer(status), frozenset({400, 422}), NOW.timestamp())
    assert (said.result, said.reason, said.gone) == (result, reason, status == 410)
    assert said.response == {"status": status, "body": "", "truncated": False}


def test_a_request_that_was_sent_twice_is_told_in_the_timeline() -> None:
    said = judge(answer(200)._replace(resent=True), frozenset(), 0)
    assert said.response == {"status": 200, "body": "", "truncated": False, "resent": True}


def test_a_status_is_told_in_words() -> None:
    assert judge(answer(503), frozenset(), 0).detail == "503 Service Unavailable"
    assert judge(answer(799), frozenset(), 0).detail == "799"
    redirect = judge(answer(301, location="https://new.example/"), frozenset(), 0)
    assert redirect.detail == "301 Moved Permanently to https://new.example/; redirects are not followed"


@pytest.mark.parametrize(
    ("status", "wish", "result", "reason", "gone"),
    [
        (500, "disable", Result.PERMANENT, "gone", True),
        (200, "disable", Result.DELIVERED, "", True),
        (500, " Disable ", Result.PERMANENT, "gone", True),
        (500, "abort-message", Result.PERMANENT, "aborted_by_receiver", False),
        (200, "abort-message", Result.DELIVERED, "", False),
        (500, "whatever", Result.RETRYABLE, "http_500", False),
    ],
)
def test_what_a_receiver_may_ask_for(status: int, wish: str, result: Result, reason: str, gone: bool) -> None:
    said = judge(answer(status, webhook_delivery=wish), frozenset(), 0)
    assert (said.result, said.reason, said.gone) == (result, reason, gone)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("17", 17.0),
        ("86400", 86400.0),
        (f"{LONGEST_WISH_S + 1:.0f}", LONGEST_WISH_S),
        ("9" * 400, LONGEST_WISH_S),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=900), usegmt=True), LONGEST_WISH_S),
        ("Saturday, 21-Nov-26 08:01:00 GMT", 60.0),  # RFC 850
        ("Sat Nov 21 08:01:00 2026", 60.0),  # asctime
        ("Sat, 21 Nov 9999999 08:01:00 GMT", None),
    ],
)
def test_when_a_receiver_wants_to_be_asked_again(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, NOW.timestamp()) == seconds


@given(st.text())
def test_no_retry_after_breaks_anything(text: str) -> None:
    said = retry_after(text, NOW.timestamp())
    assert said is None or 0 <= said <= LONGEST_WISH_S


def test_retry_after_is_heard_on_whatever_is_retryable() -> None:
    for status in (429, 503, 302, 404):
        assert judge(answer(status, retry_after="30"), frozenset(), 0).retry_after == 30.0


def test_what_the_timeline_shows_of_an_answer() -> None:
    shown = judge(answer(500, b"\xff\x00 out of m\xc3\xa9moire"), frozenset(), 0).response
    assert shown == {"status": 500, "body": "\ufffd\0 out of mémoire", "truncated": False}
    long = judge(answer(500, b"x" * 16_384, truncated=True), frozenset(), 0).response
    assert long == {"status": 500, "body": "x" * SHOWN_BODY_BYTES, "truncated": True}


@pytest.mark.parametrize(
    ("url", "result", "reason"),
    [
        ("https://nowhere.invalid/", Result.RETRYABLE, "dns_error"),
        ("ftp://example.com/", Result.PERMANENT, "invalid_url"),
        ("http://169.254.169.254/", Result.PERMANENT, "address_refused"),
    ],
)
async def test_what_no_answer_means(dialer: Dialer, url: str, result: Result, reason: str) -> None:
    said = await Webhook(dialer).deliver(event(), callback(url), SIGNER)
    assert (said.result, said.reason, said.response) == (result, reason, None)
    assert said.detail


async def test_lists_of_final_statuses_come_from_the_callback(dialer: Dialer) -> None:
    async with Receiver(reply(422, b"no such order")) as receiver:
        record = callback(receiver.url).model_copy(update={"non_retryable_statuses": (422,)})
        said = await Webhook(dialer).deliver(event(), record, SIGNER)
    assert (said.result, said.reason) == (Result.PERMANENT, "http_422")
    assert said.response == {"status": 422, "body": "no such order", "truncated": False}
