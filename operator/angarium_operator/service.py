"""The operator from start to end."""

import asyncio
import contextlib
import logging
from datetime import timedelta
from functools import partial
from typing import Any

from angarium.edits import EditStore
from angarium.edits.store import BLOCK_MS
from angarium.link import Link
from angarium.loops import forever
from angarium.queue import Layout, Queue
from angarium.telemetry.metrics import LEADER, REDIS_UP, show_running
from angarium.telemetry.probes import Probes
from angarium_operator.api import Api
from angarium_operator.candidate import campaign
from angarium_operator.discovery import until_served
from angarium_operator.feed import Feed
from angarium_operator.informer import Informer
from angarium_operator.kinds import watched_kinds
from angarium_operator.mandate import Mandate
from angarium_operator.mounts import Mounts
from angarium_operator.planning import Policy, Snapshot
from angarium_operator.reconciler import Reconciler
from angarium_operator.resync import Resync
from angarium_operator.settings import OperatorSettings
from angarium_operator.term import FINISHING, Term, running
from angarium_operator.vigil import Vigil

log = logging.getLogger(__name__)


async def run(settings: OperatorSettings, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Reconcile until `stop` is set. `ready` is set when all there is was read once."""
    probes, mandate = Probes(), Mandate()
    show_running("operator")
    probes.ready["objects"] = lambda: "they have not been listed yet"
    async with (
        Api(settings.kubeconfig, mandate.rest) as api,
        Queue(settings.redis, settings.shards) as queue,
        Link(settings.redis, timeout=BLOCK_MS / 1000 + settings.redis.timeout) as waiting,
        probes.serve(settings.probe_host, settings.probe_port),
    ):
        await Operator(settings, api, queue, probes, EditStore(waiting), mandate).run(stop, ready)


class Operator:
    """What belongs together, and in which order it starts.

    Everything is watched from the start, so that who stands by can act at once; but only a Term changes anything.
    """

    def __init__(
        self, settings: OperatorSettings, api: Api, queue: Queue, probes: Probes, edits: EditStore, mandate: Mandate
    ) -> None:
        """`edits` waits on a link of its own."""
        kinds, namespaces = watched_kinds(everywhere=not settings.watch_namespaces), settings.watch_namespaces
        snapshot = Snapshot(policy_of(settings))
        self._settings, self._probes, self._mandate = settings, probes, mandate
        self._api, self._kinds, self._link = api, kinds, queue.link
        self._layout = Layout(queue)
        reconciler = Reconciler(snapshot)
        concern = reconciler.concern
        feed = Feed(snapshot, concern)
        self._term = partial(Term, settings, api, queue, edits, feed, snapshot, reconciler, mandate.rest)
        self._resync = Resync(
            api,
            feed,
            kinds,
            namespaces,
            lambda: reconciler.recheck([*snapshot.everything(), *snapshot.published]),
        )
        self._informer = Informer(
            kinds,
            namespaces,
            feed.seen,
            self._resync.ask,
            kubeconfig=settings.kubeconfig,
            idle_seconds=settings.watch_idle_seconds,
        )
        self._mounts = Mounts(settings.mounted_sealer(), settings.mounted_ca(), snapshot, concern)
        self._vigil = Vigil(api, self._informer, namespaces[0] if namespaces else "", settings.watch_idle_seconds)
        probes.ready["redis"] = lambda: None if queue.link.up else "it does not answer"
        self._warm = asyncio.Event()  # all there is was read

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None) -> None:
        """Read everything, then begin to change things, or stand by."""
        stopping = asyncio.create_task(stop.wait())
        try:
            if await _first(until_served(self._api, self._kinds), stopping):
                await self._work(stopping, ready)
        finally:
            stopping.cancel()

    async def _work(self, stopping: "asyncio.Task[Any]", ready: asyncio.Event | None) -> None:
        try:
            async with campaign(self._settings, self._mandate, self._warm) as unready:
                self._probes.ready["lease"] = unready
                if await _first(self._begin(), stopping, self._informer.ended):
                    if ready:
                        ready.set()
                    await self._serve(stopping)
            if not stopping.done():
                self._informer.ended.result()
        finally:
            await self._informer.stop()

    async def _begin(self) -> None:
        """First the watches, then the lists: so nothing happens in between that nobody tells us."""
        self._informer.start()
        await self._informer.established.wait()
        await self._resync.everything()
        self._probes.ready |= {"objects": lambda: None, "watches": self._vigil.unready}
        self._probes.alive["watches"] = self._vigil.stale
        self._warm.set()

    async def _serve(self, *ends: "asyncio.Future[Any]") -> None:
        """Until one of these: what every operator does, and a Term whenever we have the mandate."""
        ends = (*ends, self._informer.ended)
        async with running(
            forever("shards", self._follow_shards),
            forever("resync", partial(self._resync.run, self._settings.resync_seconds)),
            forever("vigil", self._vigil.run),
            forever("seal-keys", partial(self._mounts.seal_keys, self._settings.reseal_seconds)),
            forever("gateway-ca", self._mounts.gateway_ca),
        ):
            while await _first(self._mandate.begun.wait(), *ends):
                await self._lead(*ends)

    async def _follow_shards(self) -> float:
        """It reads only; and by it who stands by sees whether Redis is there."""
        try:
            return await self._layout.step()
        finally:
            REDIS_UP.set(self._link.up)

    async def _lead(self, *ends: "asyncio.Future[Any]") -> None:
        term = self._term()
        acting, over = asyncio.create_task(term.run()), asyncio.create_task(self._mandate.over())
        LEADER.set(1)
        try:
            await asyncio.wait([acting, over, *ends], return_when=asyncio.FIRST_COMPLETED)
            if acting.done():
                acting.result()
            if over.done():
                log.warning("the lease ran out or was taken; standing by")
            else:
                await self._finish()
        finally:
            LEADER.set(0)
            acting.cancel()
            over.cancel()
            await asyncio.gather(acting, over, return_exceptions=True)
            await term.close()

    async def _finish(self) -> None:
        """Begin nothing more, so that whoever is next finds all that was begun done."""
        self._mandate.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISHING):
                await self._api.quiet()


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


def policy_of(settings: OperatorSettings) -> Policy:
    """What plans must know of the settings."""
    sealer = settings.sealer
    return Policy(
        settings.gateway_url,
        sealer,
        sealer.current,
        allowed=settings.egress_allowed_cidrs,
        denied=settings.egress_denied_cidrs,
        gateway_ca=settings.mounted_ca().value,
        count_every=timedelta(seconds=settings.count_seconds),
    )
