"""What is FCM's own: access tokens that nobody waits for twice, the forms of messages, and unreadable accounts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.deliverer.conftest import LOCAL
from tests.deliverer.fcm_server import DEVICE, Firebase, failed, said, service_account
from tests.deliverer.receivers import Receiver, Request

from angarium.contents import Push
from angarium.notifications import Outcome, Result
from angarium.records import ProviderRecord
from angarium_deliverer.channels import Account, Message, Way
from angarium_deliverer.channels.fcm import Fcm
from angarium_deliverer.dialer import Dialer

HELLO = Push(title="Order", body="On its way.")


def account(origin: str, held: str | None = None) -> Account:
    """Of the shop."""
    record = ProviderRecord(
        namespace="shop", name="push", id="prv_0", product_id="prd_0", type="fcm", channels=("push",),
        settings={"apiUrl": origin}, timeout_s=20.0,
    )  # fmt: skip
    return Account(record, {"service-account.json": service_account(origin) if held is None else held})


@asynccontextmanager
async def sending(firebase: Firebase) -> AsyncIterator[Fcm]:
    """A sender to this server."""
    async with Receiver(firebase) as it, Dialer(LOCAL) as dialer:
        sender = Fcm(account(it.url.removesuffix("/hooks")), Way(dialer, dialer.resolver, LOCAL))
        try:
            yield sender
        finally:
            sender.retire()


def message(content: Push = HELLO, to: str = DEVICE, **more: Any) -> Message:
    """To a device."""
    return Message("dlv_0", "push", to, content, 1, 0, **more)


async def test_many_at_once_need_one_token() -> None:
    firebase = Firebase()
    async with sending(firebase) as sender:
        said = await asyncio.gather(*[sender.send(message()) for _ in range(20)])
    assert {each.result for each in said} == {Result.DELIVERED}
    assert len(firebase.tokens) == 1


async def test_a_token_that_ends_soon_serves_until_the_next_is_there() -> None:
    firebase = Firebase(seconds=200)
    async with sending(firebase) as sender:
        await sender.send(message())
        sender._tokens._renew_at = 0.0  # as after a while
        firebase.hold.clear()
        firebase.wanted.clear()
        assert (await sender.send(message())).result is Result.DELIVERED
        await firebase.wanted.wait()  # it is being renewed meanwhile
        assert len(firebase.tokens) == 1
        firebase.hold.set()
        async with asyncio.timeout(20):
            while len(firebase.tokens) < 2:
                await asyncio.sleep(0.01)
        assert (await sender.send(message())).result is Result.DELIVERED


async def test_nothing_else_waits_for_a_token() -> None:
    firebase = Firebase()
    firebase.hold.clear()
    async with sending(firebase) as sender:
        task = asyncio.create_task(sender.send(message()))
        await firebase.wanted.wait()  # this loop goes on, and answers it
        firebase.hold.set()
        assert (await task).result is Result.DELIVERED


async def test_one_that_gives_up_takes_the_token_from_nobody() -> None:
    firebase = Firebase()
    firebase.hold.clear()
    async with sending(firebase) as sender:
        first, second = (asyncio.create_task(sender.send(message())) for _ in range(2))
        await firebase.wanted.wait()
        first.cancel()
        firebase.hold.set()
        assert (await second).result is Result.DELIVERED
    assert len(firebase.tokens) == 1


async def test_who_waits_for_a_token_has_it_though_the_sender_is_retired() -> None:
    firebase = Firebase()
    firebase.hold.clear()
    async with sending(firebase) as sender:
        task = asyncio.create_task(sender.send(message()))
        await firebase.wanted.wait()
        sender.retire()
        firebase.hold.set()
        assert (await task).result is Result.DELIVERED


async def test_a_token_that_is_said_back_is_not_shown() -> None:
    firebase = Firebase(answer=failed(403, "PERMISSION_DENIED", "not with ya29.0, please"))
    async with sending(firebase) as sender:
        outcome = await sender.send(message())
    assert outcome.detail == "FCM answered PERMISSION_DENIED: not with ***, please"
    assert firebase.tokens[0] not in str(outcome)


@pytest.mark.parametrize("token", ["", None, 7])
async def test_what_is_no_token_is_none(token: object) -> None:
    async def answers(request: Request, writer: asyncio.StreamWriter) -> None:
        assert request.line.startswith("POST /token ")
        writer.write(said({"access_token": token, "expires_in": 3600}))

    async with Receiver(answers) as it, Dialer(LOCAL) as dialer:
        sender = Fcm(account(it.url.removesuffix("/hooks")), Way(dialer, dialer.resolver, LOCAL))
        outcome = await sender.send(message())
    assert (outcome.result, outcome.reason) == (Result.RETRYABLE, "protocol_error")


async def test_an_assertion_that_is_said_back_is_not_shown() -> None:
    async def answers(request: Request, writer: asyncio.StreamWriter) -> None:
        assertion = request.body.decode().rpartition("assertion=")[2]
        writer.write(said({"error": "invalid_grant", "error_description": f"no {assertion}"}, 400))

    async with Receiver(answers) as it, Dialer(LOCAL) as dialer:
        sender = Fcm(account(it.url.removesuffix("/hooks")), Way(dialer, dialer.resolver, LOCAL))
        outcome = await sender.send(message())
    assert outcome.detail == "Google gave no access token: 400 invalid_grant no ***"


async def test_a_token_that_is_not_taken_is_replaced() -> None:
    firebase = Firebase()
    async with sending(firebase) as sender:
        await sender.send(message())
        firebase.tokens[0] = "revoked"
        assert (await sender.send(message())).reason == "authentication_failed"
        assert (await sender.send(message())).result is Result.DELIVERED


async def test_a_message_as_fcm_has_it() -> None:
    firebase = Firebase()
    async with sending(firebase) as sender:
        await sender.send(
            message(Push(title="Order", body="Grüße", image="https://x.example/a.png", data={"order": "7"}))
        )
        await sender.send(message(Push(data={"order": "7"}), to="d" * 22, expires_ms=4_102_444_800_000))
    shown, silent = firebase.messages
    assert shown["token"] == DEVICE
    assert shown["notification"] == {"title": "Order", "body": "Grüße", "image": "https://x.example/a.png"}
    assert shown["android"]["notification"]["tag"] == shown["apns"]["headers"]["apns-collapse-id"] == "dlv_0"
    assert (silent["fid"], silent["data"], silent["android"]["ttl"]) == ("d" * 22, {"order": "7"}, "2419200s")
    assert "notification" not in silent


async def test_what_has_expired_meanwhile_is_for_now_or_never() -> None:
    firebase = Firebase()
    async with sending(firebase) as sender:
        await sender.send(message(expires_ms=1000))
    assert firebase.messages[0]["android"]["ttl"] == "0s"
    assert firebase.messages[0]["webpush"]["headers"] == {"TTL": "0"}


@pytest.mark.parametrize("held", ["", "nonsense", "[]", '{"client_email": "a", "private_key": "SECRET"}'])
def test_an_account_that_can_t_be_read_is_none(held: str) -> None:
    with pytest.raises(ValueError, match="the service account") as raised:
        Fcm(account("http://127.0.0.1:1", held), Way(None, None, LOCAL))  # type: ignore[arg-type]  # not dialled
    assert "SECRET" not in str(raised.value)


async def test_a_key_that_is_none_is_told_without_it() -> None:
    async with Dialer(LOCAL) as dialer:
        held = '{"type":"service_account","client_email":"a","private_key":"SECRET","token_uri":"x","project_id":"p"}'
        sender = Fcm(account("http://127.0.0.1:1", held), Way(dialer, dialer.resolver, LOCAL))
        said: Outcome = await sender.send(message())
    assert said == Outcome(Result.RETRYABLE, "authentication_failed", "the service account's key can't be read")
    assert "SECRET" not in repr(sender._tokens._account)


async def test_what_google_says_of_credentials_is_told() -> None:
    firebase = Firebase()
    async with Receiver(firebase) as it, Dialer(LOCAL) as dialer:
        origin = it.url.removesuffix("/hooks")
        sender = Fcm(account(origin, service_account(origin, "guessed")), Way(dialer, dialer.resolver, LOCAL))
        said = await sender.send(message())
    assert said.detail == "Google gave no access token: 400 invalid_grant Invalid JWT Signature."
    assert firebase.messages == []
