"""`/healthz`, `/readyz` and `/metrics` on a port of their own.

They are served from a thread, so that a scrape costs the event loop nothing and a blocked loop can be told: liveness
fails when the loop has not ticked for a while. Readiness asks the process's own checks, which must only read memory.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import orjson
from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from angarium.process import opening
from angarium.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from wsgiref.types import StartResponse, WSGIEnvironment

STALLED_AFTER = 15.0  # s without a tick of the event loop
TICK = 1.0  # s
Check = Callable[[], str | None]  # None: well; else what is wrong, in words


class Probes:
    """`ready` and `alive` are named checks; add to them before or while serving."""

    def __init__(self) -> None:
        self.ready: dict[str, Check] = {}
        self.alive: dict[str, Check] = {"event loop": self._ticking}
        self.port = 0
        self._ticked = time.monotonic()
        self._metrics = make_wsgi_app(metrics.REGISTRY)

    def readiness(self) -> dict[str, str]:
        """What keeps this process from serving; empty when it is ready."""
        return _failures(self.ready)

    def liveness(self) -> dict[str, str]:
        """What only a restart would mend; empty when all is well."""
        return _failures(self.alive)

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> "AsyncIterator[Probes]":
        """Serve in a thread while the body runs."""
        with self._listening(host, port):
            ticker = asyncio.create_task(self._tick(), name="probe-ticker")
            try:
                yield self
            finally:
                ticker.cancel()
                await asyncio.gather(ticker, return_exceptions=True)

    @contextmanager
    def _listening(self, host: str, port: int) -> Iterator[None]:
        with opening("ANGARIUM_PROBE_HOST, ANGARIUM_PROBE_PORT", host, port):
            server = make_server(host, port, self._answer, ThreadingWSGIServer, handler_class=_Silent)
        self.port = server.server_port
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="probes", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    async def _tick(self) -> None:
        while True:
            self._ticked = time.monotonic()
            await asyncio.sleep(TICK)
            metrics.LOOP_LAG.set(max(0.0, time.monotonic() - self._ticked - TICK))

    def _ticking(self) -> str | None:
        late = time.monotonic() - self._ticked
        return f"it has not ticked for {late:.0f} s" if late > STALLED_AFTER else None

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return self._metrics(environ, start_response)  # type: ignore[no-any-return]  # prometheus_client's WSGI app is untyped
        checks = {"/healthz": self.liveness, "/readyz": self.readiness}.get(path)
        if checks is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/healthz /readyz /metrics\n"]
        failures = checks()
        start_response("503 Service Unavailable" if failures else "200 OK", [("Content-Type", "application/json")])
        return [orjson.dumps({"ok": not failures, "failures": failures}) + b"\n"]


def _failures(checks: dict[str, Check]) -> dict[str, str]:
    answers = {name: check() for name, check in list(checks.items())}
    return {name: problem for name, problem in answers.items() if problem}


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name for it
        """Probes come every few seconds; they are not logged."""
