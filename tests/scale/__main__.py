"""`make scale`: the operator with thousands of objects, on a real API server (KUBEBUILDER_ASSETS).

Two gateways and two deliverers live beside it. What is printed: first start and restart, each until nothing is left
to do, with CPU and memory of the operator and the writes that the API server has counted; the time from a changed
Callback to its use by all pods; and how long namespaces take to go, with the operator, without it, and where it never
was. docs/operations.md has the figures.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from tests.benchmarks.processes import cpu_seconds
from tests.cluster.api import Api, Object, Refused, collection
from tests.cluster.operating import API_VERSION, holds
from tests.scale.figures import live, settled, writes
from tests.scale.world import Operator, World, world

from angarium.keys import ConfigKeys
from angarium.link import Link

MAIN, LEFT, BARE = "shop", "left", "bare"
AT_ONCE = 32
PATIENCE = 1200.0  # s
MEMORY = 300  # MiB
CHANGE = 2000  # ms


def manifest(kind: str, namespace: str, name: str = "", **more: Any) -> Object:
    """One of ours."""
    version = {"Secret": "v1", "Namespace": "v1", "Event": "events.k8s.io/v1"}.get(kind, API_VERSION)
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


def products(namespace: str, count: int) -> Iterable[Object]:
    """So many."""
    return (manifest("Product", namespace, f"shop-{n}", spec={}) for n in range(count))


def callbacks(namespace: str, count: int, owners: int) -> Iterable[Object]:
    """Each of one of the products."""
    for n in range(count):
        spec = {"productRef": {"name": f"shop-{n % owners}"}, "events": ["order.*"]}
        yield manifest("Callback", namespace, f"hook-{n}", spec=spec | {"url": f"https://hook-{n}.example.com/hooks"})


def secrets(namespace: str, count: int) -> Iterable[Object]:
    """As the operator makes them for callbacks."""
    for n in range(count):
        yield manifest("Secret", namespace, f"hook-{n}-signing", stringData={"signing-key": f"whsec_{n:064d}"})


def events(namespace: str, count: int) -> Iterable[Object]:
    """As the operator posts them."""
    for n in range(count):
        given = {
            "eventTime": "2026-11-21T12:00:00.000000Z", "type": "Normal", "reason": "Programmed", "action": "Reconcile",
            "reportingController": "angarium.dev/operator", "reportingInstance": "operator-0", "note": "all is well",
            "regarding": {"kind": "Callback", "name": f"hook-{n}", "namespace": namespace},
        }  # fmt: skip
        yield manifest("Event", namespace, f"hook-{n}", **given)


async def create(api: Api, manifests: Iterable[Object]) -> None:
    """All of them, some at once; by a client that costs less than the API server does."""
    left, access = iter(manifests), api.access

    async def worker() -> None:
        for each in left:
            async with session.post(collection(each), data=orjson.dumps(each)) as answer:
                answer.raise_for_status()

    headers = {"Content-Type": "application/json", **access.headers()}
    connector = aiohttp.TCPConnector(ssl=access.tls())
    async with (
        aiohttp.ClientSession(access.server, headers=headers, connector=connector) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(AT_ONCE):
            group.create_task(worker())


async def until_ready(api: Api, namespace: str, kind: str, count: int) -> None:
    """Once so many of them are Ready."""
    ready: set[str] = set()
    async for found in _versions(api, manifest(kind, namespace)):
        if holds("Ready", "True")(found):
            ready.add(found["metadata"]["name"])
        if len(ready) == count:
            return


async def _versions(api: Api, of: Object) -> AsyncIterator[Object]:
    query = {"watch": "true", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    query |= {"allowWatchBookmarks": "true"}
    async with api.client.stream("GET", collection(of), params=query, timeout=PATIENCE) as stream:
        rest = b""
        async for part in stream.aiter_bytes():
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                if (event := orjson.loads(line))["type"] != "BOOKMARK":
                    yield event["object"]


class Report:
    """Lines of the table, printed as they come; `short` are those that broke their limit."""

    def __init__(self) -> None:
        self.short: list[str] = []
        print("| what | measured | limit |\n| --- | --- | --- |", flush=True)

    def line(self, what: str, measured: str, limit: str = "", *, held: bool = True) -> None:
        """One more."""
        if not held:
            self.short.append(what)
        print(f"| {what} | {measured} | {limit}{'' if held else ', exceeded'} |", flush=True)

    def memory(self, what: str, operator: Operator) -> None:
        """What the operator holds, and held at most."""
        now, most = operator.memory()
        self.line(what, f"{now:.0f} MiB, {most:.0f} MiB", f"{MEMORY} MiB", held=most <= MEMORY)


async def start(world: World, report: Report, what: str, options: argparse.Namespace) -> None:
    """The operator from its beginning until there is nothing to do, and a minute's worth of looks later."""
    written, began = await writes(world.api), time.monotonic()
    async with world.operator(MAIN) as operator:
        async with asyncio.TaskGroup() as group:
            group.create_task(until_ready(world.api, MAIN, "Product", options.products))
            group.create_task(until_ready(world.api, MAIN, "Callback", options.callbacks))
        await settled(operator, options.products + options.callbacks)
        took, cpu = time.monotonic() - began, cpu_seconds(operator.pid)
        await asyncio.sleep(options.rest)
        report.line(f"{what}: until all is Ready and nothing waits", f"{took:.1f} s, {cpu:.1f} s of CPU")
        report.memory(f"{what}: memory {options.rest:.0f} s later, and at most", operator)
        count = await writes(world.api) - written
        again = what == "restart"
        report.line(f"{what}: writes, by the API server's count", f"{count:,}", "0" * again, held=not (again and count))
        if again:
            await change(world, report, options)
            report.memory("memory after these changes, and at most", operator)


