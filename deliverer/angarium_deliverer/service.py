"""A deliverer from start to drain."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from angarium.config import ConfigStore, ConfigTail, Presence
from angarium.egress import EgressPolicy
from angarium.errors import StorageFull, StorageUnavailable
from angarium.loops import forever
from angarium.mounted import LOOK_EVERY, Mounted
from angarium.people import People
from angarium.queue import Census, Consumer, Duplicates, Expander, Layout, Pacing, Queue, Upkeep
from angarium.sealing import Sealer
from angarium.telemetry.metrics import show_running
from angarium.telemetry.probes import Probes
from angarium.telemetry.traces import tracing_of
from angarium_deliverer.announcer import Announcer
from angarium_deliverer.channels import Way
from angarium_deliverer.dialer import Dialer
from angarium_deliverer.directory import Directory
from angarium_deliverer.expansion import GroupStore
from angarium_deliverer.janitor import Janitor
from angarium_deliverer.limiter import Limiter
from angarium_deliverer.listener import Listener
from angarium_deliverer.promoter import Promoter
from angarium_deliverer.recoverer import Recoverer
from angarium_deliverer.relay import Relay
from angarium_deliverer.sampler import Sampler
from angarium_deliverer.settings import DelivererSettings

if TYPE_CHECKING:
    from angarium.telemetry.tracing import Tracing

log = logging.getLogger(__name__)
STUCK_AFTER = 60.0  # s without a look while Redis is there and a slot is free


async def run(settings: DelivererSettings, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Deliver until `stop` is set, then drain."""
    probes, policy = Probes(), egress_policy(settings)
    show_running("deliverer")
    async with (
        Queue(settings.redis, settings.shards) as queue,
        Consumer(queue, settings.pod) as consumer,
        Dialer(policy, ca_file=settings.ca_bundle) as dialer,
        probes.serve(settings.probe_host, settings.probe_port),
        _traces(settings) as tracing,
    ):
        way = Way(dialer, dialer.resolver, policy, settings.ca_bundle, settings.public_url, settings.pod)
        groups = GroupStore(Expander(queue), People(queue.link, prefix=queue.prefix), Census(queue))
        directory = Directory(settings.sealer, way, Pacing(queue), groups)
        tail = ConfigTail(settings.redis, directory.accept)
        directory.follow(tail)
        upkeep = Upkeep(queue, settings.pod)
        promoter = Promoter(queue, upkeep)
        limiter = Limiter(queue, upkeep)
        limiter.follow(tail)
        layout = Layout(queue, changed=limiter.tell_again)
        store = ConfigStore(queue.link)
        relay = Relay(consumer, directory, tail, store, promoter, Duplicates(queue), settings.deliverer_slots, tracing)
        presence = Presence(queue.link, "deliverer", settings.pod, lambda: tail.applied)
        tail.on_applied(presence.hurry)
        recoverer = Recoverer(consumer, upkeep, presence, relay.free, relay.dispatch, relay.taking)
        announcer = Announcer(queue, directory.hearers, tail)
        consumer.ended = announcer.hear
        sampler = Sampler(queue, tail)
        listener = Listener(queue, directory, Duplicates(queue), public=bool(settings.public_url), ended=announcer.hear)
        _install(probes, queue, tail, relay, stop)
        async with running(
            forever("config", tail.run),
            forever("beat", presence.run),
            forever("link", sampler.watch_link),
            forever("shards", layout.step),
            forever("seal-keys", opening(settings.mounted_sealer(), directory, tail)),
        ):
            if await _first(_read(tail, layout), stop.wait()):
                async with running(
                    forever("read", reading(limiter, recoverer, relay)),
                    forever("limit", limiter.step),
                    forever("promote", promoter.step),
                    forever("announce", announcer.step),
                    forever("recover", recoverer.step),
                    forever("listen", listener.step),
                    forever("expire", Janitor(queue, upkeep, layout).step),
                    forever("sample", sampler.step),
                ):
                    if ready:
                        ready.set()
                    await stop.wait()
                    await relay.stop_taking()
                await _leave(relay, announcer, consumer, presence, settings.drain_seconds)


@contextlib.asynccontextmanager
async def _traces(settings: DelivererSettings) -> "AsyncIterator[Tracing | None]":
    tracing = tracing_of(settings, "deliverer", settings.pod)
    try:
        yield tracing
    finally:
        if tracing:
            await asyncio.to_thread(tracing.close)


async def _read(tail: ConfigTail, layout: Layout) -> None:
    """Until config and shards are known."""
    await tail.loaded.wait()
    await layout.known.wait()


def reading(limiter: Limiter, recoverer: Recoverer, relay: Relay) -> Callable[[], Awaitable[float]]:
    """First the limits, again when shards are added; then what this pod's name held before a restart, then the new."""
    taken_up = False

    async def step() -> float:
        nonlocal taken_up
        if limiter.behind:
            await limiter.tell()
        if not taken_up:
            await recoverer.own()
            taken_up = True
        return await relay.step()

    return step


def opening(mounted: Mounted[Sealer], directory: Directory, tail: ConfigTail) -> Callable[[], Awaitable[float]]:
    """With keys that came while this pod runs, what it could not open is tried again."""

    async def step() -> float:
        if mounted.look():
            log.info("the seal keys have changed")
            directory.sealer = mounted.value
            tail.retry()
        return LOOK_EVERY

    return step


async def _leave(relay: Relay, announcer: Announcer, consumer: Consumer, presence: Presence, drain: float) -> None:
    """What can't be said because Redis is away, the others find out by our silence."""
    with contextlib.suppress(StorageUnavailable, StorageFull):
        await relay.drain(drain)
        await announcer.tell()
        await consumer.leave()
        await presence.leave()


def _install(probes: Probes, queue: Queue, tail: ConfigTail, relay: Relay, stop: asyncio.Event) -> None:
    probes.ready["redis"] = lambda: None if queue.link.up else "it does not answer"
    probes.ready["config"] = lambda: None if tail.loaded.is_set() else "it has not been read yet"
    probes.ready["draining"] = lambda: "this pod is going away" if stop.is_set() else None

    def stuck() -> str | None:
        idle = time.monotonic() - relay.last_read
        able = tail.loaded.is_set() and queue.link.up and relay.free() > 0 and not stop.is_set()
        return f"no read for {idle:.0f} s" if able and idle > STUCK_AFTER else None

    probes.alive["reading"] = stuck


async def _first(work: Coroutine[Any, Any, Any], stop: Coroutine[Any, Any, Any]) -> bool:
    """Whether `work` is done before `stop`."""
    tasks = [asyncio.create_task(work), asyncio.create_task(stop)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    done = tasks[0].done()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return done


@contextlib.asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the body; one that ends by an error ends the body too."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def egress_policy(settings: DelivererSettings) -> EgressPolicy:
    """The guard as the settings say."""
    return EgressPolicy(settings.egress_allowed_cidrs, settings.egress_denied_cidrs)
