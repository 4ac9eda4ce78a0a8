"""How fast the work of the dead goes on, measured without other faults, from what the dead held.

A pod dies with deliveries in flight. Redis tells which; their time is that of the next request that a receiver gets for
the last of them.
"""

import asyncio
from dataclasses import dataclass, field

from tests.chaos.audit import held_by
from tests.chaos.callers import Callers
from tests.chaos.fleet import Fleet
from tests.chaos.plan import SHOP, Order
from tests.chaos.receivers import Receiver
from tests.chaos.saboteur import Saboteur

from angarium.queue import Queue

PATIENCE = 60.0  # s
WORK = 200  # slow deliveries to kill into
LAST_WORDS = 0.3  # s that what was sent may still be on its way
ENOUGH = 5  # in flight with the victim


@dataclass
class Drills:
    """Each returns seconds."""

    queue: Queue
    fleet: Fleet
    callers: Callers
    saboteur: Saboteur
    slow: Receiver
    number: int  # of the next order: none may be used twice
    measured: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """All of them, some more than once."""
        for number in (1, 2, 3):
            self.measured[f"kill {number}"] = await self.kill_one()
        for number in (1, 2):
            await self.restart_all(f"restart {number}", same_names=True)
        await self.restart_all("restart under new names (info)", same_names=False)

    async def kill_one(self) -> float:
        """From the kill of a deliverer to the last of its deliveries being made by another; it stays dead so long."""
        async with self._work():
            victim = self.fleet.slots["deliverer", 0]
            await self._busy([victim.name])
            began = asyncio.get_running_loop().time()
            await victim.kill()
            seconds = await self._again(await self._left(victim.name), began)
            await (await self.fleet.start("deliverer", 0)).ready()
        return seconds

    async def restart_all(self, name: str, *, same_names: bool) -> None:
        """From everything being ready again to the last of what was in flight being made again.

        Pods may begin with it before they are ready, so that this may be nothing; beside it stands the time since their
        start, which is mostly Python's own.
        """
        async with self._work():
            names = [pod.name for pod in self.fleet.pods("deliverer")]
            await self._busy(names)
            killed = asyncio.get_running_loop().time()
            await self.fleet.kill_all()
            held = await self._left(*names)
            await self.saboteur.restart_all(0.2, same_names=same_names)
            started = asyncio.get_running_loop().time()
            await asyncio.gather(*[pod.ready() for pod in self.fleet.slots.values()])
            ready = asyncio.get_running_loop().time()
            made = killed + await self._again(held, killed)
        self.measured[name] = max(0.0, made - ready)
        self.measured[f"{name.removesuffix(' (info)')}, since the processes' start (info)"] = made - started

    def _work(self) -> "_Posting":
        first, self.number = self.number, self.number + WORK
        orders = [Order(n, SHOP, "order.slow", "normal", 0.0, twice=False) for n in range(first, first + WORK)]
        return _Posting(self.callers, orders)

    async def _busy(self, names: list[str]) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(await held_by(self.queue, names)) < ENOUGH:
                await asyncio.sleep(0.01)

    async def _left(self, *names: str) -> set[str]:
        """What the dead hold, once Valkey has heard their last words."""
        await asyncio.sleep(LAST_WORDS)
        slow = self.slow.subscription.name  # a probe of an open circuit may be among them
        return {id_ for id_ in await held_by(self.queue, names) if self.callers.deliveries.get(id_) == slow}

    async def _again(self, held: set[str], since: float) -> float:
        """Wait until each of these was asked for again; seconds until the last was."""
        last_at = self.slow.book.last_at
        async with asyncio.timeout(PATIENCE):
            while any(last_at.get(id_, 0.0) < since for id_ in held):
                await asyncio.sleep(0.01)
        return max((last_at[id_] for id_ in held), default=since) - since


class _Posting:
    """Callers at work while the body runs."""

    def __init__(self, callers: Callers, orders: list[Order]) -> None:
        self._callers, self._orders = callers, orders

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._callers.run(self._orders))

    async def __aexit__(self, *_: object) -> None:
        await self._task
