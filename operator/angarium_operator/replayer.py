"""Carries replays out, a step of each in turn: so one of a million deliveries holds up none of ten.

All that must survive a kill is in Redis and changes by one script (angarium/queue/replays.py). What is here may be
forgotten at any time: when a replay was told of last, and how many deliveries it may send now.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from angarium.queue.replays import MOST_AT_ONCE, Phase, Position, Replays, Step, Walk, Wish, counting, sending
from angarium.telemetry.metrics import REDRIVEN
from angarium_operator.orders import Orders
from angarium_operator.planning import Key
from angarium_operator.planning.orders import Progress, ReplayOrder, ReplayProgress

IDLE = 5.0  # s
COUNTING_PAUSE, SENDING_PAUSE, FULL_PAUSE = 0.02, 0.1, 1.0  # s between steps
TOLD_EVERY = 2.0  # s between two reports of one replay, unless it comes into another state

Tell = Callable[[Key, Progress], None]


@dataclass(slots=True)
class Allowance:
    """How many deliveries a replay may send now: what has come together since the last step, for one second at most."""

    at: float
    saved: float = 0.0

    def grant(self, per_second: int, now: float) -> int:
        """How many, from 0 on."""
        self.saved = min(self.saved + (now - self.at) * per_second, max(1.0, per_second))
        self.at = now
        return min(int(self.saved), MOST_AT_ONCE)


@dataclass(slots=True)
class Told:
    """What was told last, and when."""

    progress: ReplayProgress
    at: float


class Replayer:
    """`step` for ever."""

    def __init__(
        self, orders: Orders, replays: Replays, tell: Tell, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._orders, self._replays, self._tell, self._clock = orders, replays, tell, clock
        self._allowances: dict[str, Allowance] = {}
        self._told: dict[str, Told] = {}

    async def step(self) -> float:
        """One step of each replay, and the time until the next."""
        orders = await self._orders.some(ReplayOrder, IDLE)
        for key, order in orders.items():
            walks = await self._replays.walks(order.wish.id)
            self._report(key, order.wish, await self._advance(order, walks))
        self._forget({order.wish.id for order in orders.values()})
        states = {told.progress.state for told in self._told.values()}
        behind = any(allowance.saved >= MOST_AT_ONCE for allowance in self._allowances.values())
        pauses = {"Counting": COUNTING_PAUSE, "Replaying": COUNTING_PAUSE if behind else SENDING_PAUSE}
        return min((pauses.get(state, FULL_PAUSE) for state in states), default=0.0)

    def _forget(self, living: set[str]) -> None:
        for kept in (self._allowances, self._told):
            for id_ in kept.keys() - living:
                del kept[id_]

    async def _advance(self, order: ReplayOrder, walks: list[Walk]) -> ReplayProgress:
        wish = order.wish
        for shard, walk in enumerate(walks):
            if walk.position.phase is Phase.COUNT:
                walks[shard] = await self._count(shard, wish, walk)
                return _progress(wish, walks, "Counting")
        if wish.dry_run:
            return _progress(wish, walks, "Completed")
        for shard, walk in enumerate(walks):
            if walk.position.phase is not Phase.END:
                said, walks[shard] = await self._send(shard, order, walk)
                return _progress(wish, walks, "BacklogFull" if said == "full" else "Replaying")
        return _progress(wish, walks, "Completed")

    async def _count(self, shard: int, wish: Wish, walk: Walk) -> Walk:
        position, page = await self._replays.page(shard, wish, walk.position)
        step = Step(Position(Phase.COUNTED))
        if page:
            step = counting(page, wish.selection, position, _now_ms())
        return (await self._replays.make(shard, wish, walk, step))[1]

    async def _send(self, shard: int, order: ReplayOrder, walk: Walk) -> tuple[str, Walk]:
        wish, now, most = order.wish, self._clock(), 0
        allowance = self._allowances.setdefault(wish.id, Allowance(now))
        granted = allowance.grant(order.per_second, now)
        if granted < 1:
            return "waits", walk
        begun = walk.position if walk.position.phase is Phase.SEND else Position(Phase.SEND)
        position, page = await self._replays.page(shard, wish, begun)
        step = Step(Position(Phase.END))
        if page:
            most = order.most_waiting.get(position.tenant, 0)
            granted = min(granted, max(1, most // 2)) if most else granted  # at most so much beyond it
            step = sending(page, wish.selection, position, _now_ms(), granted)
        said, after = await self._replays.make(shard, wish, walk, step, most)
        if said == "moved":
            allowance.saved -= after.done - walk.done
            REDRIVEN.inc(after.done - walk.done)
        return said, after

    def _report(self, key: Key, wish: Wish, progress: ReplayProgress) -> None:
        told, now = self._told.get(wish.id), self._clock()
        if told is not None and told.progress.state == progress.state and now - told.at < TOLD_EVERY:
            self._told[wish.id] = replace(told, progress=progress)
            return
        self._told[wish.id] = Told(progress, now)
        self._tell(key, progress)


def _progress(wish: Wish, walks: list[Walk], state: str) -> ReplayProgress:
    return ReplayProgress(
        wish.id,
        state,  # type: ignore[arg-type]  # one of those
        sum(walk.matched for walk in walks),
        sum(walk.done for walk in walks),
        sum(walk.left_out for walk in walks),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
