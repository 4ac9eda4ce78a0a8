"""Callbacks' endpoints: how they fare is seen in kubectl, and never keeps a callback from being Ready."""

import time

import redis.asyncio
from tests.cluster.operating import Stage, applied, condition

from angarium.config import ConfigTail
from angarium.keys import ShardKeys
from angarium.records import CallbackRecord

KEYS = ShardKeys(0)


def now_ms() -> int:
    """Now."""
    return int(time.time() * 1000)


def record(stage: Stage, tail: ConfigTail) -> CallbackRecord:
    """Of the callback, as a pod has it."""
    found = tail.records[f"callback/{stage.namespace}/warehouse"]
    assert isinstance(found, CallbackRecord)
    return found


async def test_a_failing_endpoint_is_seen_and_the_callback_stays_ready(
    stage: Stage, redis_client: redis.asyncio.Redis
) -> None:
    async with stage.data_plane() as gateway, stage.operator(count_seconds=0):
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")
        id_ = record(stage, gateway).id
        await redis_client.hset(KEYS.callback_failing, id_, f"{now_ms() - 5000} {now_ms()} 38 http_503")
        await redis_client.hset(KEYS.callback_backlog, id_, "4210")
        warehouse = stage.named("Callback", "warehouse")
        failing = await stage.until(warehouse, lambda seen: seen["status"].get("health") == "Failing")
        await stage.event("EndpointFailing", "warehouse")
        await redis_client.hdel(KEYS.callback_failing, id_)
        await redis_client.hset(KEYS.callback_delivered, id_, str(now_ms()))
        healthy = await stage.until(warehouse, lambda seen: seen["status"].get("health") == "Healthy")
        await stage.event("EndpointRecovered", "warehouse")
    assert failing["status"]["backlog"] == 4210
    assert failing["status"]["lastFailure"]["reason"] == "http_503"
    words = condition(failing, "EndpointHealthy")["message"]
    assert words.startswith('38 attempts in a row failed, the last with "http_503"; disabled after 120h of this (at 2')
    assert condition(failing, "Ready")["status"] == "True"
    assert "lastDeliveredTime" in healthy["status"]


async def test_gone_disables_it_until_it_is_enabled_again(stage: Stage, redis_client: redis.asyncio.Redis) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")
        before = record(stage, gateway)
        await redis_client.hset(KEYS.callback_gone, before.id, f"{before.endpoint} {now_ms()}")
        await applied(gateway, lambda tail: record(stage, tail).disabled == "gone")
        gone = await stage.until(
            stage.named("Callback", "warehouse"), lambda seen: condition(seen, "EndpointHealthy")["reason"] == "Gone"
        )
        await stage.event("AutoDisabled", "warehouse")
        await stage.annotate("Callback", "warehouse", enable_requested_at="1")
        await applied(gateway, lambda tail: record(stage, tail).disabled == "")
    assert gone["status"]["health"] == "Disabled"
    assert record(stage, gateway).endpoint != before.endpoint


async def test_the_health_of_a_deleted_callback_is_forgotten(stage: Stage, redis_client: redis.asyncio.Redis) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")
        await redis_client.hset(KEYS.callback_delivered, record(stage, gateway).id, str(now_ms()))
        await stage.api.delete(stage.named("Callback", "warehouse"))
        await applied(gateway, lambda tail: f"callback/{stage.namespace}/warehouse" not in tail.records)
        await stage.product("marker")
        await stage.ready("Product", "marker")
    assert await redis_client.hlen(KEYS.callback_delivered) == 0
