"""What Redis says when a run is over, and what its deliverers held when they were killed."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.chaos.plan import SUBSCRIPTIONS

from angarium.errors import StorageRefused
from angarium.identifiers import delivery_id
from angarium.keys import GROUP
from angarium.notifications import Delivery, DeliveryState
from angarium.queue import CallbackHealth, Census, Ledger, Queue

AT_ONCE = 256
SAMPLE = 500
SOON = 60.0  # s: what is due later than this is due later
ALLOWED = {subscription.name: len(subscription.schedule) + 1 for subscription in SUBSCRIPTIONS}


@dataclass
class Stand:
    """How everything stands. Deliveries by id; `waits` by delivery id: why it waits, "" where nothing explains it."""

    counters: dict[str, int]
    waiting: int
    states: dict[str, DeliveryState] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)  # accepted, and not in the store
    reasons: Counter[str] = field(default_factory=Counter)  # of what ended badly
    excessive: list[str] = field(default_factory=list)  # more attempts than the policy allows
    unexplained: list[str] = field(default_factory=list)  # ended without a reason or a timeline entry


async def totals(queue: Queue) -> tuple[dict[str, int], int]:
    """Redis's counters, and how much waits."""
    backlog = await Census(queue).backlog()
    waiting = sum(backlog.ready.values()) + sum(backlog.in_flight.values()) + backlog.scheduled + backlog.parked
    return backlog.counters, waiting


async def stand(queue: Queue, notifications: Iterable[str], allowed: Mapping[str, int] = ALLOWED) -> Stand:
    """Look at each of these; `allowed`: attempts by the callback's name."""
    found = Stand(*await totals(queue))
    health = await Census(queue).callbacks()
    ledger, now = Ledger(queue), time.time()
    wanted = list(notifications)
    for first in range(0, len(wanted), AT_ONCE):
        some = wanted[first : first + AT_ONCE]
        for id_, stored in zip(some, await asyncio.gather(*[ledger.get(id_) for id_ in some]), strict=True):
            if stored is None:
                found.missing.append(id_)
                continue
            for delivery in stored.deliveries:
                _judge(found, delivery, health.get(delivery.target.id), now, allowed)
    await _read_timelines(found, ledger)
    return found


def _judge(
    found: Stand, delivery: Delivery, health: CallbackHealth | None, now: float, allowed: Mapping[str, int]
) -> None:
    name = delivery.target.name.rsplit("/", 1)[-1]
    found.states[delivery.id] = delivery.state
    if delivery.state is DeliveryState.WAITING:
        found.waits[delivery.id] = _why(name, delivery, health, now)
    if delivery.state in (DeliveryState.REFUSED, DeliveryState.DEAD):
        found.reasons[f"{name}: {delivery.reason or 'NO REASON'}"] += 1
    if delivery.attempts > allowed[name]:
        found.excessive.append(f"{delivery.id}: {delivery.attempts} attempts")


def _why(name: str, delivery: Delivery, health: CallbackHealth | None, now: float) -> str:
    if delivery.due_ms / 1000 > now + SOON:
        return "due later"
    if name == "suspended":
        return "suspended"
    if health and health.open_until_ms:
        return f"circuit of {name} open"
    return f"retries of {name}" if name == "silent" else ""


async def _read_timelines(found: Stand, ledger: Ledger) -> None:
    ended = [id_ for id_, state in found.states.items() if state is not DeliveryState.WAITING]
    for id_ in ended[:: max(1, len(ended) // SAMPLE)]:
        entries = await ledger.timeline(id_.replace("dlv_", "not_").rsplit("_", 1)[0])
        own = [entry for entry in entries if entry.get("delivery") == id_]
        if not own or (found.states[id_] is not DeliveryState.DELIVERED and not own[-1].get("reason")):
            found.unexplained.append(id_)


async def held_by(queue: Queue, pods: Iterable[str]) -> set[str]:
    """The deliveries that these deliverers had read and not settled."""
    held: set[str] = set()
    for keys in queue.shards:
        for stream in keys.lanes:
            for pod in pods:
                try:
                    rows = await queue.link.call("XPENDING", stream, GROUP, "-", "+", 10_000, pod)
                except StorageRefused:  # no stream yet
                    continue
                entries = await asyncio.gather(*[queue.link.call("XRANGE", stream, row[0], row[0]) for row in rows])
                held |= {_delivery(entry[0][1][1]) for entry in entries if entry}
    return held


def _delivery(ticket: bytes) -> str:
    notification, index = ticket.decode("ascii").split(" ")[:2]
    return delivery_id(notification, int(index))
