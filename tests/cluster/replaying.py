"""What ends and starts anew on the stage: a callback at a real receiver, a real deliverer, and dead letters."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from pydantic import SecretStr
from tests.cluster.api import Object
from tests.cluster.operating import PATIENCE, Stage, applied, condition
from tests.deliverer.receivers import Receiver
from tests.deliverer.world import deliverer

from angarium.config import ConfigTail
from angarium.notifications import Notification, Priority, Target
from angarium.queue import Consumer, Intake, Queue, Settlement
from angarium.records import CallbackRecord
from angarium.retries import Move
from angarium_deliverer.settings import DelivererSettings

LOOPBACK = "127.0.0.0/8"


def record(stage: Stage, tail: ConfigTail) -> CallbackRecord:
    """Of the callback "warehouse"."""
    found = tail.records[f"callback/{stage.namespace}/warehouse"]
    assert isinstance(found, CallbackRecord)
    return found


async def onboard(stage: Stage, tail: ConfigTail, url: str, **spec: Any) -> CallbackRecord:
    """A product with a callback at this URL, as pods have it."""
    await stage.product()
    await stage.callback(url=url, **spec)
    await applied(tail, lambda tail: f"callback/{stage.namespace}/warehouse" in tail.records)
    return record(stage, tail)


@contextlib.asynccontextmanager
async def deliverer_on(stage: Stage, **more: Any) -> AsyncIterator[None]:
    """A real one, that may dial loopback."""
    fields: dict[str, Any] = {"pod": "deliverer-0", "probe_host": "127.0.0.1", "probe_port": 0, "drain_seconds": 5.0}
    seal = SecretStr(stage.seal_key)
    configured = DelivererSettings(
        redis=stage.redis, seal_keys=seal, egress_allowed_cidrs=LOOPBACK, deliverer_slots=32, **fields | more
    )
    async with deliverer(configured):
        yield


async def ended(stage: Stage, callback: CallbackRecord, count: int, move: Move = Move.DEAD) -> list[Notification]:
    """So many deliveries that have ended so; while no deliverer lives, and with nothing said of the endpoint."""
    async with Queue(stage.redis) as queue, Consumer(queue, "deliverer-1", block=0.1) as consumer:
        await queue.prepare()
        made = await posted(queue, callback, count)
        left = count
        while left:
            taken = (await consumer.take(left)).started
            reason = "" if move is Move.DELIVERED else "http_503"
            for each in taken:
                await consumer.settle(Settlement(each, move, reason, endpoint=callback.endpoint, counts=False))
            left -= len(taken)
        await consumer.leave()
    await next_second()
    return made


async def posted(queue: Queue, callback: CallbackRecord, count: int) -> list[Notification]:
    """Accept so many, as a gateway does."""
    intake, target = Intake(queue), Target(callback.id, f"{callback.namespace}/{callback.name}")
    made = []
    for number in range(count):
        now = time.time_ns() // 1_000_000
        id_, body = intake.new_id(callback.tenant, None, now), b'{"type":"order.paid","data":%d}' % number
        made.append(Notification(id_, callback.tenant, "shop", "order.paid", body, Priority.NORMAL, now, (target,)))
        await intake.enqueue(made[-1])
    return made


async def next_second() -> None:
    """Replays are for what was accepted before the second in which they are made."""
    await asyncio.sleep(int(time.time()) + 1.01 - time.time())


async def replay(stage: Stage, name: str = "outage", **spec: Any) -> Object:
    """For the dead letters of the product, unless said otherwise."""
    return await stage.create("Replay", name, {"productRef": {"name": "shop"}, "select": {}} | spec)


async def complete(stage: Stage, name: str = "outage") -> Object:
    """The replay, once it is."""
    return await stage.until(
        stage.named("Replay", name), lambda seen: condition(seen, "Complete").get("status") == "True"
    )


async def received(receiver: Receiver, count: int, patience: float = PATIENCE) -> list[str]:
    """The webhook-ids that came, once there are so many."""
    async with asyncio.timeout(patience):
        while len(receiver.requests) < count:
            receiver.came.clear()
            await receiver.came.wait()
    return [request.headers["webhook-id"] for request in receiver.requests]


@contextlib.asynccontextmanager
async def operator_process(stage: Stage) -> AsyncIterator[asyncio.subprocess.Process]:
    """An operator of its own process, for killing."""
    environment = os.environ | {
        "ANGARIUM_REDIS_URL": stage.redis.url.get_secret_value(), "ANGARIUM_KUBECONFIG": str(stage.kubeconfig),
        "ANGARIUM_WATCH_NAMESPACES": stage.namespace, "ANGARIUM_SEAL_KEYS": stage.seal_key,
        "ANGARIUM_POD": "operator-0", "ANGARIUM_PROBE_HOST": "127.0.0.1", "ANGARIUM_PROBE_PORT": "0",
        "ANGARIUM_EGRESS_ALLOWED_CIDRS": LOOPBACK, "ANGARIUM_LOOK_SECONDS": "0.1",
    }  # fmt: skip
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "angarium_operator", env=environment)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
