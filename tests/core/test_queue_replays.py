"""Replays: who they are for, and that each delivery starts anew once, whoever is killed meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
import redis.asyncio
from tests.core.queue_scene import Scene, scene, settle

from angarium.identifiers import delivery_id
from angarium.notifications import Delivery, DeliveryState, Notification, Priority, Stored, Target
from angarium.queue import Census, Intake, Ledger, Replays
from angarium.queue.replays import DELIVERED, FAILED, Phase, Position, Selection, Step, Walk, Wish, counting, sending
from angarium.retries import Move
from angarium.settings import RedisSettings

LATER = 4_000_000_000_000  # ms: after all that is posted here
ENTRY = orjson.dumps({"type": "redrive", "by": "replay/outage"})


@pytest.fixture
async def shop(redis_settings: RedisSettings, redis_client: redis.asyncio.Redis) -> AsyncIterator[Scene]:
    async with scene(redis_settings, redis_client) as shop:
        yield shop


def wish(id_: str = "rpl_1", *callbacks: str, **more: Any) -> Wish:
    """For the dead letters of these callbacks, or of shop-1."""
    fields = {"tenants": ("shop",), "entry": ENTRY} | {
        name: more.pop(name) for name in ("tenants", "reference", "dry_run") if name in more
    }
    return Wish(id_, Selection(frozenset(callbacks or ("shop-1",)), until_ms=LATER, **more), **fields)


async def ended(shop: Scene, count: int, move: Move = Move.DEAD, callback: str = "shop-1") -> None:
    """So many deliveries that have ended so."""
    await shop.limit(callback, "100000 0 0")
    await shop.known_good(callback)
    await shop.post(callback, count)
    async with shop.consumer() as pod:
        for _ in range(0, count, 50):
            await settle(pod, (await pod.take(50)).started, move, counts=False)


async def take_step(replays: Replays, one: Wish, most: int = 200) -> bool:
    """One step as the operator makes it; whether the replay goes on."""
    [walk] = await replays.walks(one.id)
    step = await next_step(replays, one, walk, most)
    if step is None:
        return False
    await replays.make(0, one, walk, step)
    return True


async def next_step(replays: Replays, one: Wish, walk: Walk, most: int = 200) -> Step | None:
    """What is due."""
    match walk.position.phase:
        case Phase.COUNT:
            position, page = await replays.page(0, one, walk.position)
            return counting(page, one.selection, position, 0) if page else Step(Position(Phase.COUNTED))
        case Phase.END:
            return None
        case phase:
            begun = walk.position if phase is Phase.SEND else Position(Phase.SEND)
            position, page = await replays.page(0, one, begun)
            return sending(page, one.selection, position, 0, most) if page else Step(Position(Phase.END))


async def carry_out(shop: Scene, one: Wish, most: int = 200) -> Walk:
    """To its end."""
    replays = Replays(shop.queue)
    while await take_step(replays, one, most):
        pass
    [walk] = await replays.walks(one.id)
    return walk


async def redrives(shop: Scene, tenant: str = "shop") -> list[int]:
    """How often each of the tenant's notifications was redriven, as its timeline has it."""
    counts = []
    for id_ in await shop.redis.zrange(shop.keys.index(tenant), 0, -1):
        entries = await Ledger(shop.queue).timeline(id_.decode())
        counts.append(sum(entry["type"] == "redrive" for entry in entries))
    return counts


async def counters(shop: Scene) -> dict[str, int]:
    """The totals, and that they add up."""
    backlog = await Census(shop.queue).backlog()
    totals = {name: backlog.counters.get(name, 0) for name in ("accepted", "delivered", "refused", "dead")}
    waiting = sum(backlog.ready.values()) + sum(backlog.in_flight.values()) + backlog.scheduled + backlog.parked
    assert totals["accepted"] == totals["delivered"] + totals["refused"] + totals["dead"] + waiting
    return totals | {"waiting": waiting}


