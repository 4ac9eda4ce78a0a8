"""What every channel keeps to. Another channel is one more row in CHANNELS, with its other end in each mood."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from typing import Any

import pytest
import trustme
from tests.deliverer import fcm_server, gotify_server, slack_server, telegram_server, twilio_server
from tests.deliverer.conftest import LOCAL, server_tls
from tests.deliverer.fcm_server import Firebase
from tests.deliverer.gotify_server import Gotify
from tests.deliverer.mail_server import Mailbox, mail_server
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request, Script, reply
from tests.deliverer.slack_server import Workspace
from tests.deliverer.telegram_server import Bot
from tests.deliverer.twilio_server import Twilio
from tests.deliverer.webhooks import CREATED, ID, SIGNER, callback, event

from angarium.contents import Apprise, Content, Email, Push, Slack, Telegram, Text
from angarium.notifications import Outcome, Result
from angarium.records import ProviderRecord
from angarium_deliverer.channels import Account, Message, Way
from angarium_deliverer.channels.senders import SENDERS
from angarium_deliverer.channels.webhook import Webhook
from angarium_deliverer.dialer import Dialer


@dataclass
class Counterpart:
    """The other end in one mood: how to find it, the texts that it got so far, and what it saw of us."""

    place: dict[str, Any]
    got: Callable[[], list[str]]
    asked: asyncio.Event
    hung_up: asyncio.Event


@dataclass(frozen=True)
class Mood:
    """The other end, and what is to be said of an attempt that meets it so."""

    other: Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]
    result: Result
    reason: str = ""
    retry_after: float | None = None
    gone: bool = False


Try = Callable[[str, Counterpart, float], Awaitable[Outcome]]  # text, other end, seconds
TAKEN = {Result.DELIVERED, Result.SENT}


@dataclass(frozen=True)
class Row:
    """A channel under test: how to make an attempt, and the other end's moods."""

    attempts: Callable[[str], AbstractAsyncContextManager[Try]]
    moods: Mapping[str, Mood]
    longest: int = 200_000  # characters that its content may have


# -- webhooks


@asynccontextmanager
async def webhooks(ca_file: str) -> AsyncIterator[Try]:
    """As the deliverer makes them."""
    async with Dialer(LOCAL, ca_file=ca_file) as dialer:
        channel = Webhook(dialer)

        async def attempt(text: str, other: Counterpart, seconds: float) -> Outcome:
            return await channel.deliver(event(text), callback(other.place["url"], seconds), SIGNER)

        yield attempt


def receiver(answer: bytes) -> Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]:
    """A receiver of webhooks that answers so."""

    @asynccontextmanager
    async def other(_: trustme.CA) -> AsyncIterator[Counterpart]:
        async with Receiver(answer) as it:
            yield _receiver(it)

    return other


def _receiver(it: Receiver) -> Counterpart:
    return Counterpart({"url": it.url}, lambda: [json.loads(got.body) for got in it.requests], it.came, it.gone)


@asynccontextmanager
async def no_receiver(_: trustme.CA) -> AsyncIterator[Counterpart]:
    """Nobody listens there any more."""
    async with Receiver() as it:
        counterpart = _receiver(it)
    yield counterpart


@asynccontextmanager
async def false_receiver(_: trustme.CA) -> AsyncIterator[Counterpart]:
    """Somebody whose certificate proves nothing."""
    async with Receiver(tls=server_tls(trustme.CA(), "127.0.0.1")) as it:
        yield _receiver(it)


@asynccontextmanager
async def private_address(_: trustme.CA) -> AsyncIterator[Counterpart]:
    """An address that the guard keeps closed."""
    url = "http://10.0.0.7/"
    place = {
        "url": url,
        "host": "10.0.0.7",
        "apiUrl": url,
        "credentials": {"webhook-url": url, "url": "ops=gotify://10.0.0.7/AKs3cret"},
    }
    yield Counterpart(place, list, asyncio.Event(), asyncio.Event())


