"""What a run stands on: a real API server with the controller that ends namespaces, a Valkey, pods, the operator."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.bed import valkey
from tests.benchmarks.processes import free_port, python, running, started
from tests.cluster.accounts import grant, token_of, wait_until_granted
from tests.cluster.api import Api, Object
from tests.cluster.apiserver import shared_api_server
from tests.cluster.conftest import install_crds
from tests.cluster.kubeconfig import read_kubeconfig, write_kubeconfig
from tests.cluster.operating import RULES

from angarium.sealing import generate_seal_key
from angarium.settings import RedisSettings

HOME = "angarium"  # the operator's own namespace
PODS = (("angarium_gateway", "gateway", 2), ("angarium_deliverer", "deliverer", 2))


@dataclass(frozen=True)
class World:
    """`environment` is what all pods share."""

    api: Api
    redis: RedisSettings
    kubeconfig: Path  # the operator's
    environment: dict[str, str]

    @contextlib.asynccontextmanager
    async def operator(self, *namespaces: str) -> AsyncIterator["Operator"]:
        """A process of its own, from its very beginning; it is not ready yet."""
        probe = free_port()
        own = {
            "ANGARIUM_POD": "operator-0", "ANGARIUM_PROBE_PORT": str(probe), "ANGARIUM_LOG_LEVEL": "warning",
            "ANGARIUM_KUBECONFIG": str(self.kubeconfig), "ANGARIUM_WATCH_NAMESPACES": ",".join(namespaces),
        }  # fmt: skip
        with python("angarium_operator", self.environment | own, None) as child:
            yield Operator(child.pid, f"http://127.0.0.1:{probe}")


@dataclass(frozen=True)
class Operator:
    """Its process, and where it tells of itself."""

    pid: int
    url: str

    def memory(self) -> tuple[float, float]:
        """MiB that it holds now, and that it held at most."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        now, most = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        return now, most


@contextlib.asynccontextmanager
async def world(folder: Path, assets: Path) -> AsyncIterator[World]:
    """Gone at the end, with all it held."""
    with shared_api_server(folder, assets) as admin, _namespaces_end(admin, assets), valkey(None) as store:
        await asyncio.to_thread(install_crds, read_kubeconfig(admin))
        environment = {
            "ANGARIUM_REDIS_URL": store.url, "ANGARIUM_SEAL_KEYS": generate_seal_key(),
            "ANGARIUM_PROBE_HOST": "127.0.0.1",
        }  # fmt: skip
        async with Api(read_kubeconfig(admin)) as api, _pods(environment):
            kubeconfig = folder / "operator.kubeconfig"
            write_kubeconfig(kubeconfig, api.access.with_token(await _account(api)))
            yield World(api, store.settings, kubeconfig, environment)


@contextlib.contextmanager
def _namespaces_end(admin: Path, assets: Path) -> Iterator[None]:
    """Of the controller manager the one controller that empties namespaces, where it is there."""
    manager = assets / "kube-controller-manager"
    if not manager.exists():
        yield
        return
    command = [str(manager), f"--kubeconfig={admin}", "--controllers=namespace-controller", "--leader-elect=false"]
    with running([*command, "--secure-port=0"], os.environ, None):
        yield


@contextlib.asynccontextmanager
async def _pods(environment: dict[str, str]) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for module, role, count in PODS:
            for number in range(count):
                probe = free_port()
                own = {
                    "ANGARIUM_POD": f"{role}-{number}", "ANGARIUM_PROBE_PORT": str(probe),
                    "ANGARIUM_GATEWAY_HOST": "127.0.0.1", "ANGARIUM_GATEWAY_PORT": str(free_port()),
                }  # fmt: skip
                await stack.enter_async_context(started(module, environment | own, probe))
        yield


async def _account(api: Api) -> str:
    """A token for the operator, with the chart's rules."""
    account: Object = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "operator", "namespace": HOME},
    }
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}})
    await api.create(account)
    for manifest in grant(account, RULES):
        await api.apply(manifest)
    await wait_until_granted(api, account, RULES)
    return await token_of(api, account)
