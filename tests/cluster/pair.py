"""Two operators as processes, each with an account of its own, so that the audit log tells them apart."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import yaml
from tests.chaos.fleet import Pod
from tests.cluster.accounts import grant_within, wait_until_granted
from tests.cluster.api import Object
from tests.cluster.auditing import Audit, Request
from tests.cluster.conftest import ActAs
from tests.cluster.operating import PATIENCE, ROOT, RULES, Stage
from tests.ports import free_port

LEASE = "angarium-operator"
LEASE_RULES: list[Object] = yaml.safe_load((ROOT / "helm/angarium/files/operator-lease-rules.yaml").read_text())


@dataclass
class Pair:
    """Operators by name; `audit` is the API server's."""

    stage: Stage
    act_as: ActAs
    audit: Audit
    folder: Path
    pods: dict[str, Pod] = field(default_factory=dict)

    async def start(self, name: str) -> Pod:
        """An operator, once it is ready, be it to act or to stand by."""
        namespace = self.stage.namespace
        kubeconfig = await self.act_as(name, rules=RULES)
        account: Object = {"metadata": {"name": name, "namespace": namespace}}
        for manifest in grant_within(account, LEASE_RULES):
            await self.stage.api.apply(manifest)
        await wait_until_granted(self.stage.api, account, LEASE_RULES)
        probe = free_port()
        settings = {
            "REDIS_URL": self.stage.redis.url.get_secret_value(),
            "KUBECONFIG": str(kubeconfig),
            "WATCH_NAMESPACES": namespace,
            "SEAL_KEYS": self.stage.seal_key,
            "PROBE_HOST": "127.0.0.1",
            "PROBE_PORT": str(probe),
            "POD": name,
            "LOOK_SECONDS": "0.1",
            "IDLE_LOOK_SECONDS": "0.2",
            "DOUBT_SECONDS": "1",
            "HEALTH_SECONDS": "0.2",
            "OPERATOR_LEASE": LEASE,
            "OPERATOR_LEASE_NAMESPACE": namespace,
        }
        environment = os.environ | {f"ANGARIUM_{key}": value for key, value in settings.items()}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "angarium_operator", env=environment, stdout=log, stderr=log
            )
        pod = self.pods[name] = Pod("operator", name, 0, probe, process)
        if not (await pod.ready() or await pod.ready()):  # a busy machine takes its time
            said = await asyncio.to_thread(_read, probe, "readyz")
            raise AssertionError(f"{said}\n{(self.folder / f'{name}.log').read_text()}")
        return pod

    async def led_by(self, name: str) -> None:
        """Once the Lease names it and it says so itself."""
        await self.stage.until(lease(self.stage), lambda found: holder(found) == name)
        await self.says(name, leads=True)

    async def says(self, name: str, *, leads: bool) -> None:
        """Once its metric says whether it leads."""
        async with asyncio.timeout(PATIENCE):
            while await asyncio.to_thread(_leads, self.pods[name].probe) != leads:
                await asyncio.sleep(0.05)

    def user(self, name: str) -> str:
        """As the audit log calls it."""
        return f"system:serviceaccount:{self.stage.namespace}:{name}"

    def writes(self, name: str) -> list[Request]:
        """That took place."""
        return self.audit.writes(self.user(name))

    async def wrote(self, name: str, count: int) -> None:
        """Once it has written so often."""
        async with asyncio.timeout(PATIENCE):
            while len(self.writes(name)) < count:
                await asyncio.sleep(0.1)

    async def holders(self, last: str) -> list[str]:
        """Who holds the Lease, one after the other, until it is `last`."""
        found = [holder(await self.stage.api.get(lease(self.stage)))]
        async with asyncio.timeout(PATIENCE):
            async for version in self.stage._versions(lease(self.stage)):
                found += [holder(version)] if holder(version) != found[-1] else []
                if found[-1] == last:
                    break
        return found


def _leads(port: int) -> bool:
    return "\nangarium_operator_leader 1.0\n" in _read(port, "metrics")


def _read(port: int, page: str) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


def lease(stage: Stage) -> Object:
    """A manifest that only names it."""
    metadata = {"name": LEASE, "namespace": stage.namespace}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}


def holder(found: Object) -> str:
    """The pod that holds a Lease, or "" where it is free."""
    return str(found["spec"].get("holderIdentity", "")).partition("_")[0]


def twice(writes: list[Request]) -> list[str]:
    """Which objects were written with what stood there already, by the last write before."""
    last: dict[str, Object] = {}
    found = []
    for write in writes:
        about, content = _said(write)
        if last.get(about) == content:
            found.append(about)
        last[about] = content
    return found


def _said(write: Request) -> tuple[str, Object]:
    """What a write is about, and what it says: not when it said so, nor on which version it was based."""
    content: Object = orjson.loads(write.content) or {}
    content.get("metadata", {}).pop("resourceVersion", None)
    if write.right.resource != "events":
        return write.object, content
    about = {name: content[name] for name in ("regarding", "reason", "note")}
    return f"{about}", about


@contextlib.asynccontextmanager
async def pair_of(stage: Stage, act_as: ActAs, kubeconfig: Path, folder: Path) -> AsyncIterator[Pair]:
    """None of them outlives the body."""
    pair = Pair(stage, act_as, Audit(kubeconfig), folder)
    try:
        yield pair
    finally:
        for pod in pair.pods.values():
            pod.thaw()
            await pod.kill()
