"""The operator from start to end."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

from angarium.config import ConfigStore
from angarium.edits import EditStore
from angarium.edits.store import BLOCK_MS
from angarium.egress import EgressPolicy
from angarium.link import Link
from angarium.loops import forever
from angarium.queue import Census, Layout, Queue
from angarium.telemetry.metrics import show_running
from angarium.telemetry.probes import Probes
from angarium_operator.api import Api
from angarium_operator.apply import Applier
from angarium_operator.callbacks import ClusterCallbacks
from angarium_operator.discovery import until_served
from angarium_operator.editor import Editor
from angarium_operator.feed import Feed
from angarium_operator.informer import Informer
from angarium_operator.kinds import watched_kinds
from angarium_operator.observer import Observer
from angarium_operator.planning import Finding, Key, Policy, Snapshot
from angarium_operator.probing import Prober
from angarium_operator.publisher import Publisher
from angarium_operator.reconciler import Reconciler
from angarium_operator.referred import ReferredSecrets
from angarium_operator.resync import Resync
from angarium_operator.settings import OperatorSettings
from angarium_operator.vigil import Vigil


async def run(settings: OperatorSettings, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Reconcile until `stop` is set. `ready` is set when all there is was read once."""
    probes = Probes()
    show_running("operator")
    probes.ready["objects"] = lambda: "they have not been listed yet"
    async with (
        Api(settings.kubeconfig) as api,
        Queue(settings.redis, settings.shards) as queue,
        Link(settings.redis, timeout=BLOCK_MS / 1000 + settings.redis.timeout) as waiting,
        probes.serve(settings.probe_host, settings.probe_port),
    ):
        await Operator(settings, api, queue, probes, EditStore(waiting)).run(stop, ready)


class Operator:
    """What belongs together, and in which order it starts."""

    def __init__(self, settings: OperatorSettings, api: Api, queue: Queue, probes: Probes, edits: EditStore) -> None:
        """`edits` waits on a link of its own."""
        kinds, namespaces = watched_kinds(everywhere=not settings.watch_namespaces), settings.watch_namespaces
        snapshot = Snapshot(policy_of(settings))
        census = Census(queue)
        self._layout = Layout(queue)
        self._settings, self._probes, self._snapshot = settings, probes, snapshot
        self._api, self._kinds = api, kinds
        self._reconciler = Reconciler(snapshot)
        concern = self._reconciler.concern
        publisher = Publisher(ConfigStore(queue.link), snapshot, concern, timedelta(seconds=settings.doubt_seconds))
        feed = Feed(snapshot, concern)
        self._observer = Observer(settings, queue.link, census, publisher, self._reconciler, snapshot)
        self._prober = Prober(egress_of(settings), self._found, settings.probe_seconds)
        self._applier = Applier(api, feed, publisher, census, self._prober, snapshot, settings.pod)
        self._referred = ReferredSecrets(api, snapshot, concern, settings.watch_idle_seconds)
        self._editor = Editor(edits, ClusterCallbacks(api, feed), snapshot, allowed=settings.api_callbacks)
        self._resync = Resync(
            api, feed, kinds, namespaces, lambda: concern([*snapshot.everything(), *snapshot.published])
        )
        self._informer = Informer(
            kinds,
            namespaces,
            feed.seen,
            self._resync.ask,
            kubeconfig=settings.kubeconfig,
            idle_seconds=settings.watch_idle_seconds,
        )
        self._vigil = Vigil(api, self._informer, namespaces[0] if namespaces else "", settings.watch_idle_seconds)
        probes.ready["redis"] = lambda: None if queue.link.up else "it does not answer"

    def _found(self, key: Key, finding: Finding) -> None:
        self._reconciler.concern(self._snapshot.put_finding(key, finding))

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None) -> None:
        """Read everything, then the store, then begin to change things."""
        stopping = asyncio.create_task(stop.wait())
        try:
            if await _first(until_served(self._api, self._kinds), stopping):
                await self._work(stopping, ready)
        finally:
            stopping.cancel()

    async def _work(self, stopping: "asyncio.Task[Any]", ready: asyncio.Event | None) -> None:
        try:
            if await _first(self._begin(), stopping, self._informer.ended):
                if ready:
                    ready.set()
                await self._serve(stopping)
            elif self._informer.ended.done():
                self._informer.ended.result()
        finally:
            await self._prober.close()
            await self._informer.stop()

    async def _begin(self) -> None:
        """First the watches, then the lists: so nothing happens in between that nobody tells us."""
        self._informer.start()
        await self._informer.established.wait()
        await self._resync.everything()
        await self._observer.look()
        self._probes.ready |= {"objects": lambda: None, "watches": self._vigil.unready}
        self._probes.alive["watches"] = self._vigil.stale

    async def _serve(self, stopping: "asyncio.Task[Any]") -> None:
        loops = [
            *(
                forever("reconcile", partial(self._reconciler.work, self._applier))
                for _ in range(self._settings.reconcilers)
            ),
            forever("plane", self._observer.watch_plane),
            forever("edits", self._editor.step),
            forever("shards", self._layout.step),
            forever("health", self._observer.watch_health),
            forever("resync", partial(self._resync.run, self._settings.resync_seconds)),
            forever("vigil", self._vigil.run),
            *(
                forever("secrets", partial(self._referred.follow, namespace))
                for namespace in self._settings.watch_namespaces or ("",)
            ),
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop) for loop in loops]
            await asyncio.wait([stopping, self._informer.ended], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        if not stopping.done():
            self._informer.ended.result()


async def _first(work: Any, *ends: "asyncio.Future[Any]") -> bool:
    """Whether the work was done before any of these; raises what it raised."""
    task = asyncio.create_task(work)
    await asyncio.wait([task, *ends], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False


def egress_of(settings: OperatorSettings) -> EgressPolicy:
    """What probes may dial: what deliverers may."""
    return EgressPolicy(settings.egress_allowed_cidrs, settings.egress_denied_cidrs)


def policy_of(settings: OperatorSettings) -> Policy:
    """What plans must know of the settings."""
    sealer = settings.sealer
    return Policy(
        settings.gateway_url,
        sealer,
        sealer.current,
        allowed=settings.egress_allowed_cidrs,
        denied=settings.egress_denied_cidrs,
        count_every=timedelta(seconds=settings.count_seconds),
    )