WEBHOOKS = Row(
    webhooks,
    {
        "accepts": Mood(receiver(NO_CONTENT), Result.DELIVERED),
        "throttles": Mood(
            receiver(reply(429, b"slow down", retry_after="17")), Result.RETRYABLE, "http_429", retry_after=17.0
        ),
        "is down": Mood(receiver(reply(503, b"overloaded")), Result.RETRYABLE, "http_503"),
        "refuses": Mood(receiver(reply(410)), Result.PERMANENT, "gone", gone=True),
        "is silent": Mood(receiver(b""), Result.RETRYABLE, "timeout"),
        "hangs up": Mood(receiver(b"nonsense\r\n\r\n"), Result.RETRYABLE, "protocol_error"),
        "is absent": Mood(no_receiver, Result.RETRYABLE, "connect_refused"),
        "is an impostor": Mood(false_receiver, Result.RETRYABLE, "tls_error"),
        "is private": Mood(private_address, Result.PERMANENT, "address_refused"),
        "answers at length": Mood(receiver(reply(500, "ä".encode() * 100_000)), Result.RETRYABLE, "http_500"),
    },
)

# -- what goes through providers


def sending(
    type_: str,
    to: str,
    content: Callable[[str], Content],
    credentials: dict[str, str],
    channel: str = "",
    **settings: Any,
) -> Callable[[str], AbstractAsyncContextManager[Try]]:
    """Attempts by the sender of a type of provider; the other end's place is added to its settings."""

    @asynccontextmanager
    async def attempts(ca_file: str) -> AsyncIterator[Try]:
        async with Dialer(LOCAL, ca_file=ca_file) as dialer:
            senders = {}

            async def attempt(text: str, other: Counterpart, seconds: float) -> Outcome:
                place = settings | {name: value for name, value in other.place.items() if name != "credentials"}
                key = json.dumps([place, seconds], default=str)
                if key not in senders:
                    record = ProviderRecord(
                        namespace="shop", name="main", id="prv_0", product_id="prd_0", type=type_, channels=(type_,),
                        settings=place, timeout_s=seconds,
                    )  # fmt: skip
                    account = Account(record, credentials | other.place.get("credentials", {}))
                    senders[key] = SENDERS[type_](account, Way(dialer, dialer.resolver, LOCAL, ca_file))
                return await senders[key].send(Message(ID, channel or type_, to, content(text), 1, CREATED))

            try:
                yield attempt
            finally:
                for sender in senders.values():
                    sender.retire()
                await asyncio.sleep(0.01)  # what hung up has gone some turns of the loop later

    return attempts


# -- e-mail


def mail(
    *, wrong: bool = False, false: bool = False, implicit: bool = False, **mood: Any
) -> Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]:
    """A mail server in a mood."""

    @asynccontextmanager
    async def other(authority: trustme.CA) -> AsyncIterator[Counterpart]:
        context = server_tls(trustme.CA() if false else authority, "127.0.0.1")
        async with mail_server(Mailbox(**mood), tls=context, implicit=implicit, auth=True) as it:
            place: dict[str, Any] = {
                "host": "127.0.0.1",
                "port": it.port,
                "tls": "Implicit" if implicit else "StartTLS",
            }
            if wrong:
                place["credentials"] = {"password": "guessed"}
            yield Counterpart(place, lambda: [_text(got[3]) for got in it.got], it.asked, it.hung_up)

    return other


def _text(content: bytes) -> str:
    text: str = message_from_bytes(content, policy=policy.default).get_content()
    return text.replace("\r\n", "\n").removesuffix("\n")


@asynccontextmanager
async def no_mail(_: trustme.CA) -> AsyncIterator[Counterpart]:
    """Nobody listens there any more."""
    async with mail_server(Mailbox()) as it:
        port = it.port
    yield Counterpart({"host": "127.0.0.1", "port": port}, list, it.asked, it.hung_up)


