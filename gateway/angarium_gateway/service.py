"""A gateway from start to drain."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from angarium.loops import forever
from angarium.telemetry.metrics import show_running
from angarium.telemetry.probes import Probes
from angarium_gateway import appkeys as keys
from angarium_gateway.app import create_app
from angarium_gateway.server import listening
from angarium_gateway.settings import GatewaySettings
from angarium_gateway.tls import ServerTls

log = logging.getLogger(__name__)


async def run(settings: GatewaySettings, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Serve until `stop` is set; `ready` is set once this gateway listens and has read its config."""
    probes = Probes()
    show_running("gateway")
    app = create_app(settings, probes, stop)
    host, port = settings.gateway_host, settings.gateway_port
    tls = _tls(settings)
    async with (
        probes.serve(settings.probe_host, settings.probe_port),
        listening(app, host, port, settings.gateway_shutdown_timeout, tls.context if tls else None),
        _renewed(tls),
    ):
        log.info("listening", extra={"host": host, "port": port, "tls": tls is not None})
        if ready:
            await _either(app[keys.TAIL].loaded, stop)
            await _either(app[keys.LAYOUT].known, stop)
            ready.set()
        await stop.wait()
        log.info("draining", extra={"seconds": settings.gateway_drain_delay})
        seconds = await app[keys.SILENCE].lasts(settings.gateway_drain_delay, settings.gateway_drain_limit)
        log.info("closing", extra={"after_seconds": round(seconds, 3)})


def _tls(settings: GatewaySettings) -> ServerTls | None:
    certificate, key = settings.gateway_tls_cert, settings.gateway_tls_key
    return ServerTls(certificate, key) if certificate and key else None


@contextlib.asynccontextmanager
async def _renewed(tls: ServerTls | None) -> AsyncIterator[None]:
    """Look after the certificate while the body runs."""
    if tls is None:
        yield
        return
    looking = asyncio.create_task(forever("tls", tls.step), name="tls")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _either(*events: asyncio.Event) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
