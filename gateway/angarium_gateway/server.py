"""Listening: connections whose protocol errors are problems too, and an end that answers what was accepted."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from angarium_gateway.edge import shortcut
from angarium_gateway.handlers.accept import accept_for
from angarium_gateway.problems import BAD_REQUEST, INTERNAL, Problem

log = logging.getLogger(__name__)
LINGER = 2.0  # s that a caller whose body was refused may go on sending, so that it reads the answer


class Connection(RequestHandler):
    """aiohttp's, but what is no HTTP is answered as the API answers, and leaves no trace-back in the log."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's; it quotes what was sent
    ) -> web.StreamResponse:
        """The answer to what the parser could not read, or to what failed outside the middleware."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer is on its way")
        if status < 500:
            log.debug("a request could not be read", extra={"error": type(exc).__name__})
            problem = Problem(BAD_REQUEST, "this is not a valid HTTP request")
        else:
            log.error("a connection failed", exc_info=exc)
            problem = Problem(INTERNAL)
        response = problem.response("req_unread")
        response.headers["Server"] = "angarium"
        response.force_close()
        return response


def _manager(app: web.Application, runner: web.AppRunner) -> web.Server:
    server = runner.server
    if server is None:
        raise RuntimeError("the runner is not set up")
    server.request_handler = shortcut(app, accept_for, server.request_handler)  # type: ignore[assignment]  # it makes Requests
    return server


@contextlib.asynccontextmanager
async def listening(app: web.Application, host: str, port: int, shutdown_timeout: float) -> AsyncIterator[None]:
    """Serve while the body runs; then accept no more, and give what was accepted `shutdown_timeout` seconds."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout)
    await runner.setup()
    try:
        loop = asyncio.get_running_loop()
        options = {"access_log": None, "lingering_time": LINGER}
        connection = partial(Connection, _manager(app, runner), loop=loop, **options)  # type: ignore[arg-type]  # None turns the log off
        server = await loop.create_server(connection, host, port, backlog=1024)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()