E_MAIL = Row(
    sending(
        "smtp", "jane@example.com", lambda text: Email(subject="Order", text=text or " "),
        {"username": "shop", "password": "sesame"}, **{"from": "Shop <shop@example.com>"},
    ),
    {
        "accepts": Mood(mail(), Result.DELIVERED),
        "accepts by TLS from the start": Mood(mail(implicit=True), Result.DELIVERED),
        "throttles": Mood(mail(rcpt="450 4.2.1 slow down"), Result.RETRYABLE, "smtp_450"),
        "is down": Mood(mail(data="421 4.3.2 shutting down"), Result.RETRYABLE, "smtp_421"),
        "refuses": Mood(mail(rcpt="550 5.1.1 nobody of that name"), Result.PERMANENT, "smtp_550"),
        "refuses the content": Mood(mail(data="554 5.7.1 looks like spam"), Result.PERMANENT, "smtp_554"),
        "wants other credentials": Mood(mail(wrong=True), Result.RETRYABLE, "authentication_failed"),
        "is silent": Mood(mail(silent=True), Result.RETRYABLE, "timeout"),
        "is absent": Mood(no_mail, Result.RETRYABLE, "connect_failed"),
        "is an impostor": Mood(mail(false=True), Result.RETRYABLE, "tls_error"),
        "is private": Mood(private_address, Result.RETRYABLE, "address_refused"),
        "answers at length": Mood(mail(data="451 " + "x" * 400), Result.RETRYABLE, "smtp_451"),
    },
)  # fmt: skip

# -- Slack and Telegram


def chat(
    make: Callable[[], Script], place: Callable[[str], dict[str, Any]], *, false: bool = False, gone: bool = False
) -> Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]:
    """A server of JSON; what it got is what its script keeps. `place` makes settings of its origin."""

    @asynccontextmanager
    async def other(_: trustme.CA) -> AsyncIterator[Counterpart]:
        script = make()
        it = Receiver(script, tls=server_tls(trustme.CA(), "127.0.0.1") if false else None)
        async with it:
            there = Counterpart(
                place(it.url.removesuffix("/hooks")), lambda: [text for _, text in getattr(script, "got", [])],
                getattr(script, "asked", it.came), it.gone,
            )  # fmt: skip
            if not gone:
                yield there
        if gone:
            yield there

    return other


async def nonsense(_: Request, writer: asyncio.StreamWriter) -> None:
    """No HTTP at all."""
    writer.write(b"nonsense\r\n\r\n")


LONG = reply(500, "ä".encode() * 100_000)


def slack(*, wrong: bool = False, **more: Any) -> Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]:
    """Slack in a mood, for a bot."""
    held = {"credentials": {"bot-token": "xoxb-guessed"}} if wrong else {}
    ends = {name: more.pop(name) for name in ("false", "gone") if name in more}
    make = more.pop("make", lambda: Workspace(**more))
    return chat(make, lambda origin: {"apiUrl": f"{origin}/api"} | held, **ends)


def hook(*, wrong: bool = False, **more: Any) -> Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]:
    """Slack in a mood, for an incoming webhook."""
    path = "/services/T0/B0/guessed" if wrong else slack_server.HOOK
    ends = {name: more.pop(name) for name in ("false", "gone") if name in more}
    make = more.pop("make", lambda: Workspace(**more))
    return chat(make, lambda origin: {"credentials": {"webhook-url": origin + path}}, **ends)


def telegram(*, wrong: bool = False, **more: Any) -> Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]:
    """Telegram in a mood."""
    held = {"credentials": {"bot-token": "110201543:guessed"}} if wrong else {}
    ends = {name: more.pop(name) for name in ("false", "gone") if name in more}
    make = more.pop("make", lambda: Bot(**more))
    return chat(make, lambda origin: {"apiUrl": origin} | held, **ends)


