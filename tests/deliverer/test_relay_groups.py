"""Messages to groups through a real deliverer: each member gets it once, and what became of all is summed up."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.deliverer.mail_server import Mailbox, mail_server
from tests.deliverer.test_relay_messages import provider
from tests.deliverer.world import SOON, World, deliverer, process, settings, world

from angarium.contents import Email, Push, write_by_channel
from angarium.identifiers import route_id
from angarium.notifications import GROUP, Notification, Priority, Recipients, Status, Stored, Target
from angarium.people import Groups, Registry
from angarium.queue import Intake, Ledger, Roster
from angarium.records import ProductRecord
from angarium.settings import RedisSettings
from angarium_deliverer import expansion

MAIL = Email(subject="Shift", text="It begins at ten.")
TENANT = "prd_shop"


def to_group(name: str) -> Target:
    """All of its members."""
    return Target(route_id(TENANT, GROUP), GROUP, name)


@pytest.fixture
async def shop(redis_settings: RedisSettings) -> AsyncIterator[World]:
    """An empty store."""
    async with world(redis_settings) as shop:
        yield shop


async def group(shop: World, name: str, rows: list[dict[str, Any]]) -> int:
    """A group of these; its number."""
    number = await Groups(shop.queue.link).create(TENANT, name)
    await join(shop, number, rows)
    return number


async def join(shop: World, number: int, rows: list[dict[str, Any]]) -> None:
    """Make them members."""
    registry = Registry(shop.queue.link)
    for first in range(0, len(rows), 50):
        await registry.save(TENANT, rows[first : first + 50], number)


def people(count: int, start: int = 0, **more: Any) -> list[dict[str, Any]]:
    """So many with an address each."""
    return [{"email": f"user{number}@example.com"} | more for number in range(start, start + count)]


async def send(shop: World, *targets: Target, **more: Any) -> Notification:
    """Accept a message, as the gateway does."""
    intake, now = Intake(shop.queue), time.time_ns() // 1_000_000
    contents = write_by_channel({"email": MAIL, "push": Push(title="Shift")})
    id_ = intake.new_id(TENANT, None, now)
    notification = Notification(id_, TENANT, "shop/shop", "message", contents, Priority.NORMAL, now, targets, **more)
    await intake.enqueue(notification)
    return notification


async def ended(shop: World, notification: Notification, seconds: float = SOON) -> Stored:
    """As it stands once nobody of it waits any more."""
    async with asyncio.timeout(seconds):
        while (stored := await shop.stored(notification)).status is Status.PENDING:
            await asyncio.sleep(0.02)
    return stored


async def listed(shop: World, notification: Notification) -> Counter[str]:
    """How often each recipient is in a part."""
    everybody, cursor = Counter[str](), None
    while True:
        page = await Roster(shop.queue).page(notification, None, 1000, cursor)
        everybody.update(each.target.to for _, each in page.items)
        if not (cursor := page.cursor):
            return everybody


def addressed(mailbox: Mailbox) -> Counter[str]:
    """How many got what they got."""
    return Counter(got[2] for got in mailbox.got)


async def test_each_member_gets_it_once(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        await group(shop, "night-shift", people(450))
        async with deliverer(settings(shop.redis)):
            stored = await ended(shop, await send(shop, to_group("night-shift")))
    assert (stored.status, stored.deliveries[0].recipients) == (Status.DELIVERED, Recipients(450, 450))
    assert addressed(mailbox) == Counter({f"user{n}@example.com": 1 for n in range(450)})
    assert await shop.counters() == {"accepted": 451, "delivered": 451, "refused": 0, "dead": 0, "waiting": 0}


async def test_a_large_group_takes_several_attempts_which_tell_how_far_it_is(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expansion, "MOST_STEPS", 2)
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        await group(shop, "night-shift", people(220))
        async with deliverer(settings(shop.redis)):
            notification = await send(shop, to_group("night-shift"))
            stored = await ended(shop, notification)
        told = [entry["detail"] for entry in await Ledger(shop.queue).timeline(notification.id)]
    assert told == ["100 recipients so far", "200 recipients so far", "220 recipients"]
    assert (stored.deliveries[0].attempts, stored.deliveries[0].recipients) == (1, Recipients(220, 220))


async def test_those_who_were_refused_are_named(shop: World) -> None:
    async with mail_server(Mailbox(refused={"user7@example.com": "550 no such user"})) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        await group(shop, "night-shift", [*people(250), {"key": "unreachable"}])
        async with deliverer(settings(shop.redis)):
            notification = await send(shop, to_group("night-shift"))
            stored = await ended(shop, notification)
    assert (stored.status, stored.deliveries[0].recipients) == (Status.PARTIAL, Recipients(251, 249, 2))
    refused = (await Roster(shop.queue).page(notification, Status.REFUSED, 10)).items
    assert [(each.target.name, each.reason) for _, each in refused] == [("email", "smtp_550"), ("user", "no_address")]
    assert refused[0][1].target.to == "user7@example.com"


async def test_who_is_in_two_groups_or_named_besides_gets_it_once(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        await group(shop, "one", people(30))
        await group(shop, "two", people(30, 20))
        direct = Target(route_id(TENANT, "email"), "email", "user25@example.com")
        async with deliverer(settings(shop.redis)):
            stored = await ended(shop, await send(shop, to_group("one"), direct, to_group("two")))
    assert stored.status is Status.DELIVERED
    assert addressed(mailbox) == Counter({f"user{n}@example.com": 1 for n in range(50)})


async def test_a_group_without_members_reaches_nobody(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        await group(shop, "empty", [])
        async with deliverer(settings(shop.redis)):
            stored = await ended(shop, await send(shop, to_group("empty")))
    assert stored.status is Status.UNMATCHED


async def test_a_group_that_is_gone_is_refused(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        async with deliverer(settings(shop.redis)):
            stored = await ended(shop, await send(shop, to_group("ghosts")))
    assert [(each.status, each.reason) for each in stored.deliveries] == [(Status.REFUSED, "group_deleted")]


async def test_more_than_the_quota_waits_for_room_and_says_so(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        product = ProductRecord(namespace="shop", name="shop", id=TENANT, backlog=40)
        await shop.declare(product, provider("main", mailbox.port))
        await group(shop, "night-shift", people(60))
        most = 0
        async with deliverer(settings(shop.redis)):
            notification = await send(shop, to_group("night-shift"))
            async with asyncio.timeout(SOON):
                while (await shop.stored(notification)).status is Status.PENDING:
                    waiting = await shop.queue.link.call("HGET", shop.queue.shards[0].backlog, TENANT)
                    most = max(most, int(waiting or 0))
        timeline = await Ledger(shop.queue).timeline(notification.id)
        stored = await shop.stored(notification)
    assert stored.deliveries[0].recipients == Recipients(60, 60)
    assert stored.deliveries[0].attempts == 1
    assert most <= 41
    assert [entry["outcome"] for entry in timeline][-1] == "delivered"
    assert {entry["detail"] for entry in timeline[:-1]} == {
        "as many deliveries wait as may; it goes on when there is room"
    }


async def test_what_expires_before_everybody_is_in_a_part_goes_to_nobody_more(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        await group(shop, "night-shift", people(3))
        notification = await send(shop, to_group("night-shift"), expires_ms=time.time_ns() // 1_000_000 - 1)
        async with deliverer(settings(shop.redis)):
            stored = await ended(shop, notification)
    assert [(each.status, each.reason) for each in stored.deliveries] == [(Status.REFUSED, "expired")]
    assert mailbox.got == []


async def test_recipients_inherit_when_it_expires_and_who_sent_it(shop: World) -> None:
    async with mail_server(Mailbox(rcpt="450 busy")) as mailbox:
        await shop.declare(provider("main", mailbox.port, retry_schedule_s=(3600.0,)))
        await group(shop, "night-shift", people(3))
        expires = time.time_ns() // 1_000_000 + 600_000
        async with deliverer(settings(shop.redis)):
            notification = await send(shop, to_group("night-shift"), expires_ms=expires, by="key 7f3k", retention_s=99)
            stored = await ended(shop, notification)
        (part, first), *_ = (await Roster(shop.queue).page(notification, None, 10)).items
        whole = await Ledger(shop.queue).get(part)
    assert stored.status is Status.REFUSED
    assert first.reason == "expired"
    assert whole is not None
    inherited = whole.notification
    assert (inherited.part_of, inherited.expires_ms, inherited.by) == (notification.id, expires, "key 7f3k")
    assert (inherited.retention_s, inherited.body) == (99, notification.body)


async def test_what_is_asked_for_later_is_expanded_later(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        number = await group(shop, "night-shift", people(1))
        async with deliverer(settings(shop.redis)):
            due = time.time_ns() // 1_000_000 + 1000
            notification = await send(shop, to_group("night-shift"), due_ms=due)
            await join(shop, number, people(1, 1))
            assert (await ended(shop, notification)).deliveries[0].recipients == Recipients(2, 2)
        assert time.time_ns() // 1_000_000 >= due


async def test_stopping_in_the_middle_leaves_the_rest_to_others(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "PAGE", 5)
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        await group(shop, "night-shift", people(300))
        notification = await send(shop, to_group("night-shift"))
        key, seen = shop.queue.keys_of(notification.id).notification(notification.id), 0
        for stop in range(6):
            async with deliverer(settings(shop.redis, f"d-{stop}", drain_seconds=0.0)), asyncio.timeout(SOON):
                while (now := int(await shop.queue.link.call("HGET", key, "g0:all") or 0)) == seen < 300:
                    await asyncio.sleep(0)
                seen = now
        async with deliverer(settings(shop.redis, "d-last")):
            stored = await ended(shop, notification)
        everybody = await listed(shop, notification)
    assert everybody == Counter({f"user{n}@example.com": 1 for n in range(300)})
    assert stored.deliveries[0].recipients == Recipients(300, 300)


async def test_kill_9_in_the_middle_sends_to_nobody_twice_and_forgets_nobody(shop: World) -> None:
    """The deliverer that expands is killed again and again; the mail server counts what arrives, by Message-ID."""
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        await group(shop, "night-shift", people(2000))
        notification = await send(shop, to_group("night-shift"))
        parts = shop.queue.keys_of(notification.id).notification(notification.id)
        for kill in range(3):
            async with process(shop.redis, f"d-{kill}") as child:
                async with asyncio.timeout(SOON):
                    while int(await shop.queue.link.call("HGET", parts, "g0:all") or 0) < 600 * (kill + 1):
                        await asyncio.sleep(0.002)
                child.kill()
                await child.wait()
        async with deliverer(settings(shop.redis, "d-last")):
            stored = await ended(shop, notification, 60.0)
        assert stored.deliveries[0].recipients == Recipients(2000, 2000)
        ids = {got[3].split(b"Message-ID: ")[1].split(b"\r\n")[0]: got[2] for got in mailbox.got}
    assert len(ids) == 2000  # what a kill made go out twice has the id of the first
    assert set(ids.values()) == {f"user{n}@example.com" for n in range(2000)}


async def test_a_recipient_gets_one_of_all_with_the_same_key(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        await group(shop, "night-shift", people(2))
        direct = Target(route_id(TENANT, "email"), "email", "user1@example.com")
        async with deliverer(settings(shop.redis)):
            first = await ended(shop, await send(shop, direct, dedup="otp-1"))
            second = await send(shop, to_group("night-shift"), dedup="otp-1")
            stored = await ended(shop, second)
            other = await ended(shop, await send(shop, direct, dedup="otp-2"))
            refused = (await Roster(shop.queue).page(second, Status.REFUSED, 10)).items
    assert (first.status, other.status) == (Status.DELIVERED, Status.DELIVERED)
    assert stored.deliveries[0].recipients == Recipients(2, 1, 1)
    assert [(each.target.to, each.reason) for _, each in refused] == [("user1@example.com", "duplicate")]
    assert addressed(mailbox) == {"user0@example.com": 1, "user1@example.com": 2}


async def test_what_was_not_sent_lets_another_with_its_key_go(shop: World) -> None:
    async with mail_server(Mailbox(rcpt="550 full")) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        direct = Target(route_id(TENANT, "email"), "email", "user1@example.com")
        async with deliverer(settings(shop.redis)):
            first = await ended(shop, await send(shop, direct, dedup="otp-1"))
            assert first.deliveries[0].reason == "smtp_550"
            mailbox.rcpt = "250 OK"
            assert (await ended(shop, await send(shop, direct, dedup="otp-1"))).status is Status.DELIVERED


async def test_retries_with_a_key_are_no_duplicates_of_themselves(shop: World) -> None:
    async with mail_server(Mailbox(data="451 later")) as mailbox:
        await shop.declare(provider("main", mailbox.port, retry_schedule_s=(0.05,) * 50))
        direct = Target(route_id(TENANT, "email"), "email", "user1@example.com")
        async with deliverer(settings(shop.redis)):
            notification = await send(shop, direct, dedup="otp-1")
            await mailbox.asked.wait()
            mailbox.data = "250 queued"
            stored = await ended(shop, notification)
    assert stored.status is Status.DELIVERED
    assert stored.deliveries[0].attempts > 1


async def test_while_storage_is_nearly_full_a_group_waits(shop: World) -> None:
    async with mail_server(Mailbox()) as mailbox:
        await shop.declare(provider("main", mailbox.port))
        await group(shop, "night-shift", people(2))
        link = shop.queue.link
        used = next(line for line in (await link.call("INFO", "memory")).split() if line.startswith(b"used_memory:"))
        await link.call("CONFIG", "SET", "maxmemory", round(int(used.split(b":")[1]) / 0.8))
        try:
            async with deliverer(settings(shop.redis)):
                notification = await send(shop, to_group("night-shift"))
                async with asyncio.timeout(SOON):
                    while not (told := await Ledger(shop.queue).timeline(notification.id)):
                        await asyncio.sleep(0.02)
                assert told[0]["detail"] == "storage is nearly full; it goes on when there is room"
                await link.call("CONFIG", "SET", "maxmemory", 0)
                assert (await ended(shop, notification)).status is Status.DELIVERED
        finally:
            await link.call("CONFIG", "SET", "maxmemory", 0)
