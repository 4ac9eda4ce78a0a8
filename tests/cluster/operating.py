"""A stage for the operator: the operator itself with the chart's RBAC, a real Valkey, and pods that follow the config
as gateways and deliverers do. The fixture `stage` sets it up.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yaml
from pydantic import SecretStr
from tests.cluster.api import Api, Object, collection

from angarium.config import ConfigTail, Presence
from angarium.keys import ConfigKeys
from angarium.link import Link
from angarium.sealing import generate_seal_key
from angarium.settings import RedisSettings
from angarium_operator.service import run
from angarium_operator.settings import OperatorSettings

ROOT = Path(__file__).parents[2]
RULES: list[Object] = yaml.safe_load((ROOT / "helm/angarium/files/operator-rules.yaml").read_text())
PATIENCE = 30  # s; what is awaited comes in a fraction of a second
API_VERSION = "angarium.dev/v1alpha1"
Check = Callable[[Object], bool]


@dataclass
class Stage:
    """One namespace, one store, and who acts there."""

    api: Api
    namespace: str
    redis: RedisSettings
    kubeconfig: Path
    seal_key: str = field(default_factory=generate_seal_key)

    def settings(self, **changes: Any) -> OperatorSettings:
        """Of an operator that is quick."""
        given: dict[str, Any] = {
            "redis": self.redis,
            "kubeconfig": str(self.kubeconfig),
            "watch_namespaces": (self.namespace,),
            "seal_keys": SecretStr(self.seal_key),
            "gateway_url": "http://angarium-gateway.angarium:8480",
            "probe_host": "127.0.0.1",
            "probe_port": 0,
            "pod": "operator-0",
            "look_seconds": 0.1,
            "idle_look_seconds": 0.2,
            "doubt_seconds": 1.0,
            "health_seconds": 0.2,
        }
        return OperatorSettings(**given | changes)

    @contextlib.asynccontextmanager
    async def operator(self, **changes: Any) -> AsyncIterator[None]:
        """The operator runs while the body does."""
        stop, ready = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(run(self.settings(**changes), stop, ready))
        waiting = asyncio.create_task(ready.wait())
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield
        finally:
            waiting.cancel()
            stop.set()
            await task

    @contextlib.asynccontextmanager
    async def pod(self, role: str, name: str = "pod-0") -> AsyncIterator[ConfigTail]:
        """A pod that applies the config as a gateway or a deliverer does."""
        tail = ConfigTail(self.redis)
        async with Link(self.redis) as link:
            presence = Presence(link, role, name, lambda: tail.applied)
            tail.on_applied(presence.hurry)
            tasks = [asyncio.create_task(tail.run()), asyncio.create_task(presence.run())]
            try:
                yield tail
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await presence.leave()

    @contextlib.asynccontextmanager
    async def data_plane(self) -> AsyncIterator[ConfigTail]:
        """A gateway and a deliverer; the gateway's view of the config."""
        async with self.pod("gateway") as gateway, self.pod("deliverer"):
            yield gateway

    def named(self, kind: str, name: str, namespace: str = "") -> Object:
        """A manifest that only names an object."""
        version = {"Secret": "v1", "Namespace": "v1"}.get(kind, API_VERSION)
        return {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace or self.namespace},
        }

    async def create(self, kind: str, name: str, spec: Object | None = None, namespace: str = "") -> Object:
        """One of our objects."""
        return await self.api.create(self.named(kind, name, namespace) | ({"spec": spec} if spec is not None else {}))

    async def product(self, name: str = "shop", **spec: Any) -> Object:
        """A Product."""
        return await self.create("Product", name, spec)

    async def callback(self, name: str = "warehouse", **spec: Any) -> Object:
        """A Callback of the product "shop"."""
        given = {"productRef": {"name": "shop"}, "events": ["order.*"], "url": "https://warehouse.example.com/hooks"}
        return await self.create("Callback", name, given | spec)

    async def annotate(self, kind: str, name: str, **annotations: str) -> Object:
        """Set annotations of ours; `rotate_requested_at="1"`."""
        named = {f"angarium.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        return await self.api.patch(self.named(kind, name), {"metadata": {"annotations": named}})

    async def secret(self, name: str, check: Check = bool) -> dict[str, str]:
        """The Secret's content, in the clear, once it is there and as it should be."""
        found = await self.until(self.named("Secret", name), check)
        return plain(found)

    async def ready(self, kind: str, name: str, namespace: str = "") -> Object:
        """The object, once it is Ready for its present generation."""
        return await self.until(self.named(kind, name, namespace), holds("Ready", "True"))

    async def verdict(self, kind: str, name: str, type_: str, reason: str, namespace: str = "") -> str:
        """The message of a condition, once it has the reason."""
        found = await self.until(
            self.named(kind, name, namespace), lambda o: condition(o, type_).get("reason") == reason
        )
        return str(condition(found, type_)["message"])

    async def until(self, manifest: Object, check: Check) -> Object:
        """The object, once it passes the check; told by a watch."""
        last: Object = {}
        try:
            async with asyncio.timeout(PATIENCE):
                async for last in self._versions(manifest):
                    if check(last):
                        return last
        except TimeoutError:
            raise AssertionError(
                f"this is how it stayed: {orjson.dumps(last, option=orjson.OPT_INDENT_2).decode()}"
            ) from None
        raise AssertionError("the watch ended")

    async def gone(self, manifest: Object) -> None:
        """Once the object is no more."""
        async with asyncio.timeout(PATIENCE):
            async for _ in self._versions(manifest, deleted=True):
                return

    async def _versions(self, manifest: Object, *, deleted: bool = False) -> AsyncIterator[Object]:
        query = {"fieldSelector": f"metadata.name={manifest['metadata']['name']}"}
        found = await self.api.request("GET", collection(manifest), params=query)
        if deleted and not found["items"]:
            yield {}
        for item in found["items"] if not deleted else ():
            yield item
        query |= {"watch": "true", "resourceVersion": found["metadata"]["resourceVersion"]}
        async with self.api.client.stream("GET", collection(manifest), params=query, timeout=None) as stream:
            async for line in stream.aiter_lines():
                event = orjson.loads(line)
                if (event["type"] == "DELETED") == deleted:
                    yield event["object"]

    async def events(self, reason: str, name: str) -> list[Object]:
        """The Events of that reason on an object."""
        query = {"fieldSelector": f"regarding.name={name},reason={reason}"}
        url = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        found: list[Object] = (await self.api.request("GET", url, params=query))["items"]
        return found

    async def event(self, reason: str, name: str) -> Object:
        """An Event, once it was posted."""
        async with asyncio.timeout(PATIENCE):
            while not (found := await self.events(reason, name)):
                await asyncio.sleep(0.05)
        return found[0]

    async def measured(self, check: Callable[[], bool]) -> None:
        """Once the operator's metrics, which live in this process, pass the check."""
        async with asyncio.timeout(PATIENCE):
            while not check():
                await asyncio.sleep(0.05)


def condition(found: Object, type_: str) -> Object:
    """A condition of an object, or nothing."""
    conditions = found.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == type_), {})


def holds(type_: str, status: str) -> Check:
    """Whether a condition has that status for the present generation."""

    def check(found: Object) -> bool:
        seen = condition(found, type_)
        return seen.get("status") == status and seen["observedGeneration"] == found["metadata"]["generation"]

    return check


def plain(secret: Object) -> dict[str, str]:
    """A Secret's data in the clear."""
    return {name: base64.b64decode(value).decode() for name, value in (secret.get("data") or {}).items()}


async def applied(tail: ConfigTail, check: Callable[[ConfigTail], bool]) -> None:
    """Once a pod's view of the config passes the check."""
    changed = asyncio.Event()
    tail.on_applied(changed.set)
    async with asyncio.timeout(PATIENCE):
        while not check(tail):
            await changed.wait()
            changed.clear()


async def publications(stage: Stage) -> int:
    """How many records were published, and withdrawn, in all."""
    async with Link(stage.redis) as link:
        return int(await link.call("XLEN", ConfigKeys().changes))
