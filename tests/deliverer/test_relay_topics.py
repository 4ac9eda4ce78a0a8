"""What was posted to a topic, through a real deliverer: each target gets its part, by the provider that is named."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.deliverer.mail_server import Mailbox, mail_server
from tests.deliverer.receivers import Receiver, reply
from tests.deliverer.world import SEAL_KEY, SIGNING_KEY, SOON, World, callback, deliverer, settings, world

from angarium.contents import Email
from angarium.identifiers import route_id
from angarium.notifications import DeliveryState, Notification, Priority, Target
from angarium.queue import Intake, Ledger
from angarium.records import ProviderRecord
from angarium.sealing import Sealer
from angarium.settings import RedisSettings
from angarium.topics import FIRST, write_post

PAYLOAD = b'{"type":"orders.paid","timestamp":"2026-11-21T08:00:00Z","data":{"order": 12345678901234567890123}}'
CONTENTS = [Email(subject="To the customer", text="Thank you."), Email(subject="To us", text="Money!")]


def provider(name: str, port: int, **more: Any) -> ProviderRecord:
    """A mail server of the shop."""
    return ProviderRecord(
        namespace="shop", name=name, id=f"prv_{name}", product_id="prd_shop", type="smtp", channels=("email",),
        settings={"host": "127.0.0.1", "port": port, "tls": "None", "from": "shop@example.com"}, timeout_s=5.0,
        sealed_credentials=Sealer([SEAL_KEY]).seal(b"{}"), **{"retry_schedule_s": (0.05, 0.05)} | more,
    )  # fmt: skip


async def post(shop: World, *targets: Target) -> Notification:
    """Accept a post, as the gateway does."""
    intake, now = Intake(shop.queue), time.time_ns() // 1_000_000
    notification = Notification(
        intake.new_id("prd_shop", None, now), "prd_shop", "shop/shop", "orders.paid",
        write_post(PAYLOAD, {}, list(CONTENTS)), Priority.NORMAL, now, targets,
    )  # fmt: skip
    await intake.enqueue(notification)
    return notification


def mail(name: str, to: str, content: int = FIRST) -> Target:
    """A recipient by a provider of that name."""
    return Target(route_id("prd_shop", "email", f"shop/{name}"), "email", to, content)


@pytest.fixture
async def shop(redis_settings: RedisSettings) -> AsyncIterator[World]:
    """An empty store."""
    async with world(redis_settings) as shop:
        yield shop


async def test_recipients_and_callbacks_get_their_own_of_one_post(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox, Receiver(reply(200)) as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse, provider("main", mailbox.port))
        async with deliverer(settings(shop.redis)):
            target = Target(warehouse.id, "shop/warehouse")
            posted = await post(
                shop, mail("main", "jane@example.com"), target, mail("main", "us@example.com", FIRST + 1)
            )
            stored = await shop.settled(posted)
    assert {each.state for each in stored.deliveries} == {DeliveryState.DELIVERED}
    subjects = {recipient: data for _, _, recipient, data in mailbox.got}
    assert b"Subject: To the customer" in subjects["jane@example.com"]
    assert b"Subject: To us" in subjects["us@example.com"]
    [request] = receiver.requests
    assert request.body == PAYLOAD
    assert request.headers["webhook-id"] == stored.deliveries[1].id
    Webhook(SIGNING_KEY).verify(request.body, request.headers)


async def test_the_provider_that_is_named_is_asked_and_no_other(shop: World) -> None:
    async with mail_server(Mailbox(rcpt="450 busy")) as named, mail_server(Mailbox()) as other:
        await shop.declare(provider("main", other.port, priority=10), provider("named", named.port))
        async with deliverer(settings(shop.redis)):
            posted = await post(shop, mail("named", "jane@example.com"))
            stored = await shop.settled(posted)
            told = await Ledger(shop.queue).timeline(posted.id)
    assert [(each.state, each.reason) for each in stored.deliveries] == [(DeliveryState.DEAD, "smtp_450")]
    assert {entry["response"]["provider"] for entry in told} == {"named"}
    assert other.got == []


async def test_while_it_is_away_what_is_for_it_waits(shop: World) -> None:
    async with mail_server(Mailbox()) as other, mail_server(Mailbox()) as named:
        await shop.declare(provider("main", other.port, retry_schedule_s=(0.05,) * 100))
        async with deliverer(settings(shop.redis, pod="d-1")):
            posted = await post(shop, mail("named", "jane@example.com"))
            async with asyncio.timeout(SOON):
                while not (told := await Ledger(shop.queue).timeline(posted.id)):
                    await asyncio.sleep(0.01)
            assert told[0]["reason"] == "no_provider"
    assert (other.got, named.got) == ([], [])
