"""Callbacks by the API while something is away, fails, is killed, or forbids it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.callers import HOOK, MADE_BY, key_of, kind_of, made, shop
from tests.cluster.conftest import ActAs
from tests.cluster.kubeconfig import read_kubeconfig, write_kubeconfig
from tests.cluster.operating import PATIENCE, RULES, Stage
from tests.cluster.proxy import Proxy
from tests.gateway.running import Gateway, running

from angarium_operator.api import Api, ApiRefused
from angarium_operator.callbacks import ClusterCallbacks


async def test_while_the_operator_is_away_sending_goes_on(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        await made(gateway)
    headers = {"Idempotency-Key": "later"}
    asked: Any = {"json": HOOK | {"name": "late"}, "headers": headers}
    async with running(stage.redis, gateway.session, gateway.link, gateway_edit_timeout=0.3) as hasty:
        answer = await hasty.ask("POST", "/v1/callbacks", key=gateway.key, **asked)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
        assert answer.json["type"].endswith("operator-unavailable")
        assert (await hasty.post("order.paid", key=gateway.key)).status == 202
    async with stage.operator():
        names = [each["metadata"]["name"] for each in await stage.api.list_all(stage.named("Callback", ""))]
        assert "late" not in names  # its caller had been told that it failed
        assert (await gateway.ask("POST", "/v1/callbacks", **asked)).status == 201


@asynccontextmanager
async def operator_process(stage: Stage, proxy: Proxy, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """An operator that can be killed; it reaches the API server through the proxy."""
    kubeconfig = folder / "proxied.kubeconfig"
    write_kubeconfig(kubeconfig, replace(read_kubeconfig(stage.kubeconfig), server=proxy.url, authority=""))
    given = {
        "REDIS_URL": stage.redis.url.get_secret_value(),
        "KUBECONFIG": str(kubeconfig),
        "WATCH_NAMESPACES": stage.namespace,
        "SEAL_KEYS": stage.seal_key,
        "PROBE_HOST": "127.0.0.1",
        "PROBE_PORT": "0",
    }
    variables = {f"ANGARIUM_{name}": value for name, value in given.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "angarium_operator", env=os.environ | variables, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("action", ["create", "delete"])
async def test_an_operator_killed_before_it_answers(
    stage: Stage, gateway: Gateway, tmp_path: Path, action: str
) -> None:
    """kill -9: what it has written stands; the next operator finds the edit and gives the answer that is due."""
    async with shop(stage, gateway):
        if action == "delete":
            await made(gateway)
            await stage.ready("Callback", "orders")
    request = ("POST", "/v1/callbacks") if action == "create" else ("DELETE", "/v1/callbacks/orders")
    async with (
        running(stage.redis, gateway.session, gateway.link, gateway_edit_timeout=45.0) as patient,
        Proxy(stage.api.access) as proxy,
    ):
        written = proxy.swallow(request[0], "/callbacks")
        async with operator_process(stage, proxy, tmp_path) as process:
            body = HOOK if action == "create" else None
            asking = asyncio.create_task(patient.ask(*request, key=gateway.key, json=body))
            async with asyncio.timeout(PATIENCE):
                await written.wait()
            process.kill()
        async with stage.operator():
            assert (await asking).status == (201 if action == "create" else 204)
            names = [each["metadata"]["name"] for each in await stage.api.list_all(stage.named("Callback", ""))]
            assert names == (["orders"] if action == "create" else [])


async def test_an_installation_that_does_not_allow_it(stage: Stage, gateway: Gateway) -> None:
    async with stage.operator(api_callbacks=False):
        await stage.product()
        gateway.key = await key_of(stage, "Product", "shop")
        answer = await gateway.ask("POST", "/v1/callbacks", json=HOOK)
        assert answer.status == 403


async def test_one_edit_that_fails_harms_no_other(
    stage: Stage, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inner = ClusterCallbacks.read

    async def stumble(self: ClusterCallbacks, namespace: str, name: str) -> Any:
        if name == "cursed":
            raise RuntimeError("a mistake of ours")
        return await inner(self, namespace, name)

    monkeypatch.setattr(ClusterCallbacks, "read", stumble)
    async with (
        shop(stage, gateway),
        running(stage.redis, gateway.session, gateway.link, gateway_edit_timeout=2.0) as hasty,
    ):
        cursed = asyncio.create_task(
            hasty.ask("POST", "/v1/callbacks", key=gateway.key, json=HOOK | {"name": "cursed"})
        )
        await made(gateway)
        assert (await cursed).status == 503
    assert "an edit could not be done" in caplog.text


async def test_an_api_server_that_is_away_is_waited_for(
    stage: Stage, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 3

    async def away(self: Api, *arguments: Any, **more: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise ApiRefused(0, "Unreachable", "connection refused")
        return await inner(self, *arguments, **more)

    async with shop(stage, gateway):
        inner = Api.create
        monkeypatch.setattr(Api, "create", away)
        await made(gateway)
        assert left == 0


async def test_somebody_else_changes_it_at_the_same_time(
    stage: Stage, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The label is taken away between look and change: the change does not happen."""
    inner = ClusterCallbacks.change

    async def late(self: ClusterCallbacks, namespace: str, name: str, patch: Any) -> Any:
        await stage.api.patch(stage.named("Callback", name), {"metadata": {"labels": {MADE_BY: None}}})
        return await inner(self, namespace, name, patch)

    async with shop(stage, gateway):
        await made(gateway)
        monkeypatch.setattr(ClusterCallbacks, "change", late)
        answer = await gateway.ask("PATCH", "/v1/callbacks/orders", json={"suspend": True})
        assert kind_of(answer) == (409, "managed-by-gitops")
        found = await stage.api.get(stage.named("Callback", "orders"))
        assert not found["spec"]["suspend"]


async def test_an_operator_without_the_right_says_what_to_set(stage: Stage, gateway: Gateway, act_as: ActAs) -> None:
    reading = [rule for rule in RULES if "delete" not in rule["verbs"]]
    bound = replace(stage, kubeconfig=await act_as("reader", rules=reading))
    async with shop(bound, gateway):
        answer = await gateway.ask("POST", "/v1/callbacks", json=HOOK)
        assert (answer.status, "api.callbacks.enabled" in answer.json["detail"]) == (403, True)


async def test_the_server_s_own_refusal_is_told(stage: Stage, gateway: Gateway) -> None:
    """A rule that the cluster's people made, which nobody else knows of."""
    policy = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": stage.namespace}}
    hard = {"hard": {"count/callbacks.angarium.dev": "0"}}
    async with shop(stage, gateway):
        await stage.api.create(policy | {"spec": hard})
        await stage.api.patch(
            policy, {"status": hard | {"used": {"count/callbacks.angarium.dev": "0"}}}, subresource="status"
        )
        answer = await gateway.ask("POST", "/v1/callbacks", json=HOOK)
        assert (answer.status, "exceeded quota: few" in answer.json["detail"]) == (403, True)