async def change(world: World, report: Report, options: argparse.Namespace) -> None:
    """One callback after another."""
    took = []
    async with Link(world.redis) as link:
        for n in range(options.changes):
            name = f"hook-{n * 47 % options.callbacks}"
            spec = {"spec": {"url": f"https://{name}.example.com/changed/{n}"}}
            began = time.monotonic()
            changed = await world.api.patch(manifest("Callback", MAIN, name), spec)
            async with asyncio.timeout(PATIENCE):
                await live(link, f"callback/{MAIN}/{name}", changed["metadata"]["generation"])
            took.append((time.monotonic() - began) * 1000)
    if len(took) > 1:
        cuts = statistics.quantiles(took, n=100, method="inclusive")
        measured = f"p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, at most {max(took):.0f} ms"
        what = f"a changed Callback is used by all pods ({len(took)} changes)"
        report.line(what, measured, f"p99 {CHANGE} ms", held=cuts[98] <= CHANGE)


async def delete(api: Api, namespace: str) -> float:
    """Seconds until the namespace is gone."""
    began = time.monotonic()
    named = manifest("Namespace", "", namespace)
    await api.delete(named)
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await api.get(named)
            except Refused as refused:
                if refused.status == 404:
                    return time.monotonic() - began
                raise
            await asyncio.sleep(0.05)


async def deletions(world: World, report: Report, options: argparse.Namespace) -> None:
    """Of namespaces that hold the same."""
    count, owners, api = options.deleted, max(1, options.deleted // 20), world.api
    for namespace in (LEFT, BARE, "with"):
        await api.create(manifest("Namespace", "", namespace))
        await create(api, products(namespace, owners))
        await create(api, callbacks(namespace, count, owners))
    await create(api, secrets(BARE, count + owners))
    await create(api, events(BARE, 2 * (count + owners)))
    async with world.operator(LEFT, "with") as operator:
        for namespace in (LEFT, "with"):
            await until_ready(api, namespace, "Callback", count)
            await until_ready(api, namespace, "Product", owners)
        written, spent = await writes(api), cpu_seconds(operator.pid)
        took = await delete(api, "with")
        report.line(f"a namespace of {count:,} Callbacks goes: with the operator", f"{took:.1f} s")
        written, spent = await writes(api) - written, cpu_seconds(operator.pid) - spent
        report.line("likewise: what it writes and uses meanwhile", f"{written:,} writes, {spent:.1f} s of CPU")
        async with Link(world.redis) as link, asyncio.timeout(PATIENCE):
            while any(key.split(b"/")[1] == b"with" for key in await link.call("HKEYS", ConfigKeys().records)):
                await asyncio.sleep(0.05)
    report.line("likewise: while the operator is away", f"{await delete(api, LEFT):.1f} s")
    report.line("likewise: where it never was", f"{await delete(api, BARE):.1f} s")


async def measure(options: argparse.Namespace, assets: Path) -> list[str]:
    """All of it; what broke its limit."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder), assets) as stage:
            await stage.api.create(manifest("Namespace", "", MAIN))
            await create(stage.api, products(MAIN, options.products))
            await create(stage.api, callbacks(MAIN, options.callbacks, options.products))
            for what in ("first start", "restart"):
                await start(stage, report, what, options)
            if options.deleted and (assets / "kube-controller-manager").exists():
                await deletions(stage, report, options)
    return report.short


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--callbacks", type=int, default=10_000)
    parser.add_argument("--products", type=int, default=500)
    parser.add_argument("--changes", type=int, default=200, help="of a Callback, one after another")
    parser.add_argument("--deleted", type=int, default=2_000, help="Callbacks in each namespace that is deleted")
    parser.add_argument("--rest", type=float, default=25, help="seconds before memory is read")
    options = parser.parse_args()
    if not (assets := os.environ.get("KUBEBUILDER_ASSETS")):
        sys.exit("no API server: export KUBEBUILDER_ASSETS=$(setup-envtest use -p path)")
    if short := asyncio.run(measure(options, Path(assets))):
        sys.exit(f"beyond its limit: {', '.join(short)}")


if __name__ == "__main__":
    main()
