"""What tests of SMS and WhatsApp share: a shop with a Twilio account, and messages of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from tests.deliverer import twilio_server as twilio
from tests.deliverer.receivers import Receiver
from tests.deliverer.twilio_server import Twilio
from tests.deliverer.world import SEAL_KEY, SOON, World

from angarium.contents import Text, write_contents
from angarium.identifiers import route_id
from angarium.notifications import Notification, Priority, Target
from angarium.queue import Intake, Ledger
from angarium.records import ProviderRecord
from angarium.sealing import Sealer

LOGIN = {"account-sid": twilio.ACCOUNT, "auth-token": twilio.TOKEN}
NUMBERS = {"from": twilio.FROM, "whatsappFrom": twilio.WHATSAPP}


@asynccontextmanager
async def account(server: Twilio) -> AsyncIterator[str]:
    """Where Twilio's API is."""
    async with Receiver(server) as receiver:
        yield receiver.url.removesuffix("/hooks")


def provider(origin: str, name: str = "main", **more: Any) -> ProviderRecord:
    """An account of the shop's; `login` and `settings` on top of the usual ones."""
    login, settings = more.pop("login", LOGIN), more.pop("settings", NUMBERS)
    fields: dict[str, Any] = {"retry_schedule_s": (0.05,) * 20, "timeout_s": 5.0, "product_id": "prd_shop"} | more
    return ProviderRecord(
        namespace="shop", name=name, id=f"prv_{name}", type="twilio", channels=("sms", "whatsapp"),
        settings={"apiUrl": origin} | settings, sealed_credentials=Sealer([SEAL_KEY]).seal(orjson.dumps(login)),
        **fields,
    )  # fmt: skip


async def text(shop: World, *to: str, channel: str = "sms", content: Text | None = None, **more: Any) -> Notification:
    """Accept a message, as the gateway does."""
    intake, now = Intake(shop.queue), time.time_ns() // 1_000_000
    targets = tuple(Target(route_id("prd_shop", channel), channel, address) for address in to)
    notification = Notification(
        intake.new_id("prd_shop", None, now), "prd_shop", "shop/shop", f"message.{channel}",
        write_contents([content or Text(body="Your order is on its way.")]), Priority.NORMAL, now, targets, **more,
    )  # fmt: skip
    await intake.enqueue(notification)
    return notification


async def told(shop: World, notification: Notification, **members: Any) -> dict[str, Any]:
    """The first entry of the timeline that is like this, once there is one."""
    async with asyncio.timeout(SOON):
        while True:
            for entry in await Ledger(shop.queue).timeline(notification.id):
                if members.items() <= entry.items():
                    return entry
            await asyncio.sleep(0.01)


async def hasten(shop: World, notification: Notification) -> None:
    """What is scheduled is due now."""
    count = len(notification.targets)
    async with asyncio.timeout(SOON):
        while "hastened" not in await Intake(shop.queue).redrive(notification, list(range(count)), b'{"type":"again"}'):
            await asyncio.sleep(0.01)
