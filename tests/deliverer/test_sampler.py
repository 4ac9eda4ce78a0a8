"""What a deliverer's metrics say of the queue as a whole, and of what it delivers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from tests.deliverer.receivers import Receiver, reply
from tests.deliverer.world import World, callback, deliverer, settings, world

from angarium.config import ConfigTail
from angarium.notifications import Priority
from angarium.queue import Intake, Upkeep
from angarium.records import OrganizationRecord, ProductRecord
from angarium.settings import RedisSettings
from angarium_deliverer.reasons import bounded
from angarium_deliverer.sampler import Sampler

SHOP = ProductRecord(namespace="shop", name="shop", id="prd_shop")
SOUTH = OrganizationRecord(namespace="south", name="south", id="org_south", product_id="prd_shop", product="shop/shop")


@pytest.fixture
async def shop(redis_settings: RedisSettings) -> AsyncIterator[World]:
    async with world(redis_settings) as shop:
        yield shop


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


class Looker:
    """A deliverer that does nothing but sample."""

    def __init__(self, shop: World) -> None:
        self._tail = ConfigTail(shop.redis)
        self._sampler = Sampler(shop.queue, self._tail)

    async def look(self, *records: ProductRecord | OrganizationRecord) -> None:
        """One round, knowing these."""
        self._tail.records = {record.key: record for record in records}
        await self._sampler.step()


async def test_dead_letters_by_product_until_redriven_or_forgotten(shop: World) -> None:
    async with Receiver(reply(500)) as receiver:
        warehouse = callback("warehouse", receiver.url, retry_schedule_s=())
        south = callback("south", receiver.url, retry_schedule_s=(), tenant="org_south")
        await shop.declare(warehouse, south)
        async with deliverer(settings(shop.redis)):
            first = await shop.post(warehouse)
            for posted in (
                first,
                await shop.post(south, tenant="org_south"),
                await shop.post(warehouse, retention_s=0),
            ):
                await shop.settled(posted)
        looker = Looker(shop)
        await looker.look(SHOP, SOUTH)
        assert shown("angarium_dead_letters", product="shop/shop") == 3
        while not await Upkeep(shop.queue, "u").expire(shop.queue.shards[0]):
            await asyncio.sleep(0.05)  # Redis's clock is to reach the next second
        await Intake(shop.queue).redrive(first, [0], b'{"type":"redrive"}')
        await looker.look(SHOP, SOUTH)
        assert shown("angarium_dead_letters", product="shop/shop") == 1
        assert shown("angarium_product_backlog", product="shop/shop") == 1
        await looker.look()
        assert shown("angarium_dead_letters", product="deleted") == 1
        assert shown("angarium_dead_letters", product="shop/shop") is None  # what is gone is not shown


async def test_seconds_to_drain_grow_while_nobody_delivers(shop: World) -> None:
    async with Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        await Looker(shop).look()
        assert shown("angarium_backlog_drain_seconds") == 0
        await shop.post(warehouse)
        await asyncio.sleep(0.01)  # it gets older by that
        await Looker(shop).look()
        drain = shown("angarium_backlog_drain_seconds")
        assert drain is not None
        assert 0 < drain < 60


async def test_redis_memory_in_bytes(shop: World) -> None:
    await shop.queue.link.call("CONFIG", "SET", "maxmemory", 1 << 30)
    try:
        await Looker(shop).look()
    finally:
        await shop.queue.link.call("CONFIG", "SET", "maxmemory", 0)
    used = shown("angarium_redis_memory_used_bytes")
    assert used is not None
    assert shown("angarium_redis_memory_max_bytes") == 1 << 30
    assert shown("angarium_redis_memory_ratio") == pytest.approx(used / (1 << 30))


async def test_the_objective_counts_callbacks_that_did_not_fail(shop: World) -> None:
    failing = [reply(500), reply(200), reply(200)]

    async def answer(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(failing.pop(0))

    def counted() -> float:
        return shown("angarium_delivery_delay_seconds_count", priority="low") or 0

    async with Receiver(answer) as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis)):
            before = counted()
            await shop.settled(await shop.post(warehouse, priority=Priority.LOW))  # fails, then is delivered
            assert counted() == before + 1  # once, when its second attempt was due
            await shop.settled(await shop.post(warehouse, priority=Priority.LOW, test=True))
            assert counted() == before + 1  # a test is none


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("", ""),
        ("timeout", "timeout"),
        ("callback_deleted", "callback_deleted"),
        ("http_503", "http_503"),
        ("http_3xx", "http_3xx"),
        ("http_999", "http_other"),
        ("twilio_21610", "twilio_21610"),
        ("twilio_99999", "twilio_other"),
        ("fcm_unregistered", "fcm_unregistered"),
        ("fcm_whatever", "fcm_other"),
        ("smtp_550", "smtp_550"),
        ("smtp_599", "smtp_other"),
        ("telegram_403", "telegram_403"),
        ("telegram_499", "telegram_other"),
    ],
)
def test_reasons_that_others_invent_are_no_labels(reason: str, shown: str) -> None:
    assert bounded(reason) == shown
