"""Sends CallbackTests as notifications, and reads from their timelines what became of them.

A deliverer holds no Kubernetes token, so what it has seen comes through Redis, as that of every attempt does. Sending
is storing under an id that is always the same: done again after a kill, it changes nothing.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from angarium.notifications import DeliveryState, Stored
from angarium.queue import Intake, Ledger
from angarium.telemetry.metrics import CALLBACK_TESTS
from angarium_operator.orders import Orders
from angarium_operator.planning import Key
from angarium_operator.planning.orders import Progress, TrialOrder, TrialProgress

IDLE = 5.0  # s
PAUSE = 0.1  # s between looks while a test is open

Tell = Callable[[Key, Progress], None]


class Tester:
    """`step` for ever."""

    def __init__(self, orders: Orders, intake: Intake, ledger: Ledger, tell: Tell) -> None:
        self._orders, self._intake, self._ledger, self._tell = orders, intake, ledger, tell
        self._told: dict[str, TrialProgress] = {}

    async def step(self) -> float:
        """A look at each open test, and the time until the next."""
        orders = await self._orders.some(TrialOrder, IDLE)
        for key, order in orders.items():
            progress = await self._look(order)
            if progress != self._told.get(order.id):
                self._told[order.id] = progress
                self._tell(key, progress)
                if progress.ended is not None:
                    CALLBACK_TESTS.labels("succeeded" if progress.delivered else "failed").inc()
        living = {order.id for order in orders.values()}
        self._told = {id_: told for id_, told in self._told.items() if id_ in living}
        return PAUSE if orders else 0.0

    async def _look(self, order: TrialOrder) -> TrialProgress:
        if (told := self._told.get(order.id)) is not None and told.ended is not None:
            return told
        if told is None and time.time() * 1000 < order.notification.expires_ms:
            await self._intake.enqueue(order.notification)
        stored = await self._ledger.get(order.notification.id)
        return TrialProgress(order.id) if stored is None else await self._read(order.id, stored)

    async def _read(self, id_: str, stored: Stored) -> TrialProgress:
        delivery = stored.deliveries[0]
        if delivery.state is DeliveryState.WAITING:
            return TrialProgress(id_, started=delivery.started)
        entries = await self._ledger.timeline(stored.notification.id)
        attempts = [entry for entry in entries if entry.get("type") == "attempt"]
        return TrialProgress(
            id_,
            started=True,
            delivered=delivery.state is DeliveryState.DELIVERED,
            reason=delivery.reason,
            report=attempts[-1] if attempts else None,
            ended=datetime.now(UTC),
        )
