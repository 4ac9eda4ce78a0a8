"""The control plane is not in the path: without operator and Kubernetes API, traffic goes on, and pods start."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from tests.chaos.fleet import Fleet
from tests.cluster.api import Api
from tests.cluster.apiserver import shared_api_server
from tests.cluster.conftest import install_crds
from tests.cluster.kubeconfig import read_kubeconfig
from tests.cluster.operating import Stage
from tests.deliverer.receivers import Receiver

from angarium.sealing import generate_seal_key
from angarium.settings import RedisSettings

LOOPBACK = "127.0.0.0/8"
PATIENCE = 60  # s; what is awaited comes in a few


@dataclass
class Customer:
    """Posts without a pause to whatever gateway is there, and remembers what was promised."""

    fleet: Fleet
    key: str
    promised: list[str] = field(default_factory=list)  # ids of deliveries

    async def post(self) -> None:
        """Until it is cancelled."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(headers=headers, timeout=PATIENCE, trust_env=False) as client:
            for number in range(1_000_000):
                await self._post(client, number)
                await asyncio.sleep(0.02)

    async def _post(self, client: httpx.AsyncClient, number: int) -> None:
        while True:
            base = self.fleet.gateways()[number % len(self.fleet.gateways())]
            document = {"event": "order.paid", "data": {"order": number}}
            with contextlib.suppress(httpx.TransportError):
                url, headers = f"{base}/v1/notifications", {"Idempotency-Key": f"order-{number}"}
                answer = await client.post(url, json=document, headers=headers)
                if answer.status_code == 202:
                    self.promised += [delivery["id"] for delivery in answer.json()["deliveries"]]
                    return
                assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def kubernetes(folder: Path, redis: RedisSettings, seal_key: str) -> AsyncIterator[Stage]:
    """An API server of the test's own, that may die; the end of the body is its end."""
    with shared_api_server(folder, Path(os.environ["KUBEBUILDER_ASSETS"])) as kubeconfig:
        access = read_kubeconfig(kubeconfig)
        await asyncio.to_thread(install_crds, access)
        async with Api(access) as api:
            await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
            yield Stage(api, "shop", redis, kubeconfig, seal_key)


async def unreachable(server: str) -> None:
    """Once nobody listens there."""
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(verify=False, trust_env=False) as client:  # noqa: S501 - nothing is said
        while True:
            try:
                await client.get(server)
            except httpx.ConnectError:
                return
            except httpx.TransportError:  # it died in the middle of this one
                continue


async def heard(receiver: Receiver, wanted: list[str]) -> None:
    """Once the receiver got these deliveries."""
    async with asyncio.timeout(PATIENCE):
        while not set(wanted) <= {request.headers["webhook-id"] for request in receiver.requests}:
            await asyncio.sleep(0.05)


async def more(customer: Customer, receiver: Receiver, count: int = 30) -> None:
    """Once so many more were accepted, and delivered."""
    first = len(customer.promised)
    async with asyncio.timeout(PATIENCE):
        while len(customer.promised) < first + count:
            await asyncio.sleep(0.05)
    await heard(receiver, customer.promised[first:])


@pytest.mark.timeout(300)
@pytest.mark.skipif("KUBEBUILDER_ASSETS" not in os.environ, reason="an API server that is not ours can't be stopped")
async def test_traffic_goes_on_and_pods_start_without_operator_and_kubernetes(
    tmp_path: Path, redis_settings: RedisSettings
) -> None:
    url, seal_key = redis_settings.url.get_secret_value(), generate_seal_key()
    async with Receiver() as receiver, Fleet(tmp_path, url, seal_key, redis_clock="") as fleet:
        async with kubernetes(tmp_path / "cluster", redis_settings, seal_key) as stage:
            async with stage.operator(egress_allowed_cidrs=LOOPBACK):
                await stage.product()
                await stage.callback(url=receiver.url)
                await stage.ready("Product", "shop")
                await stage.ready("Callback", "warehouse")
                customer = Customer(fleet, (await stage.secret("shop-angarium"))["api-key"])
                posting = asyncio.create_task(customer.post())
                await more(customer, receiver)
            await more(customer, receiver)  # without the operator
        await unreachable(stage.api.access.server)
        await more(customer, receiver)  # without Kubernetes
        for place in fleet.places():
            await fleet.replace(*place)
        await more(customer, receiver)  # by pods that never saw either
        posting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await posting
        await heard(receiver, customer.promised)
        await fleet.stop()
    assert [pod for pod, code in fleet.exit_codes if code] == []
