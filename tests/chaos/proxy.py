"""Stands between the services and Valkey, and does to their connections what networks do.

Replies may be dropped (a request arrives, its answer never does), late, torn in the middle, and connections cut or
closed from one side. Bytes keep their order; a connection that lost some is cut when the fault ends, since what follows
would answer another question.
"""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self, cast


class _Pipe:
    """One direction of a connection: passes bytes on, after the proxy's delay, in order."""

    def __init__(self, proxy: "Proxy") -> None:
        self._proxy = proxy
        self._late: deque[bytes] = deque()
        self._last = 0.0
        self.to: asyncio.Transport | None = None
        self.ended = False
        self._early: list[bytes] = []

    def connect(self, to: asyncio.Transport) -> None:
        self.to = to
        for data in self._early:
            self._write(data)
        self._early.clear()

    def send(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if not self._proxy.delay and not self._late:
            self._write(data)
            return
        self._late.append(data)
        self._last = max(self._last, loop.time() + self._proxy.delay)
        loop.call_at(self._last, lambda: self._write(self._late.popleft()))

    def _write(self, data: bytes) -> None:
        if self.to is None:
            self._early.append(data)
        elif not self.to.is_closing() and not self.ended:
            self.to.write(data)


class _Upstream(asyncio.Protocol):
    def __init__(self, client: "_Client") -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.reply(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _: Exception | None) -> None:
        self._client.abort()


class _Client(asyncio.Protocol):
    """A connection of a service, with its own to Valkey."""

    def __init__(self, proxy: "Proxy") -> None:
        self._proxy = proxy
        self._there, self._back = _Pipe(proxy), _Pipe(proxy)
        self._upstream: asyncio.Transport | None = None
        self._transport: asyncio.Transport | None = None
        self.torn = self.tear = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not of that class
        self._back.connect(self._transport)
        self._proxy.clients.add(self)
        self._proxy.connecting(self)

    async def connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._upstream, _ = await loop.create_connection(lambda: _Upstream(self), "127.0.0.1", port)
        except OSError:  # Valkey is down
            self.abort()
            return
        if self._transport is None or self._transport.is_closing():
            self._upstream.abort()
        else:
            self._there.connect(self._upstream)

    def data_received(self, data: bytes) -> None:
        self._there.send(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _: Exception | None) -> None:
        self.abort()

    def reply(self, data: bytes) -> None:
        """What Valkey sent."""
        if self.tear:
            self._back.send(data[: len(data) // 2])
            asyncio.get_running_loop().call_soon(self.close)
        elif self._proxy.deaf or self.torn:
            self.torn = True
            self._proxy.dropped += 1
        else:
            self._back.send(data)

    def close(self) -> None:
        """End it on both sides, sending what is left."""
        for transport in (self._transport, self._upstream):
            if transport:
                transport.close()

    def half_close(self, *, of_valkey: bool) -> None:
        """End what one side sends, and leave the other open."""
        pipe = self._there if of_valkey else self._back
        if pipe.to and not pipe.ended and not pipe.to.is_closing():
            pipe.ended = True
            pipe.to.write_eof()

    def abort(self) -> None:
        """End it at once, on both sides."""
        self._proxy.clients.discard(self)
        for transport in (self._transport, self._upstream):
            if transport:
                transport.abort()


class Proxy:
    """`async with Proxy(port_of_valkey) as proxy:`; services connect to `proxy.port`."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.port = 0
        self.delay = 0.0
        self.deaf = False
        self.dropped = 0
        self.clients: set[_Client] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Client(self), "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    def connecting(self, client: _Client) -> None:
        """Find the way to Valkey for a new connection."""
        task = asyncio.get_running_loop().create_task(client.connect(self._to))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def cut(self) -> None:
        """Break every connection."""
        for client in list(self.clients):
            client.abort()

    def tear(self) -> None:
        """Break each connection in the middle of the next reply."""
        for client in self.clients:
            client.tear = True

    def half_close(self) -> None:
        """Half of the connections from this side, half from the other."""
        for number, client in enumerate(list(self.clients)):
            client.half_close(of_valkey=bool(number % 2))

    def hear(self) -> None:
        """The end of `deaf`: what lost a reply is of no use any more."""
        self.deaf = False
        for client in [client for client in self.clients if client.torn]:
            client.abort()
