"""The operator goes and comes back; so does Redis. What was right stays as it was, what is gone is cleared away."""

from pathlib import Path

import pytest
import redis.asyncio
from tests.cluster.api import Refused
from tests.cluster.kubeconfig import read_kubeconfig, write_kubeconfig
from tests.cluster.operating import Stage, applied, condition, publications
from tests.cluster.proxy import Proxy

from angarium.config import ConfigStore
from angarium.link import Link


def behind(stage: Stage, proxy: Proxy, tmp_path: Path) -> str:
    """A kubeconfig that leads through the proxy."""
    access = read_kubeconfig(stage.kubeconfig)
    path = tmp_path / "proxied.kubeconfig"
    from dataclasses import replace

    write_kubeconfig(path, replace(access, server=proxy.url, authority=""))
    return str(path)


async def revision(stage: Stage) -> int:
    """The last revision that was published."""
    async with Link(stage.redis) as link:
        return (await ConfigStore(link).state()).revision


async def settled(stage: Stage) -> None:
    """A shop with an organization and callbacks, all Ready."""
    await stage.product(displayName="Web shop")
    await stage.create("Organization", "acme", {"productRef": {"name": "shop"}})
    await stage.callback("warehouse")
    await stage.callback("billing", signing={"type": "Ed25519"})
    for kind, name in (("Organization", "acme"), ("Callback", "warehouse"), ("Callback", "billing")):
        await stage.ready(kind, name)
    await stage.ready("Product", "shop")


async def test_a_restart_writes_nothing(stage: Stage, tmp_path: Path) -> None:
    async with stage.data_plane(), Proxy(stage.api.access) as proxy:
        kubeconfig = behind(stage, proxy, tmp_path)
        async with stage.operator(kubeconfig=kubeconfig):
            await settled(stage)
        before, written = await revision(stage), len(proxy.writes())
        async with stage.operator(kubeconfig=kubeconfig):
            await stage.product("marker")
            await stage.ready("Product", "marker")
            await stage.event("Programmed", "marker")
        others = [write for write in proxy.writes()[written:] if not _is_of_marker(write)]
        assert written > 10
        assert others == []
        assert await revision(stage) == before + 1


def _is_of_marker(write: tuple[str, str]) -> bool:
    """Its Secret, status and Events."""
    method, path = write
    return "/marker" in path or (method == "POST" and path.split("?")[0].endswith(("/secrets", "/events")))


async def test_what_was_deleted_meanwhile_is_withdrawn(stage: Stage) -> None:
    async with stage.data_plane() as gateway:
        async with stage.operator():
            await settled(stage)
        await stage.api.delete(stage.named("Callback", "warehouse"))
        with pytest.raises(Refused, match="not found"):
            await stage.api.get(stage.named("Callback", "warehouse"))  # no finalizer held it
        assert f"callback/{stage.namespace}/warehouse" in gateway.records
        async with stage.operator():
            await applied(gateway, lambda tail: f"callback/{stage.namespace}/warehouse" not in tail.records)
        assert f"callback/{stage.namespace}/billing" in gateway.records


async def test_what_is_deleted_is_withdrawn(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await settled(stage)
        await stage.api.delete(stage.named("Callback", "warehouse"))
        await applied(gateway, lambda tail: f"callback/{stage.namespace}/warehouse" not in tail.records)
        await stage.api.delete(stage.named("Product", "shop"))
        await applied(gateway, lambda tail: not tail.records)
        await stage.verdict("Callback", "billing", "ResolvedRefs", "ProductNotFound")


async def test_records_that_redis_lost_are_published_again(stage: Stage, redis_client: redis.asyncio.Redis) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await settled(stage)
        epoch, records = gateway.epoch, dict(gateway.records)
        ready = await stage.ready("Callback", "warehouse")
        await redis_client.flushall()
        await applied(gateway, lambda tail: tail.epoch != epoch)
        again = {key: record.model_copy(update={"revision": 0}) for key, record in gateway.records.items()}
        assert again == {key: record.model_copy(update={"revision": 0}) for key, record in records.items()}
        await stage.product("marker")
        await stage.ready("Product", "marker")
        after = await stage.api.get(stage.named("Callback", "warehouse"))
    assert condition(after, "Programmed") == condition(ready, "Programmed")
    assert after["metadata"]["resourceVersion"] == ready["metadata"]["resourceVersion"]


async def test_records_lost_while_the_operator_was_away_keep_their_keys(
    stage: Stage, redis_client: redis.asyncio.Redis
) -> None:
    async with stage.data_plane() as gateway:
        async with stage.operator():
            await settled(stage)
            await applied(gateway, lambda tail: len(tail.records) == 4)
        epoch, records = gateway.epoch, dict(gateway.records)
        await redis_client.flushall()
        async with stage.operator():
            await applied(gateway, lambda tail: tail.epoch != epoch)
        key = f"product/{stage.namespace}/shop"
        assert getattr(gateway.records[key], "keys", None) == getattr(records[key], "keys", "")
        assert gateway.records.keys() == records.keys()


async def test_what_was_there_before_the_operator_is_published_at_once(stage: Stage) -> None:
    await stage.product()
    await stage.callback()
    async with stage.data_plane() as gateway, stage.operator():
        await stage.ready("Product", "shop")
        await stage.ready("Callback", "warehouse")
        assert await revision(stage) == gateway.revision
        assert await publications(stage) == 2


async def test_one_lost_record_is_noticed(stage: Stage, redis_client: redis.asyncio.Redis) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await settled(stage)
        before = gateway.revision
        await redis_client.hdel("ang:{config}:records", f"callback/{stage.namespace}/warehouse")
        await applied(gateway, lambda tail: tail.revision > before)
        assert await redis_client.hexists("ang:{config}:records", f"callback/{stage.namespace}/warehouse")


async def test_what_was_applied_when_status_was_lost_keeps_its_key(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await settled(stage)
        key = f"product/{stage.namespace}/shop"
        before = gateway.records[key]
        secret = await stage.secret("shop-angarium")
        await stage.api.patch(stage.named("Product", "shop"), {"status": None}, subresource="status")
        await stage.ready("Product", "shop")
        assert (await stage.secret("shop-angarium")) == secret
        assert gateway.records[key] == before
