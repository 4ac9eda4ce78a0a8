"""A real gateway, as its callers and the operator see it."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from aiohttp import ClientResponse, ClientSession
from jsonschema import Draft202012Validator
from tests.ports import free_port

from angarium import apikeys
from angarium.apikeys import ApiKey
from angarium.config import ConfigStore, read_live
from angarium.link import Link
from angarium.records import Record
from angarium.settings import RedisSettings
from angarium_gateway import openapi
from angarium_gateway.service import run
from angarium_gateway.settings import GatewaySettings

PODS = itertools.count()
DOCUMENT = openapi.document()


@dataclass(frozen=True)
class Answer:
    """A response that was read whole."""

    status: int
    headers: Any
    body: bytes
    json: Any


@dataclass
class Gateway:
    """One running gateway, as a caller sees it."""

    settings: GatewaySettings
    session: ClientSession
    store: ConfigStore
    link: Link
    stop: asyncio.Event
    task: "asyncio.Task[None]"
    key: ApiKey = field(default_factory=apikeys.mint)
    other_key: ApiKey = field(default_factory=apikeys.mint)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.settings.gateway_port}"

    async def ask(self, method: str, path: str, key: ApiKey | None = None, **more: Any) -> Answer:
        """A request with the shop's key, or another; `bearer=None` sends none."""
        headers = {"Authorization": f"Bearer {(key or self.key).text}"} | more.pop("headers", {})
        async with self.session.request(method, self.url + path, headers=headers, **more) as response:
            read = await answer(response)
        matches_document(method, path.partition("?")[0], read)
        return read

    async def post(self, event: str = "order.paid", data: Any = None, **more: Any) -> Answer:
        """Accept a notification."""
        document = {"event": event, "data": data} | more.pop("members", {})
        return await self.ask("POST", "/v1/notifications", json=document, **more)

    async def publish(self, *records: Record, deleted: tuple[str, ...] = ()) -> None:
        """Publish records and wait until this gateway works with them."""
        revisions = await self.store.publish(records, deleted)
        await self.applied(max(revisions.values()))

    async def applied(self, revision: int) -> None:
        """Wait until the gateway says that it has applied a revision."""
        async with asyncio.timeout(10):
            while True:
                for pod in await read_live(self.link):
                    if pod.name == self.settings.pod and pod.applied.revision >= revision:
                        return
                await asyncio.sleep(0.01)


async def raw(gateway: Gateway, sent: bytes, *, json_expected: bool = True) -> tuple[bytes, Any]:
    """Head and JSON that the gateway answers to bytes that a client library would not send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.settings.gateway_port)
    try:
        writer.write(sent)
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            if not json_expected or length is None:
                return head, None
            return head, orjson.loads(await reader.readexactly(int(length[1])))
    finally:
        writer.close()
        await writer.wait_closed()


async def answer(response: ClientResponse) -> Answer:
    """Read it; what claims to be JSON must be."""
    body = await response.read()
    json = await response.json(content_type=None) if "json" in response.content_type else None
    return Answer(response.status, response.headers, body, json)


def matches_document(method: str, path: str, read: Answer) -> None:
    """Whatever a test asks, the answer must be one that the OpenAPI document tells of."""
    for template, operations in sorted(DOCUMENT["paths"].items(), key=lambda path: path[0].count("{")):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in operations:
            told = operations[method.lower()]["responses"][str(read.status)]
            if "content" not in told:
                assert not read.body
                return
            schema = told["content"][read.headers["Content-Type"]]["schema"]
            Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(read.json)
            return  # the path with the fewest parameters is meant


class Start(Protocol):
    """Starts a gateway; settings by name."""

    def __call__(self, **settings: Any) -> Awaitable[Gateway]: ...


@asynccontextmanager
async def running(
    redis: RedisSettings, session: ClientSession, link: Link, *, wait: bool = True, **more: Any
) -> AsyncIterator[Gateway]:
    """A gateway while the body runs; `wait`: until it is ready."""
    fields: dict[str, Any] = {
        "redis": redis,
        "gateway_host": "127.0.0.1",
        "gateway_port": free_port(),
        "probe_host": "127.0.0.1",
    }
    fields |= {"gateway_edit_timeout": 1.0, "probe_port": 0, "pod": f"gateway-{next(PODS)}"}
    settings = GatewaySettings(**fields | more)
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run(settings, stop, ready))
    waiter = asyncio.create_task(ready.wait())
    if wait:
        await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED, timeout=10)
    waiter.cancel()
    if task.done():
        await task
    yield Gateway(settings, session, ConfigStore(link), link, stop, task)
    stop.set()
    await task
