"""Callbacks' endpoints: how they fare is seen in kubectl, and never keeps a callback from being Ready."""

import redis.asyncio
from prometheus_client import REGISTRY
from tests.cluster.api import Object
from tests.cluster.attempts import attempting, record
from tests.cluster.operating import Stage, applied, condition

from angarium.keys import ShardKeys

WAREHOUSE = "warehouse"


async def onboard(stage: Stage) -> None:
    """A product with a callback, Ready."""
    await stage.product()
    await stage.callback()
    await stage.ready("Callback", WAREHOUSE)


async def health(stage: Stage, word: str) -> Object:
    """The callback, once its health is that."""
    return await stage.until(stage.named("Callback", WAREHOUSE), lambda seen: seen["status"].get("health") == word)


def callbacks_of(word: str) -> float:
    """By the operator's metric."""
    return REGISTRY.get_sample_value("angarium_callbacks", {"health": word}) or 0.0


def unhealthy(stage: Stage) -> float:
    """Whether the operator's metric names the callback."""
    labels = {"callback": f"{stage.namespace}/{WAREHOUSE}"}
    return REGISTRY.get_sample_value("angarium_callback_unhealthy", labels) or 0.0


async def test_a_failing_endpoint_is_seen_and_the_callback_stays_ready(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator(count_seconds=0):
        await onboard(stage)
        async with attempting(stage, gateway) as attempts:
            await attempts.fail(4)
            failing = await stage.until(
                stage.named("Callback", WAREHOUSE), lambda seen: seen["status"].get("backlog") == 4
            )
            await stage.event("EndpointFailing", WAREHOUSE)
            await attempts.end(*await attempts.begin(1))
        healthy = await health(stage, "Healthy")
        await stage.event("EndpointRecovered", WAREHOUSE)
    assert failing["status"]["health"] == "Failing"
    assert failing["status"]["lastFailure"]["reason"] == "http_503"
    words = condition(failing, "EndpointHealthy")["message"]
    assert words.startswith('4 attempts in a row failed, the last with "http_503"; disabled after 120h of this (at 2')
    assert condition(failing, "Ready")["status"] == "True"
    assert "lastDeliveredTime" in healthy["status"]


async def test_an_open_circuit_is_seen_until_it_closes(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await onboard(stage)
        async with attempting(stage, gateway) as attempts:
            *failing, last = await attempts.begin(12)
            await attempts.end(*failing, reason="connect_timeout")
            opened = await health(stage, "CircuitOpen")
            said = await stage.event("CircuitOpen", WAREHOUSE)
            await stage.measured(lambda: callbacks_of("CircuitOpen") == unhealthy(stage) == 1)
            await attempts.end(last)
        closed = await health(stage, "Healthy")
        await stage.event("CircuitClosed", WAREHOUSE)
        await stage.measured(lambda: callbacks_of("CircuitOpen") == unhealthy(stage) == 0)
    verdict = condition(opened, "EndpointHealthy")
    assert (verdict["status"], verdict["reason"]) == ("False", "CircuitOpen")
    assert '11 attempts failed, the last with "connect_timeout"; only probes are sent' in verdict["message"]
    assert said["type"] == "Warning"
    assert condition(opened, "Ready")["status"] == condition(closed, "Ready")["status"] == "True"
    assert condition(closed, "EndpointHealthy")["reason"] == "Delivering"


async def test_nothing_but_failure_disables_it_until_it_is_enabled_by_hand(stage: Stage) -> None:
    async with stage.data_plane() as gateway:
        async with stage.operator():
            await onboard(stage)
            async with attempting(stage, gateway) as attempts:
                late, *doomed = await attempts.begin(3)
                await attempts.end(doomed[0], reason="http_503")
                await attempts.age(61)
                await attempts.fail()
                warned = await stage.event("AutoDisablePending", WAREHOUSE)
                await attempts.age(60)
                await attempts.end(doomed[1], reason="http_503")
                await applied(gateway, lambda tail: record(stage, tail).disabled == "auto_disabled")
                disabled = await health(stage, "Disabled")
                await stage.event("AutoDisabled", WAREHOUSE)
                await stage.measured(lambda: callbacks_of("Disabled") == unhealthy(stage) == 1)
                await attempts.end(late)
                assert (await attempts.known()).failures == 0
        async with stage.operator():
            await stage.product("marker")
            await stage.ready("Product", "marker")
            assert record(stage, gateway).disabled == "auto_disabled"
            before = record(stage, gateway).endpoint
            await stage.annotate("Callback", WAREHOUSE, enable_requested_at="1")
            await applied(gateway, lambda tail: record(stage, tail).disabled == "")
            enabled = await health(stage, "Unknown")
            await stage.event("EndpointEnabled", WAREHOUSE)
            await stage.measured(lambda: callbacks_of("Disabled") == 0)
    assert warned["type"] == "Warning"
    assert "nothing but failures since" in warned["note"]
    assert condition(disabled, "EndpointHealthy")["reason"] == "AutoDisabled"
    assert disabled["status"]["disabled"]["reason"] == "auto_disabled"
    assert disabled["status"]["disabled"]["endpoint"] == before
    assert "disabled" not in enabled["status"]
    assert len(await stage.events("AutoDisablePending", WAREHOUSE)) == 1


async def test_gone_disables_it_until_it_is_enabled_again(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await onboard(stage)
        before = record(stage, gateway)
        async with attempting(stage, gateway) as attempts:
            await attempts.end(*await attempts.begin(1), gone=True)
        await applied(gateway, lambda tail: record(stage, tail).disabled == "gone")
        gone = await stage.until(
            stage.named("Callback", WAREHOUSE), lambda seen: condition(seen, "EndpointHealthy")["reason"] == "Gone"
        )
        await stage.event("AutoDisabled", WAREHOUSE)
        await stage.annotate("Callback", WAREHOUSE, enable_requested_at="1")
        await applied(gateway, lambda tail: record(stage, tail).disabled == "")
    assert gone["status"]["health"] == "Disabled"
    assert record(stage, gateway).endpoint != before.endpoint


async def test_the_health_of_a_deleted_callback_is_forgotten(stage: Stage, redis_client: redis.asyncio.Redis) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await onboard(stage)
        async with attempting(stage, gateway) as attempts:
            await attempts.end(*await attempts.begin(1))
        assert await redis_client.hlen(ShardKeys(0).callback_standing) == 1
        await stage.api.delete(stage.named("Callback", WAREHOUSE))
        await applied(gateway, lambda tail: f"callback/{stage.namespace}/warehouse" not in tail.records)
        await stage.product("marker")
        await stage.ready("Product", "marker")
    assert await redis_client.hlen(ShardKeys(0).callback_standing) == 0
