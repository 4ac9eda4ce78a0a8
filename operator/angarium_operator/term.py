"""What the operator that leads does, and only it: a term begins with what Redis holds and ends without a trace.

All that is known of the world but what the watches tell is thrown away between two terms, for another operator has
acted meanwhile. So a second term begins as the first one of a new process does.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any

from angarium.config import ConfigStore
from angarium.edits import EditStore
from angarium.egress import EgressPolicy
from angarium.loops import forever
from angarium.queue import Census, Intake, Ledger, Queue, Replays
from angarium_operator.api import Api
from angarium_operator.apply import Applier
from angarium_operator.callbacks import ClusterCallbacks
from angarium_operator.editor import Editor
from angarium_operator.feed import Feed
from angarium_operator.mandate import Permit
from angarium_operator.observer import Observer
from angarium_operator.orders import Orders
from angarium_operator.planning import DataPlane, Finding, Key, Snapshot
from angarium_operator.planning.orders import Progress
from angarium_operator.probing import Prober
from angarium_operator.publisher import Publisher
from angarium_operator.reconciler import Reconciler
from angarium_operator.referred import ReferredSecrets
from angarium_operator.replayer import Replayer
from angarium_operator.settings import OperatorSettings
from angarium_operator.tester import Tester

FINISHING = 2.0  # s that writes under way may take when we leave


class Term:
    """`async with Term(...)`: acts while the body runs."""

    def __init__(
        self,
        settings: OperatorSettings,
        api: Api,
        queue: Queue,
        edits: EditStore,
        feed: Feed,
        snapshot: Snapshot,
        reconciler: Reconciler,
        permit: Permit,
    ) -> None:
        _forget(snapshot)
        self._settings, self._api = settings, api
        self._snapshot, self._reconciler = snapshot, reconciler
        concern, census = reconciler.concern, Census(queue)
        doubt = timedelta(seconds=settings.doubt_seconds)
        publisher = Publisher(ConfigStore(queue.link), snapshot, reconciler.recheck, doubt, permit)
        self._observer = Observer(settings, queue.link, census, publisher, reconciler, snapshot)
        self._prober = Prober(egress_of(settings), self._found, settings.probe_seconds)
        orders = Orders()
        self._replayer = Replayer(orders, Replays(queue), self._told)
        self._tester = Tester(orders, Intake(queue), Ledger(queue), self._told)
        self._applier = Applier(api, feed, publisher, census, self._prober, orders, snapshot, settings.pod, permit)
        self._referred = ReferredSecrets(api, snapshot, concern, settings.watch_idle_seconds)
        callbacks = ClusterCallbacks(api, feed)
        self._editor = Editor(edits, callbacks, snapshot, allowed=settings.api_callbacks, permit=permit)

    def _found(self, key: Key, finding: Finding) -> None:
        self._reconciler.concern(self._snapshot.put_finding(key, finding))

    def _told(self, key: Key, progress: Progress) -> None:
        self._reconciler.concern(self._snapshot.put_progress(key, progress))

    async def run(self) -> None:
        """First read the store, then begin to change things; until cancelled."""
        await self._observer.look()
        self._reconciler.recheck([*self._snapshot.everything(), *self._snapshot.published])
        async with running(*self._loops()):
            await asyncio.Event().wait()

    async def close(self) -> None:
        """Once `run` was cancelled."""
        self._observer.close()
        await self._prober.close()

    def _loops(self) -> list[Coroutine[Any, Any, None]]:
        settings = self._settings
        return [
            *(forever("reconcile", partial(self._reconciler.work, self._applier)) for _ in range(settings.reconcilers)),
            forever("plane", self._observer.watch_plane),
            forever("edits", self._editor.step),
            forever("replays", self._replayer.step),
            forever("tests", self._tester.step),
            forever("health", self._observer.watch_health),
            *(
                forever("secrets", partial(self._referred.follow, namespace))
                for namespace in settings.watch_namespaces or ("",)
            ),
        ]


def _forget(snapshot: Snapshot) -> None:
    snapshot.foreign.clear()
    snapshot.referred.clear()
    snapshot.findings.clear()
    snapshot.progress.clear()
    snapshot.pending.clear()
    snapshot.counted.clear()
    snapshot.published, snapshot.health, snapshot.plane = {}, {}, DataPlane()


@contextlib.asynccontextmanager
async def running(*loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Loops that run as long as the body; none ends by itself."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def egress_of(settings: OperatorSettings) -> EgressPolicy:
    """What probes may dial: what deliverers may."""
    return EgressPolicy(settings.egress_allowed_cidrs, settings.egress_denied_cidrs)
