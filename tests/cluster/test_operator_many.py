"""Some hundred objects, page by page: a restart reads all of them and writes nothing, and a namespace simply goes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cluster.api import Object, collection
from tests.cluster.kubeconfig import read_kubeconfig, write_kubeconfig
from tests.cluster.operating import Stage, applied, publications
from tests.cluster.proxy import Proxy

PRODUCTS, CALLBACKS = 5, 100
PAGE = 20
OURS = ("Product", "Callback", "Secret")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some pages for each kind."""
    monkeypatch.setattr("angarium_operator.api.PAGE", PAGE)


async def populate(stage: Stage) -> None:
    """Callbacks of several products."""
    async with asyncio.TaskGroup() as group:
        for n in range(PRODUCTS):
            group.create_task(stage.product(f"shop-{n}"))
    async with asyncio.TaskGroup() as group:
        for n in range(CALLBACKS):
            group.create_task(stage.callback(f"hook-{n}", productRef={"name": f"shop-{n % PRODUCTS}"}))


async def all_ready(stage: Stage) -> None:
    """Once all of them are."""
    for kind, prefix, count in (("Product", "shop", PRODUCTS), ("Callback", "hook", CALLBACKS)):
        for n in range(count):
            await stage.ready(kind, f"{prefix}-{n}")


async def left(stage: Stage) -> list[Object]:
    """What stands in the namespace."""
    return [each for kind in OURS for each in await stage.api.list_all(stage.named(kind, ""))]


async def events(stage: Stage) -> list[str]:
    """The names of Events on all but the marker."""
    found = await stage.api.request("GET", f"/apis/events.k8s.io/v1/namespaces/{stage.namespace}/events")
    return [each["metadata"]["name"] for each in found["items"] if each["regarding"]["name"] != "marker"]


async def end_namespace(stage: Stage, kinds: Iterable[str] = OURS) -> None:
    """As the controller of namespaces does it: first nothing new comes in, then all goes."""
    await stage.api.delete(stage.named("Namespace", stage.namespace))
    for kind in kinds:
        await stage.api.request("DELETE", collection(stage.named(kind, "")))


@contextlib.asynccontextmanager
async def counted(stage: Stage, proxy: Proxy, path: Path) -> AsyncIterator[list[tuple[str, str]]]:
    """The operator behind the proxy; its requests from now on."""
    write_kubeconfig(path, replace(read_kubeconfig(stage.kubeconfig), server=proxy.url, authority=""))
    proxy.requests = []
    async with stage.operator(kubeconfig=str(path)):
        yield proxy.requests


async def test_a_restart_reads_each_object_once_and_writes_nothing(stage: Stage, tmp_path: Path) -> None:
    await populate(stage)
    async with stage.data_plane(), Proxy(stage.api.access) as proxy:
        async with counted(stage, proxy, tmp_path / "first"):
            await all_ready(stage)
            assert len(proxy.writes("/callbacks/")) >= CALLBACKS
        published, said = await publications(stage), await events(stage)
        versions = {each["metadata"]["uid"]: each["metadata"]["resourceVersion"] for each in await left(stage)}
        async with counted(stage, proxy, tmp_path / "again") as requests:
            lists = [path for method, path in requests if "/callbacks?" in path and "watch=" not in path]
            await stage.product("marker")  # planned for after all others
            await stage.ready("Product", "marker")
        assert [write for write in proxy.writes() if "/marker" not in write[1] and write[0] != "POST"] == []
        assert len(lists) == CALLBACKS / PAGE + 1  # the one more is kopf's, which holds nothing
        assert await publications(stage) == published + 1
    after = {each["metadata"]["uid"]: each["metadata"]["resourceVersion"] for each in await left(stage)}
    assert versions.items() <= after.items()
    assert await events(stage) == said


@pytest.mark.parametrize("first", ["Callback", "Secret"])
async def test_a_namespace_goes_with_the_operator(stage: Stage, first: str) -> None:
    await populate(stage)
    async with stage.data_plane() as gateway, stage.operator():
        await all_ready(stage)
        await end_namespace(stage, sorted(OURS, key=lambda kind: kind != first))
        await applied(gateway, lambda tail: not tail.records)
        assert await left(stage) == []


async def test_a_namespace_goes_without_the_operator(stage: Stage) -> None:
    await populate(stage)
    async with stage.data_plane() as gateway:
        async with stage.operator():
            await all_ready(stage)
        await end_namespace(stage)
        assert await left(stage) == []  # nothing held any of them
        assert len(gateway.records) == PRODUCTS + CALLBACKS
        async with stage.operator():
            await applied(gateway, lambda tail: not tail.records)
