"""The relay itself: take as many as there are free slots, make the attempts, settle each.

A delivery holds a slot from its taking until it is settled. While Redis is away a finished attempt waits in its slot
to be settled, so nothing is lost and no more is taken than can be kept.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from angarium.config import ConfigStore, ConfigTail
from angarium.errors import StorageFull, StorageRefused, StorageUnavailable
from angarium.notifications import Attempt, Outcome, Result, is_group
from angarium.queue import Consumer, Duplicates, Entry, Release, Settlement, Started
from angarium.retries import Move, RetryPolicy, decide
from angarium.telemetry import metrics
from angarium_deliverer import journal
from angarium_deliverer.channels.webhook import Webhook
from angarium_deliverer.directory import Directory, Outlet
from angarium_deliverer.promoter import Promoter
from angarium_deliverer.recoverer import MOST_HELD
from angarium_deliverer.slots import Slots

if TYPE_CHECKING:
    from angarium.telemetry.tracing import Tracing

T = TypeVar("T")

log = logging.getLogger(__name__)
MOST_RECOVERIES = 5  # deliverers that may die in one attempt before it is given up
UNKNOWN_CALLBACK_PAUSE = 1.0  # s
UNUSABLE_CALLBACK_PAUSE = 10.0  # s
NOT_FOR_US_PAUSE = 0.2  # s
REDIS_AWAY_PAUSE = 0.2  # s
ONCE = RetryPolicy(schedule=())


class Relay:
    """Slots, and what happens in one."""

    def __init__(
        self,
        consumer: Consumer,
        directory: Directory,
        tail: ConfigTail,
        store: ConfigStore,
        promoter: Promoter,
        duplicates: Duplicates,
        slots: int,
        tracing: "Tracing | None" = None,
    ) -> None:
        self._consumer, self._directory, self._promoter = consumer, directory, promoter
        self._duplicates, self._tracing = duplicates, tracing
        self._tail, self._store = tail, store
        self._slots = Slots(slots)
        self.taking = asyncio.Lock()  # held while what is begun is not yet in a slot
        self.last_read = time.monotonic()

    def free(self) -> int:
        """Slots that are free."""
        return self._slots.free

    async def step(self) -> float:
        """Take once: at once what is there, else wait until something may be."""
        self.last_read = time.monotonic()
        slots = self._slots
        if slots.free <= 0:
            await slots.freed()
            return 0.0
        async with self.taking:
            taken = await self._consumer.take(slots.portion, slots.doubtful_left, slots.crowding())
            self._launch(taken.started)
        if not taken.more:
            if slots.free > 0:  # else a bell that is meant for somebody with room would be heard here
                await self._consumer.wait()
        elif not taken.started:  # for those who have room for it; for us once one of ours has ended
            await slots.freed(NOT_FOR_US_PAUSE)
        return 0.0

    async def dispatch(self, entries: list[Entry]) -> None:
        """Begin again what was claimed; those already held are skipped."""
        fresh = [entry for entry in entries if not self._slots.holds(entry)]
        if fresh:
            self._launch(await self._consumer.start(fresh))

    def _launch(self, begun: list[Started]) -> None:
        for item in begun:
            self._slots.hold(item, asyncio.create_task(self._run(item)))

    async def _run(self, started: Started) -> None:
        try:
            await self._deliver(started)
        except asyncio.CancelledError:
            await self._hand_back(started)
            raise
        except StorageRefused:
            log.exception("a delivery could not be settled", extra={"delivery": started.attempt.delivery})
        finally:
            self._slots.let_go(started)

    async def _hand_back(self, started: Started) -> None:
        try:
            await self._release(started, Release.LINE)
        except (StorageUnavailable, StorageFull):
            log.warning("left to be taken over: redis is away", extra={"delivery": started.attempt.delivery})

    async def _release(self, started: Started, to: Release, delay: float = 0.0) -> bool:
        return await self._consumer.release(started.entry, to, delay, started.fence)

    async def stop_taking(self) -> None:
        """For good. What is being taken gets a slot; else it would wait for the slowest before it was handed back."""
        await self.taking.acquire()

    async def drain(self, seconds: float) -> None:
        """Let what is in flight finish for so long; then cut it short and hand it back."""
        await self._consumer.stop_waiting()
        tasks = self._slots.tasks()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        left = await self._consumer.claim(self._consumer.name, MOST_HELD)  # a reply was lost
        for entry in left:
            await self._consumer.release(entry, Release.LINE, fence="*")

    async def _deliver(self, started: Started) -> None:
        attempt = started.attempt
        if attempt.recoveries:
            metrics.RECOVERED.inc()
        outlet = self._directory.outlet(attempt.notification.tenant, attempt.target)
        if outlet is None and (pause := await self._patience(started)):
            await _persist(self._release, started, Release.SCHEDULE, pause)
            return
        if outlet is None:
            await self._refuse(started, Webhook.name, "callback_deleted", "the callback was deleted")
        elif refusal := outlet.refusal or _refusal(started):
            await self._refuse(started, outlet.channel, *refusal)
        elif outlet.suspended:  # the shard does not know yet, or the reader was faster
            await _persist(self._release, started, Release.SCHEDULE, UNKNOWN_CALLBACK_PAUSE)
        elif attempt.notification.dedup and (other := await self._other(attempt)):
            await self._refuse(started, outlet.channel, "duplicate", f"with this dedupKey it gets {other}")
        else:
            await self._attempt(started, outlet)

    async def _other(self, attempt: Attempt) -> str:
        """The delivery that the recipient gets with the notification's key, if it is not this one."""
        if is_group(attempt.target):
            return ""
        owner = await _persist(self._duplicates.owner, attempt)
        return "" if owner == attempt.delivery else owner

    async def _patience(self, started: Started) -> float:
        """Seconds to wait for a callback that we don't have: newer than our config, or one we can't use; 0: deleted.

        To refuse is final, so the store is asked, not our copy: its record may be sealed with a key that only we lack.
        """
        target, revision = started.attempt.target, started.attempt.notification.config_revision
        if self._tail.revision < revision:
            return UNKNOWN_CALLBACK_PAUSE
        deleted = await _persist(self._store.lacks, f"callback/{target.name}", target.id, revision)
        return 0.0 if deleted else UNUSABLE_CALLBACK_PAUSE

    async def _refuse(self, started: Started, channel: str, reason: str, detail: str) -> None:
        entry = journal.refusal_entry(started.attempt, reason, detail)
        settlement = Settlement(
            started,
            Move.REFUSED,
            reason,
            timeline=entry,
            counts=False,
            announced=self._directory.hearers.want(started.attempt.notification),
        )
        if await _persist(self._consumer.settle, settlement) is None:
            metrics.STALE.inc()
        else:
            await self._not_sent(started.attempt, Move.REFUSED)
            journal.refused(channel, started.attempt, reason)

    async def _attempt(self, started: Started, outlet: Outlet) -> None:
        began = time.perf_counter()
        try:
            if self._tracing is None:
                outcome = await outlet.deliver(started.attempt)
            else:
                outcome = await self._tracing.attempt(outlet.deliver, started.attempt, outlet.channel)
        except Exception:
            log.exception("a channel failed", extra={"delivery": started.attempt.delivery})
            outcome = Outcome(Result.RETRYABLE, "internal_error", "the channel failed; see the deliverer's log")
        if outcome.result is Result.LATER:
            await _persist(self._release, started, Release.SCHEDULE, outcome.retry_after or UNKNOWN_CALLBACK_PAUSE)
        else:
            await self._settle(started, outlet, outcome, time.perf_counter() - began)

    async def _settle(self, started: Started, outlet: Outlet, outcome: Outcome, took: float) -> None:
        attempt, notification = started.attempt, started.attempt.notification
        policy = ONCE if notification.test else outlet.policy
        left = notification.expires_ms / 1000 - time.time() if notification.expires_ms else None
        decision = decide(outcome, attempt.number, policy, left=left)
        entry = journal.timeline_entry(attempt, decision, outcome, took)
        settlement = Settlement(
            started, decision.move, decision.reason, decision.delay, entry, outlet.endpoint, outcome.gone,
            counts=not notification.test and not outcome.blameless and self._is_current(attempt, outlet),
            reference=outcome.reference, announced=self._directory.hearers.want(notification),
        )  # fmt: skip
        due = await _persist(self._consumer.settle, settlement)
        if due is not None:
            await self._not_sent(attempt, decision.move)
        journal.attempt_made(outlet.channel, attempt, decision, took, due)
        if started.due_ms and due is not None and decision.move is Move.DELIVERED and _counts(attempt):
            journal.delivered_when_due(notification.priority, started.due_ms)
        if decision.delay:
            self._promoter.hurry(decision.delay)

    async def _not_sent(self, attempt: Attempt, move: Move) -> None:
        """Then another with the same key may be."""
        if attempt.notification.dedup and move in {Move.REFUSED, Move.DEAD}:
            await _persist(self._duplicates.give_back, attempt)

    def _is_current(self, attempt: Attempt, outlet: Outlet) -> bool:
        """What an endpoint did that was replaced meanwhile says nothing of the new one."""
        current = self._directory.outlet(attempt.notification.tenant, attempt.target)
        return current is not None and current.endpoint == outlet.endpoint


def _counts(attempt: Attempt) -> bool:
    """Whether it is about a callback, and no test: providers have rates of their own, which no shard knows."""
    return not attempt.target.to and not attempt.notification.test


def _refusal(started: Started) -> tuple[str, str] | None:
    """Reason and detail of what is refused without an attempt, whoever it is for."""
    attempt, expires = started.attempt, started.attempt.notification.expires_ms
    if attempt.recoveries > MOST_RECOVERIES:
        return "deliverer_lost", f"{attempt.recoveries} deliverers died in this attempt"
    if expires and time.time() * 1000 >= expires and not attempt.reference:
        return "expired", "it was not sent before its expiresAt"
    return None


async def _persist(call: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Ask until Redis has answered: what was done must not be forgotten, and each script is safe to repeat."""
    while True:
        try:
            return await call(*arguments)
        except (StorageUnavailable, StorageFull):
            await asyncio.sleep(REDIS_AWAY_PAUSE)
