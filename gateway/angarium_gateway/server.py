"""Listening: connections whose protocol errors are problems too, and an end that answers what was accepted."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from angarium.process import opening
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import SETTINGS, SILENCE
from angarium_gateway.problems import BAD_REQUEST, INTERNAL, Problem
from angarium_gateway.shortcut import accept, is_short

log = logging.getLogger(__name__)
LINGER = 2.0  # s that a caller whose body was refused may go on sending, so that it reads the answer


class Connection(RequestHandler):
    """aiohttp's, but what is no HTTP is answered as the API answers, and leaves no trace-back in the log.

    And the POSTs that it begins with, as most connections bring nothing else, are answered without what aiohttp makes
    for each request (a task, a writer, a request, a route), which was a third of an accept's CPU.
    """

    __slots__ = ("_app", "_deadline", "_short")

    def __init__(self, app: web.Application, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._app = app
        self._deadline: asyncio.TimerHandle | None = None  # of a head that has not arrived whole
        self._short: StreamReader | None = None  # the body of the request that is answered in short

    async def start(self) -> None:
        """The connection's one task: answer what is short, then leave the rest to aiohttp."""
        while short := await self._short_next():
            self._request_in_progress, self._short = True, short[1]
            try:
                self._write(await accept(self._app, *short))
            except BaseException:
                self.force_close()
                raise
            finally:
                self._request_in_progress, self._short = False, None
                if self._handler_waiter is not None:  # the server is going, and has waited for this
                    self._handler_waiter.set_result(None)
        if not self._force_close:
            await super().start()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller that connects has something to say."""
        self._app[SILENCE].broken()
        self._await_head()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """A head that dribbles in, one byte a minute, holds a connection no longer than a silent one."""
        super().data_received(data)
        if self._waiter is None or self._messages:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
        elif self._deadline is None:
            self._await_head()

    def _await_head(self) -> None:
        self._deadline = self._loop.call_later(self._app[SETTINGS].gateway_head_timeout, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nobody waits for the rest of a body."""
        if self._short is not None:
            self._short.set_exception(exc or ConnectionResetError())
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _write(self, answer: Answer) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(answer.whole())
        if answer.keep_alive is False or self._close:
            self.force_close()
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

    async def _short_next(self) -> tuple[RawRequestMessage, StreamReader] | None:
        """The next request, once it is there; None where it is for aiohttp, or the connection is closed."""
        if not self._messages and not self._force_close:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._force_close:
            return None
        message, payload = self._messages[0]
        if not isinstance(message, RawRequestMessage) or not is_short(self._app, message):
            return None
        self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        return message, payload

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
        response.force_close()
        return response


def _manager(runner: web.AppRunner) -> web.Server:
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    return runner.server


def _patience(app: web.Application, tls: ssl.SSLContext | None) -> dict[str, Any]:
    """Seconds for a handshake, as for a request's head, and for a caller to say goodbye."""
    return {"ssl_handshake_timeout": app[SETTINGS].gateway_head_timeout, "ssl_shutdown_timeout": LINGER} if tls else {}


@contextlib.asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, shutdown_timeout: float, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve while the body runs; then accept no more, and give what was accepted `shutdown_timeout` seconds."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout)
    await runner.setup()
    try:
        loop = asyncio.get_running_loop()
        options = {"access_log": None, "lingering_time": LINGER}
        connection = partial(Connection, app, _manager(runner), loop=loop, **options)
        with opening("ANGARIUM_GATEWAY_HOST, ANGARIUM_GATEWAY_PORT", host, port):
            server = await loop.create_server(connection, host, port, backlog=1024, ssl=tls, **_patience(app, tls))
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()