async def test_dead_letters_go_back_in_line_behind_what_is_new(shop: Scene) -> None:
    await ended(shop, 5)
    await ended(shop, 3, Move.DELIVERED)
    walk = await carry_out(shop, wish())
    assert (walk.position.phase, walk.matched, walk.done, walk.left_out) == (Phase.END, 5, 5, 0)
    assert await counters(shop) == {"accepted": 8, "delivered": 3, "refused": 0, "dead": 0, "waiting": 5}
    assert await shop.redis.zcard(shop.keys.failed("shop")) == 0
    await shop.post("shop-1")
    async with shop.consumer() as pod:
        first = (await pod.take(4)).started
    assert "normal" in {item.entry.ticket.lane for item in first}
    assert sorted(await redrives(shop)) == [0, 0, 0, 0, 1, 1, 1, 1, 1]


async def test_what_was_delivered_is_delivered_again(shop: Scene) -> None:
    await ended(shop, 4, Move.DELIVERED)
    await ended(shop, 2, Move.REFUSED)
    one = wish(states=DELIVERED, reference="r1234")
    assert (await carry_out(shop, one)).done == 4
    assert (await counters(shop))["refused"] == 2
    async with shop.consumer() as pod:
        again = (await pod.take(10)).started
        assert [(item.attempt.number, item.attempt.reference) for item in again] == [(1, "r1234")] * 4
        await settle(pod, again)
    assert await counters(shop) == {"accepted": 6, "delivered": 4, "refused": 2, "dead": 0, "waiting": 0}


async def test_both_go_back_in_line(shop: Scene) -> None:
    await ended(shop, 2, Move.DELIVERED)
    await ended(shop, 2, Move.DEAD)
    assert (await carry_out(shop, wish(states=FAILED | DELIVERED))).done == 4


async def test_a_dry_run_counts(shop: Scene) -> None:
    await ended(shop, 3)
    one = wish(dry_run=True)
    replays = Replays(shop.queue)
    while (await replays.walks(one.id))[0].position.phase is Phase.COUNT:
        await take_step(replays, one)
    [walk] = await replays.walks(one.id)
    assert (walk.matched, walk.done) == (3, 0)
    assert (await counters(shop))["dead"] == 3


async def test_a_step_that_is_made_again_changes_nothing(shop: Scene) -> None:
    """A reply was lost, or an operator was killed before it heard of it."""
    await ended(shop, 6)
    replays, one = Replays(shop.queue), wish()
    while await take_step(replays, one, most=0) and (await replays.walks(one.id))[0].position.phase is Phase.COUNT:
        pass
    [walk] = await replays.walks(one.id)
    step = await next_step(replays, one, walk, most=4)
    assert step is not None
    assert (await replays.make(0, one, walk, step))[0] == "moved"
    said, after = await replays.make(0, one, walk, step)
    assert (said, after.done) == ("again", 4)
    stale = replace(step, after=replace(step.after, last="not_" + "Z" * 26))
    assert (await replays.make(0, one, walk, stale))[0] == "elsewhere"
    assert (await carry_out(shop, one)).done == 6
    assert await redrives(shop) == [1] * 6


async def test_two_at_it_redrive_nothing_twice(shop: Scene) -> None:
    """A leader that has lost its lease and does not know it yet; while what starts anew dies again at once."""
    await ended(shop, 40)
    async with shop.consumer() as pod:

        async def fail() -> None:
            while True:
                await settle(pod, (await pod.take(50)).started, Move.DEAD, counts=False)

        failing = asyncio.create_task(fail())
        await asyncio.gather(*[carry_out(shop, wish(), most=3) for _ in range(3)])
        failing.cancel()
        await asyncio.gather(failing, return_exceptions=True)
    assert await redrives(shop) == [1] * 40


async def test_what_dies_again_is_not_redriven_again(shop: Scene) -> None:
    await ended(shop, 10)
    replays, one = Replays(shop.queue), wish()
    async with shop.consumer() as pod:
        while await take_step(replays, one, most=2):
            await settle(pod, (await pod.take(10)).started, Move.DEAD, counts=False)
    assert await redrives(shop) == [1] * 10
    assert (await counters(shop))["dead"] == 10
    assert (await carry_out(shop, wish("rpl_2"))).done == 10


