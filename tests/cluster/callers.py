"""Callers of a real gateway beside an operator: a shop with a key, and the callbacks that it makes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession
from tests.cluster.operating import Stage
from tests.gateway.running import Answer, Gateway, running

from angarium.apikeys import ApiKey
from angarium.link import Link

HOOK = {"name": "orders", "events": ["order.*"], "url": "https://example.com/hooks"}
MADE_BY = "angarium.dev/managed-by"


@asynccontextmanager
async def gateway_beside(stage: Stage) -> AsyncIterator[Gateway]:
    """A gateway, with a deliverer beside it."""
    async with (
        ClientSession() as session,
        Link(stage.redis) as link,
        running(stage.redis, session, link, wait=False, gateway_edit_timeout=8.0) as one,
        stage.pod("deliverer"),
    ):
        yield one


async def key_of(stage: Stage, kind: str, name: str) -> ApiKey:
    """The API key that the operator made, once the gateway knows it."""
    await stage.ready(kind, name)
    secret = await stage.secret(f"{name}-angarium")
    return ApiKey(secret["key-id"], secret["api-key"])


async def made(gateway: Gateway, **members: Any) -> Answer:
    """Make a callback of the shop."""
    answer = await gateway.ask("POST", "/v1/callbacks", json=HOOK | members)
    assert answer.status == 201, answer.body
    return answer


@asynccontextmanager
async def shop(stage: Stage, gateway: Gateway, **spec: Any) -> AsyncIterator[None]:
    """The operator, and a Product whose key the gateway is asked with."""
    async with stage.operator():
        await stage.product(**spec)
        gateway.key = await key_of(stage, "Product", "shop")
        yield


def kind_of(answer: Answer) -> tuple[int, str]:
    """Status and slug of a problem."""
    return answer.status, answer.json["type"].rpartition("/")[2]
