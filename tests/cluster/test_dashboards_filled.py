"""Every query of every dashboard finds data in a real Prometheus that has scraped the running system under traffic."""

import asyncio
import contextlib
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from tests.cluster.operating import Stage
from tests.deliverer.receivers import Receiver, reply
from tests.monitoring.prometheus import prometheus, query
from tests.monitoring.tools import RUNBOOKS, tool
from tests.ports import free_port

from angarium.telemetry.dashboards import DASHBOARDS

LONGEST = 80.0  # s; deliverers look at the queue every 15 s
CHOSEN = {"$namespace": ".*", "$product": ".*", "$callback": ".*", "$__rate_interval": "10s", "$__range": "1m"}


@dataclass
class Running:
    """The three processes, as callers and Prometheus see them."""

    gateway: str
    probes: dict[str, int]


@contextlib.asynccontextmanager
async def process(module: str, **settings: str) -> AsyncIterator[None]:
    """One service in a process of its own; names of settings are those of their variables without ANGARIUM_."""
    environment = os.environ | {f"ANGARIUM_{name.upper()}": value for name, value in settings.items()}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        child.terminate()
        await child.wait()


@pytest.fixture
async def running(stage: Stage, tmp_path: Path) -> AsyncIterator[Running]:
    """Operator, gateway with TLS, and deliverer."""
    tool("prometheus")
    probes = {f"{name}-0": free_port() for name in ("operator", "gateway", "deliverer")}
    port = free_port()
    alike = {
        "redis_url": stage.redis.url.get_secret_value(), "seal_keys": stage.seal_key, "log_level": "warning",
        "probe_host": "127.0.0.1", "egress_allowed_cidrs": "127.0.0.0/8",
    }  # fmt: skip
    operator = {
        "kubeconfig": str(stage.kubeconfig), "watch_namespaces": stage.namespace, "health_seconds": "0.5",
        "gateway_url": f"https://127.0.0.1:{port}", "count_seconds": "1",
    }  # fmt: skip
    gateway = {"gateway_host": "127.0.0.1", "gateway_port": str(port)} | certificate(tmp_path)
    own = {"operator": operator, "gateway": gateway, "deliverer": {}}
    async with contextlib.AsyncExitStack() as stack:
        for name, settings in own.items():
            pod = {"pod": f"{name}-0", "probe_port": str(probes[f"{name}-0"])}
            await stack.enter_async_context(process(f"angarium_{name}", **alike, **pod, **settings))
        for probe in probes.values():
            await listening(probe)
        yield Running(f"https://127.0.0.1:{port}", probes)


def certificate(folder: Path) -> dict[str, str]:
    """Settings of a gateway that serves it."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "tls.pem"))
    return {"gateway_tls_cert": str(folder / "tls.pem"), "gateway_tls_key": str(folder / "tls.pem")}


async def listening(port: int) -> None:
    """Once a process serves its probes and is ready."""
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(LONGEST):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).is_success:
                    return
            await asyncio.sleep(0.2)


async def traffic(url: str, keys: list[str]) -> None:
    """Something of all that may happen, until cancelled."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=False) as client:  # noqa: S501 - its own is not what is tested
        for number in range(1_000_000):
            event = ("order.paid", "invoice.due", "nobody.cares")[number % 3]
            for key in keys:
                headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"n-{number}"}
                document: dict[str, Any] = {"event": event, "data": {"n": number}}
                for _ in range(2):
                    await client.post("/v1/notifications", json=document, headers=headers)
                await client.post("/v1/notifications", json={"event": 7}, headers=headers)
            await asyncio.sleep(0.05)


async def test_every_panel_finds_data(stage: Stage, running: Running, tmp_path: Path) -> None:
    async with Receiver() as warehouse, Receiver(reply(500)) as billing:
        await stage.product("shop")
        await stage.callback("warehouse", url=warehouse.url, events=["order.*"])
        await stage.callback("billing", url=billing.url, events=["invoice.*"], delivery={"retry": {"schedule": ["1s"]}})
        for name in ("warehouse", "billing"):
            await stage.ready("Callback", name)
        old = (await stage.secret("shop-angarium"))["api-key"]
        await stage.annotate("Product", "shop", rotate_requested_at="1")
        new = (await stage.secret("shop-angarium", lambda secret: _key(secret) != old))["api-key"]
        sending = asyncio.create_task(traffic(running.gateway, [old, new]))
        try:
            async with prometheus(tmp_path, running.probes) as client:
                assert await unfilled(client) == []
                for expr in told():
                    await query(client, expr)  # it is understood; whether it finds anything is the night's matter
                await rules_are_well(client)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


def told() -> list[str]:
    """The queries that runbooks tell to make."""
    texts = [page.read_text() for page in sorted(RUNBOOKS.glob("*.md"))]
    found = [expr for text in texts for expr in re.findall(r"\$PROMETHEUS '([^']+)'", text)]
    assert len(found) > 40
    return found


def _key(secret: dict[str, Any]) -> str:
    from tests.cluster.operating import plain

    return plain(secret).get("api-key", "")


async def unfilled(client: httpx.AsyncClient) -> list[str]:
    """The queries that find nothing, though they were asked for a while."""
    left = [query.expr for dashboard in DASHBOARDS for panel in dashboard.panels for query in panel.queries]
    end = time.monotonic() + LONGEST
    while left and time.monotonic() < end:
        await asyncio.sleep(1)
        left = [expr for expr in left if not await query(client, chosen(expr))]
    return left


def chosen(expr: str) -> str:
    """With Grafana's variables filled in."""
    for name, value in CHOSEN.items():
        expr = expr.replace(name, value)
    return expr


async def rules_are_well(client: httpx.AsyncClient) -> None:
    """Each rule was evaluated without an error."""
    groups = (await client.get("/api/v1/rules")).json()["data"]["groups"]
    states = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
    assert len(states) > 30
    assert {name: health for name, health in states.items() if health != "ok"} == {}
