"""Messages through a real deliverer to a real mail server: retries, failover, expiry, and what the timeline tells."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from tests.deliverer.fcm_server import DEVICE, Firebase, service_account
from tests.deliverer.mail_server import Mailbox, mail_server
from tests.deliverer.receivers import Receiver
from tests.deliverer.world import SEAL_KEY, SOON, World, deliverer, settings, world

from angarium.contents import Content, Email, Push, write_contents
from angarium.identifiers import route_id
from angarium.notifications import DeliveryState, Notification, Priority, Stored, Target
from angarium.people import People, Reference, Registry
from angarium.queue import Census, Intake, Ledger
from angarium.records import OrganizationRecord, ProductRecord, ProviderRecord
from angarium.sealing import Sealer
from angarium.settings import RedisSettings

ROUTE = route_id("prd_shop", "email")
SHOP = ProductRecord(namespace="shop", name="shop", id="prd_shop")
ACME = OrganizationRecord(namespace="shop", name="acme", id="org_acme", product_id="prd_shop", product="shop/shop")
MAIL = Email(subject="Order", text="On its way.")
NONE = Sealer([SEAL_KEY]).seal(b"{}")


def provider(name: str, port: int, **more: Any) -> ProviderRecord:
    """A mail server of the shop."""
    place = {"host": "127.0.0.1", "port": port, "tls": "None", "from": "shop@example.com"}
    fields: dict[str, Any] = {"retry_schedule_s": (0.05, 0.05), "timeout_s": 5.0, "sealed_credentials": NONE} | more
    return ProviderRecord(
        namespace="shop", name=name, id=f"prv_{name}", product_id="prd_shop", type="smtp", channels=("email",),
        settings=place, **fields,
    )  # fmt: skip


async def send(
    shop: World, *to: str, tenant: str = "prd_shop", channel: str = "email", content: Content = MAIL, **more: Any
) -> Notification:
    """Accept a message, as the gateway does."""
    intake, now = Intake(shop.queue), time.time_ns() // 1_000_000
    targets = tuple(Target(route_id(tenant, channel), channel, address) for address in to)
    notification = Notification(
        intake.new_id(tenant, None, now), tenant, "shop/shop", f"message.{channel}",
        write_contents([content]), Priority.NORMAL, now, targets, **more,
    )  # fmt: skip
    await intake.enqueue(notification)
    return notification


@pytest.fixture
async def shop(redis_settings: RedisSettings) -> AsyncIterator[World]:
    """An empty store."""
    async with world(redis_settings) as shop:
        yield shop


async def attempts(shop: World, notification: Notification) -> list[dict[str, Any]]:
    """What the timeline tells of them, once there is one."""
    async with asyncio.timeout(SOON):
        while True:
            entries = await Ledger(shop.queue).timeline(notification.id)
            if found := [entry for entry in entries if entry["type"] == "attempt"]:
                return found
            await asyncio.sleep(0.01)


def states(stored: Stored) -> list[str]:
    """Of each delivery."""
    return [delivery.state.value for delivery in stored.deliveries]


async def test_a_message_arrives_with_the_same_id_in_each_attempt(shop: World) -> None:
    async with mail_server(Mailbox(data="451 later")) as mailbox:
        await shop.declare(provider("main", mailbox.port, retry_schedule_s=(0.05,) * 50))
        async with deliverer(settings(shop.redis)):
            notification = await send(shop, "jane@example.com")
            await attempts(shop, notification)
            mailbox.data = "250 queued as 77"
            assert states(await shop.settled(notification)) == ["delivered"]
        told = await attempts(shop, notification)
    assert told[0]["reason"] == "smtp_451"
    assert told[-1]["response"] == {"provider": "main", "status": 250, "body": "queued as 77", "truncated": False}
    assert f"Message-ID: <{told[0]['delivery']}@example.com>".encode() in mailbox.got[0][3]


async def test_each_recipient_has_an_end_of_its_own(shop: World) -> None:
    async with mail_server(Mailbox(refused={"nobody@example.com": "550 5.1.1 no such user"})) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        async with deliverer(settings(shop.redis)):
            stored = await shop.settled(await send(shop, "jane@example.com", "nobody@example.com", "joe@example.com"))
    assert states(stored) == ["delivered", "refused", "delivered"]
    assert stored.status.value == "partial"
    assert stored.deliveries[1].reason == "smtp_550"


async def test_where_one_provider_fails_the_next_is_tried_at_once(shop: World) -> None:
    async with mail_server(Mailbox(rcpt="450 busy")) as first, mail_server(Mailbox()) as second:
        await shop.declare(provider("backup", second.port), provider("main", first.port, priority=10))
        async with deliverer(settings(shop.redis)):
            notification = await send(shop, "jane@example.com")
            assert states(await shop.settled(notification)) == ["delivered"]
        [told] = await attempts(shop, notification)
    assert told["response"]["provider"] == "backup"
    assert told["response"]["failedOver"] == ["main: 450 busy"]


async def test_what_one_provider_refuses_for_good_no_other_is_asked(shop: World) -> None:
    async with mail_server(Mailbox(rcpt="550 no")) as first, mail_server(Mailbox()) as second:
        await shop.declare(provider("backup", second.port), provider("main", first.port, priority=10))
        async with deliverer(settings(shop.redis)):
            assert states(await shop.settled(await send(shop, "jane@example.com"))) == ["refused"]
    assert second.got == []


async def test_without_a_provider_it_waits_and_says_so(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("other", mailbox.port).model_copy(update={"product_id": "prd_other"}))
        async with deliverer(settings(shop.redis)):
            told = await attempts(shop, await send(shop, "jane@example.com"))
    assert (told[0]["reason"], told[0]["outcome"]) == ("no_provider", "retry")
    assert mailbox.got == []


async def test_what_has_expired_is_refused_and_not_sent(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        notification = await send(shop, "jane@example.com", expires_ms=time.time_ns() // 1_000_000 - 1)
        async with deliverer(settings(shop.redis)):
            stored = await shop.settled(notification)
    assert [(each.state, each.reason) for each in stored.deliveries] == [(DeliveryState.REFUSED, "expired")]
    assert mailbox.got == []


async def test_what_would_be_retried_after_its_expiry_is_refused(shop: World) -> None:
    async with mail_server(Mailbox(rcpt="450 busy")) as mailbox:
        await shop.declare(provider("main", mailbox.port, retry_schedule_s=(3600.0,)))
        async with deliverer(settings(shop.redis)):
            expires = time.time_ns() // 1_000_000 + 600_000
            stored = await shop.settled(await send(shop, "jane@example.com", expires_ms=expires))
    assert [(each.state, each.reason) for each in stored.deliveries] == [(DeliveryState.REFUSED, "expired")]


async def test_a_new_password_is_used_at_once(shop: World) -> None:
    async with mail_server(Mailbox(), auth=True, require_tls=False) as mailbox:
        wrong, right = (
            provider(
                "main", mailbox.port, retry_schedule_s=(0.2,) * 50,
                sealed_credentials=Sealer([SEAL_KEY]).seal(orjson.dumps({"username": "shop", "password": password})),
            )
            for password in ("guessed", "sesame")
        )  # fmt: skip
        await shop.declare(wrong)
        async with deliverer(settings(shop.redis)):
            notification = await send(shop, "jane@example.com")
            assert (await attempts(shop, notification))[0]["reason"] == "authentication_failed"
            await shop.declare(right)
            assert states(await shop.settled(notification)) == ["delivered"]


async def test_all_tenants_of_a_product_share_the_rate_of_its_provider(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(ACME, provider("main", mailbox.port, rate_requests=2, rate_period_s=7200.0))
        async with deliverer(settings(shop.redis)):
            sent = [await send(shop, "jane@example.com", tenant=tenant) for tenant in ("prd_shop", ACME.id)]
            await shop.standing(delivered=1, waiting=1)
            async with asyncio.timeout(SOON):
                while not (backlog := await Census(shop.queue).backlog()).scheduled:
                    await asyncio.sleep(0.01)
        assert backlog.counters["delivered"] == len(mailbox.got) == 1
        stored = [await shop.stored(one) for one in sent]
    found = sorted((each.state.value, each.attempts) for one in stored for each in one.deliveries)
    assert found == [("delivered", 1), ("waiting", 0)]


async def test_beyond_the_rate_messages_of_one_tenant_wait_in_their_line(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(SHOP, provider("main", mailbox.port, rate_requests=2, rate_period_s=7200.0))
        async with deliverer(settings(shop.redis)):
            await send(shop, *[f"{number}@example.com" for number in range(20)])
            await shop.standing(delivered=1, waiting=19)
            backlog = await Census(shop.queue).backlog()
    assert (backlog.scheduled, backlog.parked, len(mailbox.got)) == (0, 19, 1)


async def test_a_suspended_provider_holds_what_waits_for_it_until_it_goes_on(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(SHOP, provider("main", mailbox.port, suspended=True))
        async with deliverer(settings(shop.redis)):
            await shop.applied()
            notification = await send(shop, "jane@example.com")
            async with asyncio.timeout(SOON):
                while not (await Census(shop.queue).backlog()).parked:
                    await asyncio.sleep(0.01)
            await shop.declare(provider("main", mailbox.port))
            stored = await shop.settled(notification)
    assert [(each.state, each.attempts) for each in stored.deliveries] == [(DeliveryState.DELIVERED, 1)]


async def test_a_device_that_is_gone_is_forgotten(shop: World) -> None:
    firebase = Firebase(gone=(DEVICE,))
    async with Receiver(firebase) as it:
        origin = it.url.removesuffix("/hooks")
        sealed = Sealer([SEAL_KEY]).seal(orjson.dumps({"service-account.json": service_account(origin)}))
        push = ProviderRecord(
            namespace="shop", name="push", id="prv_push", product_id="prd_shop", type="fcm", channels=("push",),
            settings={"apiUrl": origin}, sealed_credentials=sealed,
        )  # fmt: skip
        registry, people = Registry(shop.queue.link), People(shop.queue.link)
        await registry.save("prd_shop", [{"key": "jane", "devices": [{"token": DEVICE, "platform": "ios"}]}])
        await shop.declare(push)
        async with deliverer(settings(shop.redis)):
            notification = await send(shop, DEVICE, channel="push", content=Push(body="On its way."))
            stored = await shop.settled(notification)
        assert [(each.state, each.reason) for each in stored.deliveries] == [
            (DeliveryState.REFUSED, "fcm_unregistered")
        ]
        jane = await people.user("prd_shop", Reference("key", "jane"))
    assert jane is not None
    assert jane.devices == ()


async def test_a_changed_service_account_gets_tokens_of_its_own(shop: World) -> None:
    firebase = Firebase()

    def push(origin: str, key: str) -> ProviderRecord:
        held = {"service-account.json": service_account(origin, key)}
        return ProviderRecord(
            namespace="shop", name="push", id="prv_push", product_id="prd_shop", type="fcm", channels=("push",),
            settings={"apiUrl": origin}, sealed_credentials=Sealer([SEAL_KEY]).seal(orjson.dumps(held)),
            retry_schedule_s=(0.2,) * 50,
        )  # fmt: skip

    async with Receiver(firebase) as it, deliverer(settings(shop.redis)):
        origin, hello = it.url.removesuffix("/hooks"), Push(body="On its way.")
        await shop.declare(push(origin, "shop"))
        await shop.settled(await send(shop, DEVICE, channel="push", content=hello))
        await shop.declare(push(origin, "guessed"))
        await shop.applied()
        notification = await send(shop, DEVICE, channel="push", content=hello)
        assert (await attempts(shop, notification))[0]["reason"] == "authentication_failed"
        await shop.declare(push(origin, "shop"))
        assert states(await shop.settled(notification)) == ["delivered"]
    assert len(firebase.tokens) == 2
