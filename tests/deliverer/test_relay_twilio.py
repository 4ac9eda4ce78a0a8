"""SMS and WhatsApp through a real deliverer to a server that behaves as Twilio: taken, asked after, and never twice."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.deliverer import twilio_server as twilio
from tests.deliverer.receivers import reply
from tests.deliverer.texting import NUMBERS, account, hasten, provider, text, told
from tests.deliverer.twilio_server import JANE, Twilio, failed
from tests.deliverer.world import SOON, World, deliverer, process, settings, world

from angarium.contents import Template, Text
from angarium.notifications import Delivery, Result
from angarium.settings import RedisSettings
from angarium_deliverer.channels.twilio_codes import HOUR, follow


@pytest.fixture
async def shop(redis_settings: RedisSettings) -> AsyncIterator[World]:
    """An empty store."""
    async with world(redis_settings) as shop:
        yield shop


def end(delivery: Delivery) -> tuple[str, str, int]:
    """State, reason and attempts."""
    return delivery.state.value, delivery.reason, delivery.attempts


async def test_what_was_sent_is_asked_after_until_it_arrives(shop: World) -> None:
    server = Twilio()
    async with account(server) as origin:
        await shop.declare(provider(origin))
        async with deliverer(settings(shop.redis)):
            notification = await text(shop, JANE)
            sent = await told(shop, notification, outcome="sent")
            assert (sent["response"]["provider"], sent["response"]["status"]) == ("main", 201)
            await hasten(shop, notification)
            async with asyncio.timeout(SOON):
                while not server.looks:
                    await asyncio.sleep(0.01)
            [sid] = server.messages
            server.tell(sid, "delivered")
            await hasten(shop, notification)
            [delivery] = (await shop.settled(notification)).deliveries
    assert end(delivery) == ("delivered", "", 1)
    assert server.forms == [{"To": JANE, "From": twilio.FROM, "Body": "Your order is on its way."}]


async def test_what_the_carrier_could_not_deliver_is_refused(shop: World) -> None:
    server = Twilio(status="sent")
    async with account(server) as origin:
        await shop.declare(provider(origin))
        async with deliverer(settings(shop.redis)):
            notification = await text(shop, JANE)
            await told(shop, notification, outcome="sent")
            server.tell(next(iter(server.messages)), "undelivered", 30003)
            await hasten(shop, notification)
            [delivery] = (await shop.settled(notification)).deliveries
    assert end(delivery) == ("refused", "twilio_30003", 1)


async def test_whatsapp_and_templates_go_by_the_same_account(shop: World) -> None:
    server, content = Twilio(), Text(template=Template(id=twilio.TEMPLATE, variables={"1": "Jane", "2": "ä"}))
    login = {"account-sid": twilio.ACCOUNT, "api-key-sid": twilio.KEY, "api-key-secret": twilio.KEY_SECRET}
    async with account(server) as origin:
        await shop.declare(provider(origin, login=login))
        async with deliverer(settings(shop.redis, public_url="https://notify.example.com")):
            await told(shop, await text(shop, JANE, channel="whatsapp", content=content), outcome="sent")
    [form] = server.forms
    assert form == {
        "To": f"whatsapp:{JANE}", "From": f"whatsapp:{twilio.WHATSAPP}", "ContentSid": twilio.TEMPLATE,
        "ContentVariables": '{"1":"Jane","2":"ä"}',
    }  # fmt: skip


async def test_a_service_chooses_the_sender_and_expiry_is_its_validity(shop: World) -> None:
    server = Twilio()
    async with account(server) as origin:
        await shop.declare(provider(origin, settings={"messagingServiceSid": twilio.SERVICE}))
        async with deliverer(settings(shop.redis, public_url="https://notify.example.com/")):
            notification = await text(shop, JANE, expires_ms=time.time_ns() // 1_000_000 + 600_000)
            await told(shop, notification, outcome="sent")
    [form] = server.forms
    assert form["MessagingServiceSid"] == twilio.SERVICE
    assert 500 < int(form["ValidityPeriod"]) <= 600
    assert form["StatusCallback"].startswith("https://notify.example.com/v1/providers/prv_main/status?delivery=dlv_")


async def test_what_was_sent_before_a_time_out_is_found_and_not_sent_again(shop: World) -> None:
    server = Twilio(lost=True)
    async with account(server) as origin:
        await shop.declare(provider(origin, timeout_s=0.3))
        async with deliverer(settings(shop.redis)):
            notification = await text(shop, JANE)
            failure = await told(shop, notification, outcome="retry")
            found = await told(shop, notification, outcome="sent")
            server.tell(next(iter(server.messages)), "delivered")
            await hasten(shop, notification)
            [delivery] = (await shop.settled(notification)).deliveries
    assert (failure["reason"], found["detail"]) == ("timeout", "it had been sent before")
    assert end(delivery) == ("delivered", "", 2)
    assert len(server.forms) == 1


async def test_what_was_not_sent_before_a_time_out_is_sent_whoever_else_wrote_to_them(shop: World) -> None:
    server = Twilio()
    async with account(server) as origin:
        await shop.declare(provider(origin, timeout_s=0.3))
        async with deliverer(settings(shop.redis)):
            await told(shop, await text(shop, JANE, content=Text(body="Something else.")), outcome="sent")
            await told(shop, await text(shop, JANE), outcome="sent")
            for each in server.messages.values():  # the same text, but long ago
                each["date_created"] = "Tue, 18 Aug 2026 08:00:00 +0000"
            server.silent = True
            notification = await text(shop, JANE)
            await told(shop, notification, outcome="retry", reason="timeout")
            server.silent = False
            await told(shop, notification, outcome="sent")
    assert len(server.forms) == 3


async def test_a_deliverer_killed_while_it_sends_leaves_nothing_to_be_sent_twice(shop: World) -> None:
    server = Twilio(lost=True)
    async with account(server) as origin:
        await shop.declare(provider(origin, timeout_s=30.0))
        async with process(shop.redis, "d-dies") as child:
            notification = await text(shop, JANE)
            async with asyncio.timeout(SOON):
                await server.asked.wait()
            child.kill()
            await child.wait()
        async with deliverer(settings(shop.redis, pod="d-heir")):
            found = await told(shop, notification, outcome="sent")
    assert (found["number"], found["recoveries"], found["detail"]) == (1, 1, "it had been sent before")
    assert len(server.forms) == 1


@pytest.mark.parametrize(("to", "reason"), [(twilio.UNSUBSCRIBED, "twilio_21610"), (twilio.NO_NUMBER, "twilio_21211")])
async def test_what_is_the_recipients_is_refused_and_no_other_provider_asked(shop: World, to: str, reason: str) -> None:
    first, second = Twilio(), Twilio()
    async with account(first) as origin, account(second) as other:
        await shop.declare(provider(origin, priority=10), provider(other, "backup"))
        async with deliverer(settings(shop.redis)):
            [delivery] = (await shop.settled(await text(shop, to))).deliveries
    assert end(delivery) == ("refused", reason, 1)
    assert second.forms == []


@pytest.mark.parametrize(
    "answer", [reply(503, b"busy"), failed(429, 20429, "Too Many Requests"), failed(401, 20003, "Authenticate")]
)
async def test_where_nothing_was_taken_on_another_provider_sends_at_once(shop: World, answer: bytes) -> None:
    first, second = Twilio(answer=answer), Twilio()
    async with account(first) as origin, account(second) as other:
        await shop.declare(provider(origin, priority=10), provider(other, "backup"))
        async with deliverer(settings(shop.redis)):
            sent = await told(shop, await text(shop, JANE), outcome="sent")
    assert sent["response"]["provider"] == "backup"
    assert len(second.forms) == 1


async def test_who_sent_it_is_asked_also_while_suspended_and_nobody_sends_it_again(shop: World) -> None:
    first, second = Twilio(), Twilio()
    async with account(first) as origin, account(second) as other:
        await shop.declare(provider(origin, priority=10), provider(other, "backup"))
        async with deliverer(settings(shop.redis)):
            asked, lost = await text(shop, JANE), await text(shop, JANE)
            await told(shop, asked, outcome="sent")
            await told(shop, lost, outcome="sent")
            await shop.declare(provider(origin, priority=10, suspended=True))
            await shop.applied()
            for sid in first.messages:
                first.tell(sid, "delivered")
            await hasten(shop, asked)
            [one] = (await shop.settled(asked)).deliveries
            await shop.declare(deleted=("provider/shop/main",))
            await shop.applied()
            await hasten(shop, lost)
            [other_one] = (await shop.settled(lost)).deliveries
        entry = await told(shop, lost, outcome="delivered")
    assert (end(one), end(other_one)) == (("delivered", "", 1), ("delivered", "", 1))
    assert entry["response"]["unconfirmed"] is True
    assert second.forms == []


MINUTE = HOUR / 60


@pytest.mark.parametrize(
    ("status", "code", "age", "asked_back", "result", "reason", "after"),
    [
        ("queued", None, 0, False, Result.SENT, "", 5),
        ("queued", None, 0, True, Result.SENT, "", 60),
        ("sent", None, MINUTE, True, Result.SENT, "", 180),
        ("sent", None, 3 * HOUR, True, Result.SENT, "", 1800),
        ("sent", None, 4 * HOUR, True, Result.DELIVERED, "", None),
        ("queued", None, 4 * HOUR, True, Result.SENT, "", 1800),
        ("queued", None, 24 * HOUR, True, Result.PERMANENT, "twilio_undecided", None),
        ("delivered", None, 0, True, Result.DELIVERED, "", None),
        ("read", None, 0, True, Result.DELIVERED, "", None),
        ("failed", 30007, 0, True, Result.PERMANENT, "twilio_30007", None),
        ("undelivered", None, 0, True, Result.PERMANENT, "twilio_undelivered", None),
        ("canceled", None, 0, True, Result.PERMANENT, "twilio_canceled", None),
    ],
)
def test_what_twilio_says_of_a_message_decides(
    status: str, code: int | None, age: float, asked_back: bool, result: Result, reason: str, after: float | None
) -> None:
    outcome = follow(status, code, age, asked_back)
    assert (outcome.result, outcome.reason, outcome.retry_after) == (result, reason, after)
    unconfirmed: Any = (outcome.response or {}).get("unconfirmed", False)
    assert unconfirmed == (status == "sent" and result is Result.DELIVERED)


async def test_numbers_that_are_missing_are_the_accounts_and_wait(shop: World) -> None:
    server = Twilio()
    async with account(server) as origin:
        await shop.declare(provider(origin, settings=NUMBERS | {"from": "+15005550001"}))
        async with deliverer(settings(shop.redis)):
            notification = await text(shop, JANE)
            await told(shop, notification, outcome="retry", reason="twilio_21606")
            await shop.declare(provider(origin))
            await told(shop, notification, outcome="sent")
    assert len(server.forms) == 1