def in_each_mood(
    server: Callable[..., Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]],
) -> dict[str, Mood]:
    """Moods that all servers of JSON APIs have alike."""
    return {
        "accepts": Mood(server(), Result.DELIVERED),
        "wants other credentials": Mood(server(wrong=True), Result.RETRYABLE, "authentication_failed"),
        "is down": Mood(server(answer=reply(503, b"upstream unavailable")), Result.RETRYABLE, "http_503"),
        "leads away": Mood(server(answer=reply(302, location="http://127.0.0.1:1/")), Result.RETRYABLE, "http_3xx"),
        "is silent": Mood(server(silent=True), Result.RETRYABLE, "timeout"),
        "hangs up": Mood(server(make=lambda: nonsense), Result.RETRYABLE, "protocol_error"),
        "is absent": Mood(server(gone=True), Result.RETRYABLE, "connect_refused"),
        "is an impostor": Mood(server(false=True), Result.RETRYABLE, "tls_error"),
        "is private": Mood(private_address, Result.RETRYABLE, "address_refused"),
        "answers at length": Mood(server(answer=LONG), Result.RETRYABLE, "http_500"),
    }


SLACK = Row(
    sending("slack", "C0ALERTS", lambda text: Slack(text=text), {"bot-token": slack_server.TOKEN}),
    in_each_mood(slack)
    | {
        "throttles": Mood(
            slack(answer=slack_server.said({"ok": False, "error": "ratelimited"}, 429, retry_after="17")),
            Result.RETRYABLE, "slack_ratelimited", retry_after=17.0,
        ),
        "refuses": Mood(slack(channels={"C0ALERTS": "is_archived"}), Result.PERMANENT, "slack_is_archived"),
    },
    longest=slack_server.MOST_TEXT,
)  # fmt: skip

SLACK_BY_WEBHOOK = Row(
    sending("slack", "#alerts", lambda text: Slack(text=text), {}),
    in_each_mood(hook)
    | {
        "throttles": Mood(
            hook(answer=reply(429, b"slow down", retry_after="17")), Result.RETRYABLE, "http_429", retry_after=17.0
        ),
        "refuses": Mood(hook(answer=reply(400, b"invalid_payload")), Result.PERMANENT, "slack_invalid_payload"),
    },
    longest=slack_server.MOST_TEXT,
)

TELEGRAM = Row(
    sending(
        "telegram", telegram_server.CHAT, lambda text: Telegram(text=text), {"bot-token": telegram_server.TOKEN}
    ),
    in_each_mood(telegram)
    | {
        "throttles": Mood(
            telegram(answer=telegram_server.failed(429, "Too Many Requests: retry after 17", retry_after=17)),
            Result.RETRYABLE, "telegram_429", retry_after=17.0,
        ),
        "refuses": Mood(telegram(chats=set()), Result.PERMANENT, "telegram_400"),
    },
    longest=telegram_server.MOST_TEXT,
)  # fmt: skip

# -- what else Apprise reaches


def gotify(*, wrong: bool = False, **more: Any) -> Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]:
    """One of the servers that Apprise knows, in a mood."""
    token = "AKguessedToken" if wrong else gotify_server.TOKEN
    ends = {name: more.pop(name) for name in ("false", "gone") if name in more}
    make = more.pop("make", lambda: Gotify(**more))

    def place(origin: str) -> dict[str, Any]:
        url = f"ops={origin.replace('http', 'gotify', 1)}/{token}?redirect=yes&verify=no&retry=3"
        return {"credentials": {"url": url}}

    return chat(make, place, **ends)


APPRISE = Row(
    sending("apprise", "ops", lambda text: Apprise(title="Order", body=text), {}, schemas=["gotify", "gotifys"]),
    in_each_mood(gotify)
    | {
        "throttles": Mood(gotify(answer=reply(429, b"slow down", retry_after="17")), Result.RETRYABLE, "http_429"),
        "refuses": Mood(gotify(answer=gotify_server.failed(400, "Bad Request", "no")), Result.PERMANENT, "http_400"),
        # it tells the status alone, and not why there is none
        "leads away": Mood(gotify(answer=reply(302, location="http://10.0.0.7/")), Result.RETRYABLE, "http_3xx"),
        **{
            mood: replace(alike, reason="connect_failed")
            for mood, alike in in_each_mood(gotify).items()
            if mood in ("hangs up", "is absent", "is an impostor")
        },
    },
    longest=32_768,
)

