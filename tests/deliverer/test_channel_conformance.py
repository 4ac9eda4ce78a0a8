"""What every channel keeps to. Another channel is one more row in CHANNELS and one more Counterpart."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
import trustme
from tests.deliverer.conftest import LOCAL, server_tls
from tests.deliverer.receivers import NO_CONTENT, Receiver, reply

from angarium.notifications import Attempt, Notification, Outcome, Priority, Result, Target
from angarium.records import CallbackRecord
from angarium.signing import Signer, generate_hmac_key
from angarium_deliverer.channels import Channel
from angarium_deliverer.channels.webhook import Webhook
from angarium_deliverer.dialer import Dialer

SIGNER = Signer([generate_hmac_key()])


def attempt(data: object = None) -> Attempt:
    """The first try of a delivery of an event with this data."""
    body = json.dumps({"type": "order.paid", "data": data}, ensure_ascii=False).encode()
    target = Target("cbk_0", "shop/warehouse")
    notification = Notification(
        id="not_01KAH6ABCDEFGHJKMNPQRSTV00",
        tenant="prd_0",
        product="shop/shop",
        event="order.paid",
        body=body,
        priority=Priority.NORMAL,
        created_ms=1_763_692_800_000,
        targets=(target,),
    )
    return Attempt("dlv_01KAH6ABCDEFGHJKMNPQRSTV00_1", notification, target, 1)


def callback(url: str, timeout: float = 20) -> CallbackRecord:
    """One that points there."""
    return CallbackRecord(
        namespace="shop",
        name="warehouse",
        id="cbk_0",
        tenant="prd_0",
        product_id="prd_0",
        events=("**",),
        url=url,
        timeout_s=timeout,
    )


@dataclass
class Counterpart:
    """The other end in one mood: where it is, and what it got so far."""

    url: str
    got: Callable[[], list[bytes]]
    asked: asyncio.Event
    hung_up: asyncio.Event


@dataclass(frozen=True)
class Row:
    """A channel under test: how to make it, and how to bring its other end into each mood."""

    channel: Callable[[str], AbstractAsyncContextManager[Channel]]
    moods: Mapping[str, Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]]


@asynccontextmanager
async def webhook(ca_file: str) -> AsyncIterator[Channel]:
    """The channel as the deliverer makes it."""
    async with Dialer(LOCAL, ca_file=ca_file) as dialer:
        yield Webhook(dialer)


def receiver(answer: bytes) -> Callable[[trustme.CA], AbstractAsyncContextManager[Counterpart]]:
    """A receiver of webhooks that answers so."""

    @asynccontextmanager
    async def mood(_: trustme.CA) -> AsyncIterator[Counterpart]:
        async with Receiver(answer) as it:
            yield Counterpart(it.url, lambda: [request.body for request in it.requests], it.came, it.gone)

    return mood


@asynccontextmanager
async def nobody(_: trustme.CA) -> AsyncIterator[Counterpart]:
    """Nobody listens there any more."""
    async with Receiver() as it:
        url = it.url
    yield Counterpart(url, list, it.came, it.gone)


@asynccontextmanager
async def impostor(_: trustme.CA) -> AsyncIterator[Counterpart]:
    """Somebody whose certificate proves nothing."""
    async with Receiver(tls=server_tls(trustme.CA(), "127.0.0.1")) as it:
        yield Counterpart(it.url, lambda: [request.body for request in it.requests], it.came, it.gone)


@asynccontextmanager
async def private(_: trustme.CA) -> AsyncIterator[Counterpart]:
    """An address that the guard keeps closed."""
    yield Counterpart("http://10.0.0.7/", list, asyncio.Event(), asyncio.Event())


CHANNELS = {
    "webhook": Row(
        webhook,
        {
            "accepts": receiver(NO_CONTENT),
            "throttles": receiver(reply(429, b"slow down", retry_after="17")),
            "is down": receiver(reply(503, b"overloaded")),
            "is gone": receiver(reply(410)),
            "is silent": receiver(b""),
            "hangs up": receiver(b"nonsense\r\n\r\n"),
            "is absent": nobody,
            "is an impostor": impostor,
            "is private": private,
            "answers at length": receiver(reply(500, "ä".encode() * 100_000)),
        },
    )
}


@pytest.fixture(params=CHANNELS, ids=str)
def row(request: pytest.FixtureRequest) -> Row:
    """Each channel in turn."""
    return CHANNELS[request.param]


@pytest.fixture
async def channel(row: Row, ca_file: str) -> AsyncIterator[Channel]:
    """It."""
    async with row.channel(ca_file) as channel:
        yield channel


async def outcome(channel: Channel, row: Row, mood: str, authority: trustme.CA, seconds: float = 20) -> Outcome:
    """What the channel says of one attempt at an other end in this mood."""
    async with row.moods[mood](authority) as other:
        return await channel.deliver(attempt(), callback(other.url, seconds), SIGNER)


async def test_accepted_is_delivered(channel: Channel, row: Row, authority: trustme.CA) -> None:
    said = await outcome(channel, row, "accepts", authority)
    assert (said.result, said.reason, said.gone) == (Result.DELIVERED, "", False)


@pytest.mark.parametrize(
    "data", ["Grüße, 世界, 🚀, \u0000 \u2028", "x" * 262_144, {"n": [1.5, None, True]}, ""], ids=repr
)
async def test_content_arrives_as_it_is(channel: Channel, row: Row, authority: trustme.CA, data: object) -> None:
    async with row.moods["accepts"](authority) as other:
        made = attempt(data)
        assert (await channel.deliver(made, callback(other.url), SIGNER)).result is Result.DELIVERED
        assert other.got() == [made.notification.body]


async def test_throttling_is_retryable_and_says_when(channel: Channel, row: Row, authority: trustme.CA) -> None:
    said = await outcome(channel, row, "throttles", authority)
    assert (said.result, said.retry_after) == (Result.RETRYABLE, 17.0)


@pytest.mark.parametrize("mood", ["is down", "is silent", "hangs up", "is absent", "is an impostor"])
async def test_what_may_get_better_is_retryable(channel: Channel, row: Row, authority: trustme.CA, mood: str) -> None:
    said = await outcome(channel, row, mood, authority, seconds=0.2 if mood == "is silent" else 20)
    assert said.result is Result.RETRYABLE
    assert said.reason
    assert said.detail
    assert not said.gone


async def test_silence_is_called_a_timeout(channel: Channel, row: Row, authority: trustme.CA) -> None:
    assert (await outcome(channel, row, "is silent", authority, seconds=0.2)).reason == "timeout"


async def test_nothing_is_told_to_an_impostor(channel: Channel, row: Row, authority: trustme.CA) -> None:
    async with row.moods["is an impostor"](authority) as other:
        said = await channel.deliver(attempt(), callback(other.url), SIGNER)
        assert said.reason == "tls_error"
        assert other.got() == []


async def test_who_is_gone_gets_no_more(channel: Channel, row: Row, authority: trustme.CA) -> None:
    said = await outcome(channel, row, "is gone", authority)
    assert (said.result, said.reason, said.gone) == (Result.PERMANENT, "gone", True)


async def test_closed_addresses_are_permanent(channel: Channel, row: Row, authority: trustme.CA) -> None:
    said = await outcome(channel, row, "is private", authority)
    assert (said.result, said.reason) == (Result.PERMANENT, "address_refused")
    assert "10.0.0.7 is a private address" in said.detail


async def test_a_long_answer_is_cut(channel: Channel, row: Row, authority: trustme.CA) -> None:
    said = await outcome(channel, row, "answers at length", authority)
    assert said.response is not None
    assert said.response["truncated"] is True
    assert len(json.dumps(said.response)) < 20_000


async def test_cancelling_hangs_up(channel: Channel, row: Row, authority: trustme.CA) -> None:
    async with row.moods["is silent"](authority) as other:
        task = asyncio.create_task(channel.deliver(attempt(), callback(other.url, 60), SIGNER))
        await other.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await other.hung_up.wait()


async def test_many_at_once(channel: Channel, row: Row, authority: trustme.CA) -> None:
    async with row.moods["accepts"](authority) as other:
        made = [attempt(number) for number in range(100)]
        said = await asyncio.gather(*[channel.deliver(each, callback(other.url), SIGNER) for each in made])
        assert {each.result for each in said} == {Result.DELIVERED}
        assert sorted(other.got()) == sorted(each.notification.body for each in made)
