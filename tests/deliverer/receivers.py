"""A real server for tests of what goes out: it keeps what it got and answers as the test says, byte by byte."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Request:
    """What came in. `connection` counts from 1; `headers` by lower-case name."""

    connection: int
    line: str
    headers: dict[str, str]
    body: bytes
    names: list[str] = field(default_factory=list)


def reply(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A plain answer; underscores in names of headers stand for dashes."""
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


Script = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def always(answer: bytes) -> Script:
    """Each request gets these bytes."""

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return script


class Receiver:
    """Listens on a port of its own while the context lasts. `gone` is set when a client has hung up."""

    def __init__(
        self,
        script: Script | bytes = NO_CONTENT,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._script = always(script) if isinstance(script, bytes) else script
        self._tls, self._host = tls, host
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[Request] = []
        self.connections, self.port = 0, port
        self.came = asyncio.Event()
        self.gone = asyncio.Event()

    @property
    def url(self) -> str:
        """By address, so that no name has to be looked up."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/hooks"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, self.port, ssl=self._tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        number = self.connections
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    request = await self._read(reader, number)
                    self.requests.append(request)
                    self.came.set()
                    await self._script(request, writer)
                    await writer.drain()
        except asyncio.CancelledError:
            writer.transport.abort()  # the test is over
        finally:
            self.gone.set()
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader, number: int) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.rstrip("\r\n").split("\r\n")
        pairs = [(name.lower(), value.strip()) for name, _, value in (each.partition(":") for each in fields)]
        headers = dict(pairs)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Request(number, line, headers, body, [name for name, _ in pairs])
