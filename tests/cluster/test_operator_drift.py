"""Drift: what somebody changes behind the operator's back is put right, and what is right is left alone."""

import asyncio

import pytest
import redis.asyncio
from tests.cluster.api import Object
from tests.cluster.operating import PATIENCE, Stage, applied, condition, plain
from tests.cluster.proxy import Proxy

SHOP, WAREHOUSE, ACME = "shop-angarium", "warehouse-signing", "acme-angarium"
SECRETS = {SHOP: "shop", WAREHOUSE: "warehouse", ACME: "acme"}


async def settled(stage: Stage) -> None:
    """A shop with an organization and a callback, all Ready."""
    await stage.product()
    await stage.create("Organization", "acme", {"productRef": {"name": "shop"}})
    await stage.callback()
    for kind, name in (("Product", "shop"), ("Organization", "acme"), ("Callback", "warehouse")):
        await stage.ready(kind, name)


async def versions(stage: Stage) -> dict[str, str]:
    """Of each Secret."""
    found = {name: await stage.api.get(stage.named("Secret", name)) for name in SECRETS}
    return {name: each["metadata"]["resourceVersion"] for name, each in found.items()}


def whole(secret: Object) -> bool:
    """Whether a Secret bears our label and has an owner."""
    labels = secret["metadata"].get("labels", {})
    return labels.get("app.kubernetes.io/managed-by") == "angarium" and "ownerReferences" in secret["metadata"]


def compared(proxy: Proxy) -> int:
    """How often all Secrets were listed."""
    return sum(method == "GET" and "/secrets?limit=500" in path for method, path in proxy.requests)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("lost", ["labels", "ownerReferences"])
async def test_a_label_or_owner_that_was_taken_away(stage: Stage, name: str, lost: str) -> None:
    async with stage.data_plane(), stage.operator():
        await settled(stage)
        before = await stage.secret(name)
        await stage.api.patch(stage.named("Secret", name), {"metadata": {lost: None}})
        again = await stage.until(stage.named("Secret", name), whole)
        said = await stage.event("SecretRepaired", SECRETS[name])
    assert plain(again) == before
    assert said["note"].startswith(
        f'the secret "{name}" was edited; restored: its {"label" if lost == "labels" else "owner"}'
    )


async def test_a_status_that_was_edited_by_hand(stage: Stage) -> None:
    async with stage.data_plane(), stage.operator():
        await settled(stage)
        for kind, name in (("Product", "shop"), ("Callback", "warehouse")):
            before = await stage.ready(kind, name)
            lies = [condition(before, "Ready") | {"status": "False", "reason": "Nonsense", "message": "said so"}]
            change = {"status": {"conditions": lies, "observedGeneration": 7}}
            await stage.api.patch(stage.named(kind, name), change, subresource="status")
            after = await stage.ready(kind, name)
            await stage.event("StatusRepaired", name)
            assert after["status"]["observedGeneration"] == 1
            assert {c["type"] for c in after["status"]["conditions"]} == {
                c["type"] for c in before["status"]["conditions"]
            }


async def test_a_redis_that_was_flushed_is_told_of_once(stage: Stage, redis_client: redis.asyncio.Redis) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await settled(stage)
        epoch, before = gateway.epoch, await versions(stage)
        await redis_client.flushall()
        await applied(gateway, lambda tail: tail.epoch != epoch)
        await stage.event("RecordsRestored", "shop")
        await stage.product("marker")
        await stage.ready("Product", "marker")
        said = await stage.events("RecordsRestored", "shop")
        assert len(said) == 1
        assert await versions(stage) == before


async def test_secrets_in_use_are_not_written_again(stage: Stage, proxy: Proxy) -> None:
    async with stage.data_plane():
        async with stage.operator(resync_seconds=1):
            await settled(stage)
            before = await versions(stage)
            lists = compared(proxy)
            async with asyncio.timeout(PATIENCE):
                while compared(proxy) < lists + 3:
                    await asyncio.sleep(0.1)
            assert await versions(stage) == before
        async with stage.operator():
            await stage.product("marker")
            await stage.ready("Product", "marker")
            assert await versions(stage) == before
