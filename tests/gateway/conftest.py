"""A real gateway on a free port, with a real Valkey and config published as the operator would."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession
from tests.gateway.courier import Courier
from tests.gateway.records import callback, product, rival
from tests.gateway.running import Gateway, Start, running

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.link import Link
from angarium.notifications import Notification
from angarium.queue import Accepted, Consumer, Intake, Queue
from angarium.settings import RedisSettings


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """A client."""
    async with ClientSession() as client:
        yield client


@pytest.fixture
async def link(redis_settings: RedisSettings) -> AsyncIterator[Link]:
    """The operator's connection."""
    async with Link(redis_settings) as one:
        yield one


@pytest.fixture
async def start(redis_settings: RedisSettings, session: ClientSession, link: Link) -> AsyncIterator[Start]:
    """Starts gateways, and stops them in the end."""
    async with AsyncExitStack() as stack:

        async def begin(**settings: Any) -> Gateway:
            redis = settings.pop("redis", redis_settings)
            return await stack.enter_async_context(running(redis, session, link, **settings))

        yield begin


@pytest.fixture
async def gateway(start: Start, link: Link) -> Gateway:
    """A gateway that knows two products, and a callback of the first."""
    key, other_key = apikeys.mint(), apikeys.mint()
    store = ConfigStore(link)
    await store.begin([product(key), rival(other_key), callback()])
    one = await start()
    one.key, one.other_key, one.store = key, other_key, store
    return one


@pytest.fixture
async def queue(redis_settings: RedisSettings) -> AsyncIterator[Queue]:
    """The queue that the gateway writes to."""
    async with Queue(redis_settings) as one:
        yield one


@pytest.fixture
async def courier(queue: Queue) -> AsyncIterator[Courier]:
    """Stands in for a deliverer."""
    async with Consumer(queue, "courier", block=0.2) as consumer:
        yield Courier(queue, consumer)


@pytest.fixture
def accepting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the notifications that gateways have begun to store."""
    begun: list[str] = []
    enqueue = Intake.enqueue

    async def noted(self: Intake, notification: Notification, *more: Any, **named: Any) -> Accepted:
        begun.append(notification.id)
        return await enqueue(self, notification, *more, **named)

    monkeypatch.setattr(Intake, "enqueue", noted)
    return begun
