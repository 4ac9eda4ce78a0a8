"""The application: routes, and what handlers share, each thing with a life of its own in a cleanup context."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from time import monotonic

from aiohttp import web

from angarium.config import ConfigTail, Presence
from angarium.edits import EditStore
from angarium.egress import EgressPolicy
from angarium.errors import StorageUnavailable
from angarium.loops import forever
from angarium.people import Groups, People, Registry
from angarium.queue import Intake, Layout, Ledger, Queue, Reports, Roster, Signals
from angarium.telemetry.probes import Probes
from angarium.telemetry.traces import tracing_of
from angarium_gateway import appkeys as keys
from angarium_gateway.bodies import LARGEST
from angarium_gateway.directory import Directory
from angarium_gateway.edge import edge, guarded
from angarium_gateway.fetching import Fetcher
from angarium_gateway.handlers import about, reporting
from angarium_gateway.handlers.pages import add_pages
from angarium_gateway.idempotency import InProgress
from angarium_gateway.issuers import Issuers
from angarium_gateway.limits import Bucket, RateLimits
from angarium_gateway.routes import ENDPOINTS
from angarium_gateway.settings import GatewaySettings
from angarium_gateway.silence import Silence
from angarium_gateway.tokens import Tokens
from angarium_gateway.vitals import Vitals

LET_GO_AGAIN = 1.0  # s: who had just begun to wait


def create_app(settings: GatewaySettings, probes: Probes, stop: asyncio.Event) -> web.Application:
    """Ready to be served; its resources live as long as it does."""
    app = web.Application(middlewares=[edge], client_max_size=LARGEST)
    app[keys.SETTINGS], app[keys.PROBES], app[keys.STOP] = settings, probes, stop
    app[keys.SILENCE] = Silence()
    app[keys.DIRECTORY] = directory = Directory()
    policy = EgressPolicy(settings.egress_allowed_cidrs, settings.egress_denied_cidrs)
    app[keys.ISSUERS] = issuers = Issuers(directory.issuers, Fetcher(policy))
    app[keys.TOKENS] = Tokens(directory, issuers)
    app[keys.TAIL] = ConfigTail(settings.redis)
    app[keys.TAIL].listen(app[keys.DIRECTORY].apply)
    app[keys.IN_PROGRESS] = InProgress()
    app[keys.TRACING] = tracing_of(settings, "gateway", settings.pod)
    app.cleanup_ctx.append(_traces)
    for counts in (keys.TESTS, keys.IMPORTS, keys.EDITING, keys.WAITING):
        app[counts] = Counter()
    app.cleanup_ctx.append(_storage)
    for endpoint in ENDPOINTS:
        handler = guarded(endpoint.serve, endpoint.permission, needs_storage=endpoint.needs_storage)
        if endpoint.method == "GET":
            app.router.add_get(endpoint.path, handler)  # HEAD comes with it
        else:
            app.router.add_route(endpoint.method, endpoint.path, handler)
    app.router.add_get("/healthz", about.healthz)
    app.router.add_get("/readyz", about.readyz)
    app.router.add_post("/v1/providers/{id}/status", reporting.status)
    add_pages(app)
    return app


async def _storage(app: web.Application) -> AsyncIterator[None]:
    """The queue, and the loops that follow config, say that this pod lives, and look after Redis."""
    settings, tail = app[keys.SETTINGS], app[keys.TAIL]
    async with Queue(settings.redis, settings.shards) as queue, Signals(queue, settings.pod) as signals:
        presence = Presence(queue.link, "gateway", settings.pod, lambda: tail.applied)
        tail.on_applied(presence.hurry)
        tail.on_applied(app[keys.ISSUERS].hurry)
        vitals = Vitals(queue, tail, app[keys.DIRECTORY], settings.gateway_memory_limit)
        app[keys.LAYOUT] = layout = Layout(queue, writes=True)
        app[keys.INTAKE], app[keys.LEDGER], app[keys.VITALS] = Intake(queue, layout), Ledger(queue), vitals
        app[keys.ROSTER] = Roster(queue)
        people = (queue.link, settings.people, queue.prefix)
        app[keys.PEOPLE], app[keys.REGISTRY], app[keys.GROUPS] = People(*people), Registry(*people), Groups(*people)
        app[keys.EDITS], app[keys.QUEUE], app[keys.SIGNALS] = EditStore(queue.link), queue, signals
        app[keys.REPORTS] = Reports(queue)
        app[keys.REPORTED] = Bucket(reporting.MOST_A_SECOND, monotonic())
        app[keys.LIMITS] = RateLimits(lambda: vitals.gateways)
        _readiness(app)
        issuers = app[keys.ISSUERS].run
        async with _running(
            shards=layout.step,
            tail=tail.run,
            presence=presence.run,
            vitals=vitals.step,
            issuers=issuers,
            signals=signals.step,
            drain=partial(_let_go, app),
        ):
            yield
        with contextlib.suppress(StorageUnavailable):  # then the others find out by our silence
            await presence.leave()


async def _traces(app: web.Application) -> AsyncIterator[None]:
    yield
    if tracing := app[keys.TRACING]:
        await asyncio.to_thread(tracing.close)


async def _let_go(app: web.Application) -> float:
    """Once this pod is going away, who waits is answered."""
    await app[keys.STOP].wait()
    app[keys.SIGNALS].release()
    return LET_GO_AGAIN


def _readiness(app: web.Application) -> None:
    """Redis is not among it once config was read: it is away for all gateways alike, and a Service without any answers
    nothing, where each of them answers 503 with Retry-After."""
    tail, stop = app[keys.TAIL], app[keys.STOP]
    checks = app[keys.PROBES].ready
    checks["config"] = lambda: None if tail.loaded.is_set() else "it has not been read yet"
    checks["shards"] = lambda: None if app[keys.LAYOUT].known.is_set() else "it is not known yet which are in use"
    checks["draining"] = lambda: "this pod is going away" if stop.is_set() else None


@contextlib.asynccontextmanager
async def _running(**loops: Callable[[], Awaitable[float | None]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(forever(name, loop), name=name) for name, loop in loops.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