# -- SMS and WhatsApp


def phones(*, wrong: bool = False, **more: Any) -> Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]:
    """Twilio in a mood."""
    held = {"credentials": {"auth-token": "guessed"}} if wrong else {}
    ends = {name: more.pop(name) for name in ("false", "gone") if name in more}
    make = more.pop("make", lambda: Twilio(**more))
    return chat(make, lambda origin: {"apiUrl": origin} | held, **ends)


def texts(channel: str, to: str) -> Row:
    """By one account."""
    account = {"account-sid": twilio_server.ACCOUNT, "auth-token": twilio_server.TOKEN}
    numbers = {"from": twilio_server.FROM, "whatsappFrom": twilio_server.WHATSAPP}
    return Row(
        sending("twilio", to, lambda text: Text(body=text), account, channel, **numbers),
        in_each_mood(phones)
        | {
            "accepts": Mood(phones(), Result.SENT, retry_after=5.0),
            "throttles": Mood(
                phones(answer=twilio_server.failed(429, 20429, "Too Many Requests", retry_after="17")),
                Result.RETRYABLE, "twilio_20429", retry_after=17.0,
            ),
            "refuses": Mood(
                phones(answer=twilio_server.failed(400, 21610, "unsubscribed")), Result.PERMANENT, "twilio_21610"
            ),
            "has another number": Mood(
                phones(answer=twilio_server.failed(400, 21606, "not yours")), Result.RETRYABLE, "twilio_21606"
            ),
        },
        longest=twilio_server.LONGEST,
    )  # fmt: skip


# -- push


def firebase(*, wrong: bool = False, **more: Any) -> Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]:
    """Firebase in a mood."""
    ends = {name: more.pop(name) for name in ("false", "gone") if name in more}
    make = more.pop("make", lambda: Firebase(**more))

    def place(origin: str) -> dict[str, Any]:
        account = fcm_server.service_account(origin, "guessed" if wrong else "shop")
        return {"apiUrl": origin, "credentials": {"service-account.json": account}}

    return chat(make, place, **ends)


@asynccontextmanager
async def private_firebase(_: trustme.CA) -> AsyncIterator[Counterpart]:
    """At an address that the guard keeps closed."""
    place = {"credentials": {"service-account.json": fcm_server.service_account("http://10.0.0.7")}}
    yield Counterpart(place, list, asyncio.Event(), asyncio.Event())


