"""Stands between the operator and a real API server, counts what passes, and fails in the ways that real ones do."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from tests.cluster.kubeconfig import Access

HOP = {"host", "connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive"}
WRITES = {"POST", "PUT", "PATCH", "DELETE"}

Forward = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Fault:
    """What happens to the next requests that match."""

    method: str
    path: re.Pattern[str]
    times: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    token: str = ""
    met: int = 0
    swallowed: asyncio.Event | None = None

    def concerns(self, request: web.Request) -> bool:
        """Whether it happens to this one."""
        return (
            self.met < self.times
            and request.method == self.method
            and self.path.search(request.path_qs) is not None
            and (not self.token or request.headers.get("authorization") == f"Bearer {self.token}")
        )


@dataclass
class Stream:
    """A watch on its way through."""

    path: str
    response: web.StreamResponse
    silent: bool = False
    cut: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Proxy:
    """`async with Proxy(access) as proxy:`; clients go to `proxy.url`, over plain HTTP."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._faults: list[Fault] = []
        self._mute: re.Pattern[str] | None = None
        self._streams: list[Stream] = []
        self._opened = asyncio.Condition()
        self.requests: list[tuple[str, str]] = []
        self.statuses: list[tuple[str, str, int]] = []  # of what was passed on
        self.url = ""

    async def __aenter__(self) -> "Proxy":
        self._session = aiohttp.ClientSession(
            self._access.server, connector=aiohttp.TCPConnector(limit=0, ssl=self._access.tls()), auto_decompress=False
        )
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for stream in self._streams:
            stream.ended.set()
        await self._runner.cleanup()
        await self._session.close()

    def answer(self, method: str, path: str, status: int, *, times: int = 1, token: str = "", **headers: str) -> Fault:
        """Refuse requests instead of passing them on; `retry_after="1"` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._add(Fault(method, re.compile(path), times, status=status, headers=named, token=token))

    def delay(self, method: str, path: str, seconds: float, *, times: int = 1) -> Fault:
        """Be slow."""
        return self._add(Fault(method, re.compile(path), times, delay=seconds))

    def swallow(self, method: str, path: str) -> asyncio.Event:
        """Pass a request on and never its answer; the event tells that the server has done it."""
        swallowed = asyncio.Event()
        self._add(Fault(method, re.compile(path), 1, swallowed=swallowed))
        return swallowed

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def silence(self, path: str, *, for_ever: bool = False) -> None:
        """Let open watches bring nothing any more; `for_ever`: those that come, too."""
        for stream in self._watches(path):
            stream.silent = True
        if for_ever:
            self._mute = re.compile(path)

    def cut(self, path: str) -> None:
        """Break open watches in the middle of what they bring next."""
        for stream in self._watches(path):
            stream.cut = True

    async def expire(self, path: str) -> None:
        """Tell open watches that their version is too old (410), and end them."""
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}
        for stream in self._watches(path):
            await stream.response.write(orjson.dumps({"type": "ERROR", "object": status}) + b"\n")
            stream.ended.set()

    async def watched(self, path: str) -> None:
        """Once a watch is open."""
        async with self._opened:
            await self._opened.wait_for(lambda: self._watches(path))

    def _watches(self, path: str) -> list[Stream]:
        return [each for each in self._streams if re.search(path, each.path) and not each.ended.is_set()]

    def writes(self, containing: str = "") -> list[tuple[str, str]]:
        """What was written through it."""
        return [(method, path) for method, path in self.requests if method in WRITES and containing in path]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        fault = next((fault for fault in self._faults if fault.concerns(request)), None)
        if fault is not None:
            fault.met += 1
            if fault.status:
                return _refusal(fault)
            await asyncio.sleep(fault.delay)
            if fault.swallowed is not None:
                await self._forward(request)
                fault.swallowed.set()
                await asyncio.Event().wait()
        return await self._forward(request)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.request(
            request.method, request.rel_url, headers=headers, data=await request.read() or None, timeout=timeout
        ) as upstream:
            self.statuses.append((request.method, request.path_qs, upstream.status))
            kept = {name: value for name, value in upstream.headers.items() if name.lower() not in HOP}
            if request.query.get("watch") != "true":
                return web.Response(status=upstream.status, headers=kept, body=await upstream.read())
            response = web.StreamResponse(status=upstream.status, headers=kept)
            await response.prepare(request)
            await self._relay(Stream(request.path, response), upstream)
            return response

    async def _relay(self, stream: Stream, upstream: aiohttp.ClientResponse) -> None:
        stream.silent = self._mute is not None and self._mute.search(stream.path) is not None
        async with self._opened:
            self._streams.append(stream)
            self._opened.notify_all()
        pump = asyncio.create_task(self._pump(stream, upstream))
        ended = asyncio.create_task(stream.ended.wait())
        try:
            await asyncio.wait([pump, ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stream.ended.set()
            pump.cancel()
            ended.cancel()
            await asyncio.gather(pump, ended, return_exceptions=True)

    @staticmethod
    async def _pump(stream: Stream, upstream: aiohttp.ClientResponse) -> None:
        async for chunk in upstream.content.iter_any():
            if stream.cut:
                await stream.response.write(chunk[: len(chunk) // 2])
                return
            if not stream.silent:
                await stream.response.write(chunk)


def _refusal(fault: Fault) -> web.Response:
    reason = {401: "Unauthorized", 409: "Conflict", 410: "Expired", 429: "TooManyRequests"}.get(fault.status, "Failed")
    status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.status}
    body = status | {"reason": reason, "message": "by the test's proxy"}
    return web.json_response(body, status=fault.status, headers=fault.headers)


@contextlib.asynccontextmanager
async def proxied(access: Access) -> AsyncIterator[Proxy]:
    """A proxy before the server."""
    async with Proxy(access) as proxy:
        yield proxy
