"""All of it on one loop: operator, gateway, deliverer and receiver; only the API server and Redis are apart."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession
from pydantic import SecretStr
from tests.cluster.operating import PATIENCE, Stage
from tests.deliverer.receivers import Receiver
from tests.gateway.running import Answer, Gateway, running

from angarium.apikeys import ApiKey
from angarium.link import Link
from angarium_deliverer.service import run as run_deliverer
from angarium_deliverer.settings import DelivererSettings

LOOPBACK = "127.0.0.0/8"


@dataclass
class Whole:
    """The stage with everything on it."""

    stage: Stage
    gateway: Gateway
    receiver: Receiver

    async def key(self, kind: str = "Product", name: str = "shop") -> ApiKey:
        """The API key that was made, once gateways know it."""
        await self.stage.ready(kind, name)
        secret = await self.stage.secret(f"{name}-angarium")
        return ApiKey(secret["key-id"], secret["api-key"])

    async def post(self, key: ApiKey, event: str = "order.paid") -> Answer:
        """Whatever the gateway says to it."""
        return await self.gateway.post(event, key=key)

    async def heard(self, *answers: Answer) -> None:
        """Once the receiver got all deliveries of these."""
        wanted = {delivery["id"] for answer in answers for delivery in answer.json["deliveries"]}
        assert wanted
        async with asyncio.timeout(PATIENCE):
            while not wanted <= self.received():
                self.receiver.came.clear()
                await self.receiver.came.wait()

    def received(self) -> set[str]:
        """Ids of deliveries."""
        return {request.headers["webhook-id"] for request in self.receiver.requests}

    async def ended(self, answer: Answer, key: ApiKey) -> dict[str, Any]:
        """The first delivery of a notification, once that has ended."""
        path = f"{answer.headers['Location']}?wait=30"
        while (found := await self.gateway.ask("GET", path, key=key)).json["status"] == "pending":
            assert found.status == 200
        delivery: dict[str, Any] = found.json["deliveries"][0]
        return delivery


@contextlib.asynccontextmanager
async def whole(stage: Stage, **operator: Any) -> AsyncIterator[Whole]:
    """While the body runs."""
    async with (
        ClientSession() as session,
        Link(stage.redis) as link,
        Receiver() as receiver,
        running(stage.redis, session, link, wait=False) as gateway,
        deliverer(stage),
        stage.operator(egress_allowed_cidrs=LOOPBACK, **operator),
    ):
        yield Whole(stage, gateway, receiver)


@contextlib.asynccontextmanager
async def deliverer(stage: Stage) -> AsyncIterator[None]:
    """A real one."""
    settings = DelivererSettings(
        redis=stage.redis,
        seal_keys=SecretStr(stage.seal_key),
        egress_allowed_cidrs=LOOPBACK,
        probe_host="127.0.0.1",
        probe_port=0,
        pod="deliverer-0",
    )
    stop = asyncio.Event()
    task = asyncio.create_task(run_deliverer(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await task