PUSH = Row(
    sending("fcm", fcm_server.DEVICE, lambda text: Push(body=text), {}),
    in_each_mood(firebase)
    | {
        "is private": Mood(private_firebase, Result.RETRYABLE, "address_refused"),
        "throttles": Mood(
            firebase(
                answer=fcm_server.failed(429, "RESOURCE_EXHAUSTED", "slow down", "QUOTA_EXCEEDED", retry_after="17")
            ),
            Result.RETRYABLE, "fcm_quota_exceeded", retry_after=17.0,
        ),
        "throttles without a time": Mood(
            firebase(answer=fcm_server.failed(429, "RESOURCE_EXHAUSTED", "slow down", "QUOTA_EXCEEDED")),
            Result.RETRYABLE, "fcm_quota_exceeded", retry_after=60.0,
        ),
        "is overloaded": Mood(
            firebase(answer=fcm_server.failed(503, "UNAVAILABLE", "later", "UNAVAILABLE", retry_after="3")),
            Result.RETRYABLE, "fcm_unavailable", retry_after=3.0,
        ),
        "lacks the certificate for Apple": Mood(
            firebase(
                answer=fcm_server.failed(401, "UNAUTHENTICATED", "Auth error from APNS", "THIRD_PARTY_AUTH_ERROR")
            ),
            Result.RETRYABLE, "fcm_third_party_auth_error",
        ),
        "refuses": Mood(
            firebase(answer=fcm_server.failed(403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH")),
            Result.PERMANENT, "fcm_sender_id_mismatch",
        ),
        "knows the device no more": Mood(
            firebase(answer=fcm_server.failed(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")),
            Result.PERMANENT, "fcm_unregistered", gone=True,
        ),
        "knows no such project": Mood(
            firebase(answer=fcm_server.failed(404, "NOT_FOUND", "Requested entity was not found.")),
            Result.RETRYABLE, "fcm_not_found",
        ),
    },
    longest=3900,
)  # fmt: skip

CHANNELS = {
    "webhook": WEBHOOKS,
    "smtp": E_MAIL,
    "slack": SLACK,
    "slack by webhook": SLACK_BY_WEBHOOK,
    "telegram": TELEGRAM,
    "apprise": APPRISE,
    "sms": texts("sms", twilio_server.JANE),
    "whatsapp": texts("whatsapp", twilio_server.JANE),
    "push": PUSH,
}


@pytest.fixture(params=CHANNELS, ids=str)
def row(request: pytest.FixtureRequest) -> Row:
    """Each channel in turn."""
    return CHANNELS[request.param]


@pytest.fixture
async def attempt(row: Row, ca_file: str) -> AsyncIterator[Try]:
    """An attempt of it."""
    async with row.attempts(ca_file) as attempt:
        yield attempt


@pytest.mark.parametrize(
    ("name", "mood"), [(f"{name} {mood}", (name, mood)) for name, row in CHANNELS.items() for mood in row.moods]
)
async def test_each_mood_is_told_as_what_it_is(
    name: str, mood: tuple[str, str], ca_file: str, authority: trustme.CA
) -> None:
    row, expected = CHANNELS[mood[0]], CHANNELS[mood[0]].moods[mood[1]]
    async with row.attempts(ca_file) as attempt, expected.other(authority) as other:
        said = await attempt("hello", other, 0.3 if mood[1] == "is silent" else 20)
    assert (said.result, said.reason, said.retry_after, said.gone) == (
        expected.result, expected.reason, expected.retry_after, expected.gone
    ), said  # fmt: skip
    assert bool(said.detail) == (said.result not in TAKEN)
    assert len(json.dumps(said.response)) < 20_000


@pytest.mark.parametrize(
    "text", ["Grüße, 世界, \u2028, 🚀", "x" * 200_000, "a\n.\n..\nb", "="], ids=lambda text: text[:12]
)
async def test_content_arrives_as_it_is(attempt: Try, row: Row, authority: trustme.CA, text: str) -> None:
    text = text[: row.longest]
    async with row.moods["accepts"].other(authority) as other:
        assert (await attempt(text, other, 20)).result in TAKEN
        assert other.got() == [text]


async def test_nothing_is_told_to_an_impostor(attempt: Try, row: Row, authority: trustme.CA) -> None:
    async with row.moods["is an impostor"].other(authority) as other:
        await attempt("secret", other, 20)
        assert other.got() == []


async def test_closed_addresses_are_named(attempt: Try, row: Row, authority: trustme.CA) -> None:
    async with row.moods["is private"].other(authority) as other:
        assert "10.0.0.7 is a private address" in (await attempt("hello", other, 20)).detail


async def test_cancelling_hangs_up(attempt: Try, row: Row, authority: trustme.CA) -> None:
    async with row.moods["is silent"].other(authority) as other:
        task = asyncio.ensure_future(attempt("hello", other, 60))
        await other.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(20):
            await other.hung_up.wait()


async def test_many_at_once(attempt: Try, row: Row, authority: trustme.CA) -> None:
    async with row.moods["accepts"].other(authority) as other:
        said = await asyncio.gather(*[attempt(f"text {number}", other, 20) for number in range(50)])
        assert {each.result for each in said} <= TAKEN
        assert sorted(other.got()) == sorted(f"text {number}" for number in range(50))
