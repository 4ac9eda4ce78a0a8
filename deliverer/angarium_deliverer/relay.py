"""The relay itself: read as many as there are free slots, make the attempts, settle each.

A delivery holds a slot from its reading until it is settled. While Redis is away a finished attempt waits in its slot
to be settled, so nothing is lost and no more is read than can be kept.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from angarium.config import ConfigStore, ConfigTail
from angarium.errors import StorageFull, StorageRefused, StorageUnavailable
from angarium.notifications import LANES, Outcome, Result
from angarium.queue import Consumer, Entry, Release, Settlement, Started
from angarium.retries import Move, RetryPolicy, decide
from angarium.telemetry import metrics
from angarium_deliverer import journal
from angarium_deliverer.channels import Channel
from angarium_deliverer.directory import Directory, Subscriber
from angarium_deliverer.promoter import Promoter
from angarium_deliverer.recoverer import MOST_HELD

T = TypeVar("T")

log = logging.getLogger(__name__)
MOST_RECOVERIES = 5  # deliverers that may die in one attempt before it is given up
UNKNOWN_CALLBACK_PAUSE = 1.0  # s
UNUSABLE_CALLBACK_PAUSE = 10.0  # s
NEARLY_FULL_PAUSE = 0.2  # s
REDIS_AWAY_PAUSE = 0.2  # s
LARGEST_READ = 256  # entries read by one script: Redis serves nobody else meanwhile
ONCE = RetryPolicy(schedule=())


class Relay:
    """Slots, and what happens in one."""

    def __init__(
        self,
        consumer: Consumer,
        directory: Directory,
        tail: ConfigTail,
        store: ConfigStore,
        channel: Channel,
        promoter: Promoter,
        slots: int,
    ) -> None:
        self._consumer, self._directory, self._channel, self._promoter = consumer, directory, channel, promoter
        self._tail, self._store = tail, store
        self._slots = slots
        self._held: dict[
            tuple[int, int, str], asyncio.Task[None] | None
        ] = {}  # by shard, lane and entry; None: being begun
        self._freed = asyncio.Event()
        self._widest_wait = min(consumer.widest_wait, max(len(LANES), slots // 8))
        self.last_read = time.monotonic()
        metrics.SLOTS.set(slots)

    def free(self) -> int:
        """Slots that are free."""
        return self._slots - len(self._held)

    async def step(self) -> float:
        """Read once and dispatch: at once what is there, else wait for what comes."""
        self.last_read = time.monotonic()
        if self.free() <= 0:
            await self._one_freed()
            return 0.0
        entries = await self._consumer.read(min(self.free(), LARGEST_READ))
        if not entries:
            if self.free() < self._widest_wait and self._held:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(NEARLY_FULL_PAUSE):  # those in flight may all be slow ones
                        await self._one_freed()
                return 0.0
            entries = await self._consumer.wait()
        await self.dispatch(entries)
        return 0.0

    async def _one_freed(self) -> None:
        self._freed.clear()
        await self._freed.wait()

    async def dispatch(self, entries: list[Entry]) -> None:
        """Begin and make the attempts of these, each in a task of its own; those already held are skipped."""
        fresh = [entry for entry in entries if _key(entry) not in self._held]
        self._held |= dict.fromkeys(map(_key, fresh))
        try:
            begun = await self._begin(fresh)
        except BaseException:
            self._let_go(fresh)  # they stay ours in Redis; the recoverer finds them again
            raise
        started = {_key(item.entry) for item in begun}
        self._let_go([entry for entry in fresh if _key(entry) not in started])
        for item in begun:
            task = asyncio.create_task(self._run(item), name=f"delivery {item.attempt.delivery}")
            self._held[_key(item.entry)] = task
        metrics.SLOTS_USED.set(len(self._held))

    async def _begin(self, entries: list[Entry]) -> list[Started]:
        suspended = [entry for entry in entries if self._suspended(entry)]
        for entry in suspended:
            await self._consumer.release(entry, Release.PARKED)
        going = [entry for entry in entries if entry not in suspended] if suspended else entries
        return await self._consumer.start(going) if going else []

    def _suspended(self, entry: Entry) -> bool:
        subscriber = self._directory.get(entry.ticket.callback)
        return subscriber is not None and subscriber.record.suspended

    def _let_go(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._held.pop(_key(entry), None)
        self._freed.set()

    async def _run(self, started: Started) -> None:
        try:
            await self._deliver(started)
        except asyncio.CancelledError:
            await self._hand_back(started)
            raise
        except StorageRefused:
            log.exception("a delivery could not be settled", extra={"delivery": started.attempt.delivery})
        finally:
            self._let_go([started.entry])
            metrics.SLOTS_USED.set(len(self._held))

    async def _hand_back(self, started: Started) -> None:
        try:
            await self._release(started, Release.LANE)
        except (StorageUnavailable, StorageFull):
            log.warning("left to be taken over: redis is away", extra={"delivery": started.attempt.delivery})

    async def _release(self, started: Started, to: Release, delay: float = 0.0) -> bool:
        return await self._consumer.release(started.entry, to, delay, started.fence)

    async def drain(self, seconds: float) -> None:
        """Let what is in flight finish for so long; then cut it short and hand it back."""
        await self._consumer.stop_waiting()
        tasks = [task for task in self._held.values() if task]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        left = await self._consumer.claim(self._consumer.name, MOST_HELD)  # read, or on its way, when reading stopped
        for entry in left:
            await self._consumer.release(entry, Release.LANE, fence="*")

    async def _deliver(self, started: Started) -> None:
        attempt = started.attempt
        if attempt.recoveries:
            metrics.RECOVERED.inc()
        subscriber = self._directory.get(attempt.target.id)
        if subscriber is None and (pause := await self._patience(started)):
            await _persist(self._release, started, Release.SCHEDULE, pause)
            return
        if subscriber is None:
            await self._refuse(started, "callback_deleted", "the callback was deleted")
        elif refusal := self._refusal(started, subscriber):
            await self._refuse(started, *refusal)
        else:
            await self._attempt(started, subscriber)

    async def _patience(self, started: Started) -> float:
        """Seconds to wait for a callback that we don't have: newer than our config, or one we can't use; 0: deleted.

        To refuse is final, so the store is asked, not our copy: its record may be sealed with a key that only we lack.
        """
        target, revision = started.attempt.target, started.attempt.notification.config_revision
        if self._tail.revision < revision:
            return UNKNOWN_CALLBACK_PAUSE
        deleted = await _persist(self._store.lacks, f"callback/{target.name}", target.id, revision)
        return 0.0 if deleted else UNUSABLE_CALLBACK_PAUSE

    @staticmethod
    def _refusal(started: Started, subscriber: Subscriber) -> tuple[str, str] | None:
        """Reason and detail of what is refused without an attempt."""
        if subscriber.record.disabled:
            return subscriber.record.disabled, "the callback is disabled"
        if started.attempt.recoveries > MOST_RECOVERIES:
            return "deliverer_lost", f"{started.attempt.recoveries} deliverers died in this attempt"
        return None

    async def _refuse(self, started: Started, reason: str, detail: str) -> None:
        entry = journal.refusal_entry(started.attempt, reason, detail)
        settlement = Settlement(started, Move.REFUSED, reason, timeline=entry, counts=False)
        if await _persist(self._consumer.settle, settlement) is None:
            metrics.STALE.inc()
        else:
            journal.refused(self._channel.name, started.attempt, reason)

    async def _attempt(self, started: Started, subscriber: Subscriber) -> None:
        began = time.perf_counter()
        outcome = await self._outcome(started, subscriber)
        await self._settle(started, subscriber, outcome, time.perf_counter() - began)

    async def _outcome(self, started: Started, subscriber: Subscriber) -> Outcome:
        try:
            return await self._channel.deliver(started.attempt, subscriber.record, subscriber.signer)
        except Exception:
            log.exception("a channel failed", extra={"delivery": started.attempt.delivery})
            return Outcome(Result.RETRYABLE, "internal_error", "the channel failed; see the deliverer's log")

    async def _settle(self, started: Started, subscriber: Subscriber, outcome: Outcome, took: float) -> None:
        attempt = started.attempt
        policy = ONCE if attempt.notification.test else subscriber.policy
        decision = decide(outcome, attempt.number, policy)
        gone = subscriber.record.endpoint if outcome.gone else ""
        entry = journal.timeline_entry(attempt, decision, outcome, took)
        counts = not attempt.notification.test
        settlement = Settlement(started, decision.move, decision.reason, decision.delay, entry, gone, counts)
        due = await _persist(self._consumer.settle, settlement)
        journal.attempt_made(self._channel.name, attempt, decision, took, due)
        if decision.move is Move.RETRY:
            self._promoter.hurry(decision.delay)


def _key(entry: Entry) -> tuple[int, int, str]:
    return entry.keys.shard, entry.lane, entry.id


async def _persist(call: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Ask until Redis has answered: what was done must not be forgotten, and each script is safe to repeat."""
    while True:
        try:
            return await call(*arguments)
        except (StorageUnavailable, StorageFull):
            await asyncio.sleep(REDIS_AWAY_PAUSE)
