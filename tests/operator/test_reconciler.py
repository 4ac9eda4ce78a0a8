"""The reconciler asks for a look at the data plane whenever something new is to be applied, and plans again what was
planned from a Secret that turned out to be another.
"""

import asyncio
from typing import cast

import pytest
from tests.operator.worlds import World, product

from angarium_operator.api import ApiRefused
from angarium_operator.apply import Applier, PlanOutdated
from angarium_operator.planning import DataPlane, Key, Plan
from angarium_operator.reconciler import Reconciler

SHOP = Key("product", "shop", "shop")


class Hands:
    """Carries plans out in a world; `outdated` of them fail first."""

    def __init__(self, world: World, outdated: int = 0) -> None:
        self.world, self.outdated = world, outdated
        self.done = asyncio.Event()

    async def carry_out(self, key: Key, planned: Plan) -> None:
        """As Applier does."""
        if self.outdated:
            self.outdated -= 1
            raise PlanOutdated("the secret is gone")
        self.world.carry_out(key, planned)
        if planned.record is None:
            self.done.set()


async def reconciled(reconciler: Reconciler, hands: Hands) -> None:
    """Once a plan for the shop was carried out that publishes nothing more."""
    hands.done.clear()
    working = asyncio.create_task(reconciler.work(cast("Applier", hands)))
    while not hands.done.is_set():
        reconciler.concern([SHOP])
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_what_waits_already_and_is_published_anew_is_looked_after_at_once() -> None:
    world = World(product())
    world.snapshot.plane = DataPlane({"gateway": 0, "deliverer": 0})
    reconciler = Reconciler(world.snapshot)
    await reconciled(reconciler, Hands(world))
    assert reconciler.waiting == {SHOP}
    assert reconciler.wakened.is_set()
    reconciler.wakened.clear()
    await reconciled(reconciler, Hands(world))
    assert not reconciler.wakened.is_set()
    world.change(product(spec={"quotas": {"backlog": 7}}))
    await reconciled(reconciler, Hands(world))
    assert reconciler.wakened.is_set()


async def test_an_outdated_plan_is_made_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World(product())
    reconciler = Reconciler(world.snapshot)
    await reconciled(reconciler, Hands(world, outdated=1))
    assert SHOP in world.snapshot.published
    assert not caplog.records  # nothing to tell anybody of


CAUSE = ("metadata.namespace", "namespace shop is being terminated")
ENDING = ApiRefused(403, "Forbidden", "unable to create new content", causes=(CAUSE,))


class EndingHands(Hands):
    """In a namespace that is being deleted: what is to be written is refused, what has gone is withdrawn."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.carried: list[bool] = []  # whether the object was there

    async def carry_out(self, key: Key, planned: Plan) -> None:
        """Wakes the test."""
        there = key in self.world.snapshot.objects
        self.carried.append(there)
        self.done.set()
        if there:
            raise ENDING
        self.world.carry_out(key, planned)


async def carried(reconciler: Reconciler, hands: EndingHands) -> list[bool]:
    """What came of asking until something was carried out, and some times more."""
    hands.done.clear()
    working = asyncio.create_task(reconciler.work(cast("Applier", hands)))
    while not hands.done.is_set():
        reconciler.concern([SHOP])
        await asyncio.sleep(0)
    for _ in range(20):
        reconciler.concern([SHOP])
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return hands.carried


async def test_what_is_in_a_namespace_that_is_being_deleted_is_left_alone_until_it_has_gone() -> None:
    """Else each of 10,000 Callbacks would be told that its Product has gone, and refused an Event."""
    world = World(product())
    reconciler, hands = Reconciler(world.snapshot), EndingHands(world)
    reconciler.concern([Key("product", "shop", "other")])
    assert await carried(reconciler, hands) == [False, True]
    del world.snapshot.objects[SHOP]
    assert (await carried(reconciler, hands))[:3] == [False, True, False]


async def test_it_is_looked_at_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace of that name may be there anew."""
    monkeypatch.setattr("angarium_operator.reconciler.ENDING_PAUSE", 0.0)
    world = World(product())
    reconciler, hands = Reconciler(world.snapshot), EndingHands(world)
    assert (await carried(reconciler, hands))[:2] == [True, True]