async def test_it_stops_in_the_midst_of_a_notification(shop: Scene) -> None:
    intake, now = Intake(shop.queue), time.time_ns() // 1_000_000
    names = [f"shop-{number}" for number in range(7)]
    targets = tuple(Target(name, f"shop/{name}") for name in names)
    posted = Notification(
        intake.new_id("shop", None, now), "shop", "shop/shop", "order.paid", b"{}", Priority.NORMAL, now, targets
    )
    await intake.enqueue(posted)
    async with shop.consumer() as pod:
        await settle(pod, (await pod.take(10)).started, Move.DEAD)
    walk = await carry_out(shop, wish("rpl_1", *names), most=3)
    assert walk.done == 7
    stored = await Ledger(shop.queue).get(posted.id)
    assert stored is not None
    assert {delivery.state for delivery in stored.deliveries} == {DeliveryState.WAITING}


async def test_it_waits_while_a_tenant_has_too_much_waiting(shop: Scene) -> None:
    await ended(shop, 4)
    await shop.post("shop-1", 5)
    replays, one = Replays(shop.queue), wish()
    while (await replays.walks(one.id))[0].position.phase is Phase.COUNT:
        await take_step(replays, one)
    [walk] = await replays.walks(one.id)
    step = await next_step(replays, one, walk)
    assert step is not None
    assert await replays.make(0, one, walk, step, most_waiting=5) == ("full", walk)
    assert (await replays.make(0, one, walk, step, most_waiting=6))[0] == "moved"


async def test_all_tenants_are_visited_in_order(shop: Scene) -> None:
    for tenant in ("acme", "beta", "shop"):
        await ended(shop, 3, callback=f"{tenant}-1")
    many = tuple(sorted(["acme", "beta", "shop", *[f"none{number}" for number in range(150)]]))
    assert (await carry_out(shop, wish("rpl_1", "acme-1", "shop-1", tenants=many), most=2)).done == 6


def stored(event: str = "order.paid", **more: Any) -> Stored:
    """Dead for shop-1 and shop-2, delivered to shop-3."""
    id_ = "not_" + "0" * 26
    targets = tuple(Target(f"shop-{number}", f"shop/c{number}") for number in (1, 2, 3))
    head = Notification(id_, "shop", "shop/shop", event, b"", Priority.NORMAL, 1, targets, **more)
    states = (("http_503", DeliveryState.DEAD), ("timeout", DeliveryState.REFUSED), ("", DeliveryState.DELIVERED))
    return Stored(
        head,
        tuple(
            Delivery(delivery_id(id_, index), target, state, reason=reason)
            for index, (target, (reason, state)) in enumerate(zip(targets, states, strict=True))
        ),
    )


ALL = Selection(frozenset({"shop-1", "shop-2", "shop-3"}))


@pytest.mark.parametrize(
    ("selection", "posted", "able", "left_out"),
    [
        (ALL, {}, (0, 1), 0),
        (replace(ALL, states=DELIVERED), {}, (2,), 0),
        (replace(ALL, states=FAILED | DELIVERED), {}, (0, 1, 2), 0),
        (replace(ALL, callbacks=frozenset({"shop-2"})), {}, (1,), 0),
        (replace(ALL, reasons=frozenset({"timeout"})), {}, (1,), 0),
        (replace(ALL, events=("order.*",)), {}, (0, 1), 0),
        (replace(ALL, events=("refund.*", "order")), {}, (), 0),
        (replace(ALL, disabled=frozenset({"shop-1"})), {}, (1,), 1),
        (ALL, {"expires_ms": 100}, (), 2),
        (ALL, {"expires_ms": 101}, (0, 1), 0),
        (ALL, {"test": True}, (), 0),
    ],
)
def test_selection(selection: Selection, posted: dict[str, Any], able: tuple[int, ...], left_out: int) -> None:
    assert selection.picks(stored(**posted), 100) == (able, left_out)


async def test_a_window_is_of_the_time_of_acceptance(shop: Scene) -> None:
    await ended(shop, 2)
    await asyncio.sleep(0.01)
    middle = time.time_ns() // 1_000_000
    await ended(shop, 3)
    before = Wish("rpl_1", Selection(frozenset({"shop-1"}), until_ms=middle), ("shop",), ENTRY)
    after = Wish("rpl_2", Selection(frozenset({"shop-1"}), since_ms=middle, until_ms=LATER), ("shop",), ENTRY)
    assert (await carry_out(shop, before)).done == 2
    assert (await carry_out(shop, after)).done == 3
