"""Works off the queue: plan, carry out, come back when it is due or when it failed."""

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from angarium.config import RecordsLost
from angarium.errors import StorageFull, StorageUnavailable
from angarium.telemetry.metrics import QUEUE_DEPTH, RECONCILE_DURATION, RECONCILIATIONS
from angarium_operator.api import ApiRefused
from angarium_operator.apply import Applier, PlanOutdated
from angarium_operator.planning import Key, Snapshot, plan
from angarium_operator.workqueue import WorkQueue

log = logging.getLogger(__name__)
SHORTEST_LOOK, LONGEST_LOOK = 0.05, 600.0  # s; what is due in months need not stand in the queue until then
ENDING_PAUSE = 2.0  # s between looks whether a namespace is still being deleted
EXPECTED = (StorageUnavailable, StorageFull, RecordsLost)


class Reconciler:
    """`concern` asks for plans; `waiting` are the objects that the data plane has yet to apply."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._queue: WorkQueue[Key] = WorkQueue()
        self._workers = 0
        self._ending: dict[str, float] = {}  # namespaces that are being deleted: until when they are left alone
        self.ready: dict[Key, bool] = {}
        self.waiting: set[Key] = set()
        self.wakened = asyncio.Event()  # something began to wait, or waits for something else now

    def concern(self, keys: Iterable[Key]) -> None:
        """New plans are due for these."""
        for key in keys:
            self._queue.add(key)
        self._measure()

    def recheck(self, keys: Iterable[Key]) -> None:
        """Plans are due for these though nothing new is known of them: after all that is new."""
        for key in keys:
            self._queue.recheck(key)
        QUEUE_DEPTH.set(len(self._queue))

    async def work(self, applier: Applier) -> None:
        """Until cancelled; several may do so at once."""
        self._workers += 1
        try:
            while True:
                key = await self._queue.get()
                try:
                    await self._reconcile(applier, key)
                finally:
                    self._queue.done(key)
                    self._measure()
        finally:
            self._workers -= 1
            self._measure()

    def _measure(self) -> None:
        """Nothing waits for an operator that stands by."""
        QUEUE_DEPTH.set(len(self._queue) if self._workers else 0)

    async def _reconcile(self, applier: Applier, key: Key) -> None:
        if (pause := self._pause(key)) > 0:
            self._queue.add(key, pause)
            return
        began = time.perf_counter()
        result = "failed"
        try:
            await self._carry_out(applier, key)
            self._queue.forget(key)
            result = "done"
        except PlanOutdated:
            self._queue.retry(key)
            result = "again"
        except EXPECTED as error:
            log.warning("to be tried again", extra={"object": str(key), "error": str(error) or type(error).__name__})
            self._queue.retry(key)
        except ApiRefused as refused:
            self._refused(key, refused)
        except Exception:
            log.exception("a plan could not be made or carried out", extra={"object": str(key)})
            self._queue.retry(key)
        RECONCILIATIONS.labels(key.kind, result).inc()
        RECONCILE_DURATION.labels(key.kind).observe(time.perf_counter() - began)

    def _pause(self, key: Key) -> float:
        """Seconds to leave it alone because its namespace is being deleted: what is said of it nobody reads, and takes
        the API server from deleting it. What has gone is withdrawn all the same."""
        if key not in self._snapshot.objects or key.namespace not in self._ending:
            return 0.0
        left = self._ending[key.namespace] - time.monotonic()
        if left <= 0:
            del self._ending[key.namespace]
        return left

    async def _carry_out(self, applier: Applier, key: Key) -> None:
        now = datetime.now(UTC)
        planned = plan(self._snapshot, key, now)
        if planned.pending:
            self._snapshot.pending[key] = planned.pending
        else:
            self._snapshot.pending.pop(key, None)
        await applier.carry_out(key, planned)
        if planned.read:  # nothing was decided: the next plan comes at once
            return
        if key not in self._snapshot.objects and key not in self._snapshot.broken:
            self.ready.pop(key, None)
            self.waiting.discard(key)
            return
        self.ready[key] = planned.ready
        unapplied = not planned.programmed and key in self._snapshot.published
        self._wait(key, waits=unapplied or bool(planned.pending), anew=planned.record is not None)
        if planned.look_again is not None:
            wait = (planned.look_again - now).total_seconds()
            self._queue.add(key, min(max(wait, SHORTEST_LOOK), LONGEST_LOOK))

    def _wait(self, key: Key, *, waits: bool, anew: bool) -> None:
        if not waits:
            self.waiting.discard(key)
        elif anew or key not in self.waiting:
            self.waiting.add(key)
            self.wakened.set()

    def _refused(self, key: Key, refused: ApiRefused) -> None:
        """A conflict or an object that is gone will show in an event; the wait is for when it doesn't."""
        if refused.ending:
            self._ending[key.namespace] = time.monotonic() + ENDING_PAUSE
        wait = self._queue.retry(key, refused.retry_after)
        level = logging.DEBUG if refused.status in (404, 409) or refused.ending else logging.WARNING
        said = {"object": str(key), "error": str(refused), "again_in_s": round(wait, 1)}
        log.log(level, "the Kubernetes API refused", extra=said)
