"""What API servers do on bad days. The operator ends where it would have ended without it."""

import asyncio
import socket

import httpx
import pytest
from tests.cluster.accounts import token_of
from tests.cluster.kubeconfig import read_kubeconfig, write_kubeconfig
from tests.cluster.operating import PATIENCE, Stage, applied, publications
from tests.cluster.proxy import Proxy

STATUS = r"/shop/status\?"
CALLBACKS = r"/callbacks(\?|$)"


@pytest.mark.parametrize("status", [409, 429, 500, 503])
async def test_a_refused_status_is_written_later(stage: Stage, proxy: Proxy, status: int) -> None:
    fault = proxy.answer("PATCH", STATUS, status, times=2)
    async with stage.data_plane(), stage.operator():
        await stage.product()
        await stage.ready("Product", "shop")
    assert fault.met == 2


@pytest.mark.parametrize("status", [409, 429, 500])
async def test_a_secret_that_could_not_be_made_is_made_later_with_the_same_key(
    stage: Stage, proxy: Proxy, status: int
) -> None:
    proxy.answer("POST", "/secrets", status, times=2)
    async with stage.data_plane(), stage.operator():
        await stage.product()
        await stage.ready("Product", "shop")
        assert await publications(stage) == 1


async def test_who_is_told_to_wait_does_not_ask_again_meanwhile(stage: Stage, proxy: Proxy) -> None:
    fault = proxy.answer("PATCH", STATUS, 429, times=2, retry_after="1")
    async with stage.data_plane(), stage.operator():
        await stage.product()
        await stage.ready("Product", "shop")
    assert fault.met == 2
    assert len(proxy.writes("/shop/status")) <= 4


@pytest.mark.parametrize("status", [404, 410, 429, 500])
async def test_lists_that_fail_at_first(stage: Stage, proxy: Proxy, status: int) -> None:
    proxy.answer("GET", CALLBACKS, status, times=3)
    async with stage.data_plane(), stage.operator():
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")


async def test_a_token_that_is_no_longer_taken_is_read_again(stage: Stage, proxy: Proxy) -> None:
    account = {"metadata": {"name": "operator", "namespace": stage.namespace}}
    access = read_kubeconfig(stage.kubeconfig)
    async with stage.data_plane(), stage.operator(watch_idle_seconds=1):
        await stage.product()
        await stage.ready("Product", "shop")
        for method in ("GET", "POST", "PATCH"):
            proxy.answer(method, ".", 401, times=1_000_000, token=access.token)
        fresh = await token_of(stage.api, {"apiVersion": "v1", "kind": "ServiceAccount"} | account)
        write_kubeconfig(stage.kubeconfig, access.with_token(fresh))
        await stage.callback()
        await stage.ready("Callback", "warehouse")


async def test_a_watch_that_falls_silent_is_opened_again(stage: Stage, proxy: Proxy) -> None:
    async with stage.data_plane(), stage.operator(watch_idle_seconds=1):
        await stage.product()
        await stage.ready("Product", "shop")
        await proxy.watched("/callbacks$")
        proxy.silence("/callbacks$")
        await stage.callback()
        await stage.ready("Callback", "warehouse")


async def test_a_watch_that_breaks_in_the_middle_loses_nothing(stage: Stage, proxy: Proxy) -> None:
    async with stage.data_plane(), stage.operator():
        await stage.product()
        await stage.ready("Product", "shop")
        await proxy.watched("/callbacks$")
        proxy.cut("/callbacks$")
        await stage.callback("warehouse")
        await stage.callback("billing")
        await stage.ready("Callback", "warehouse")
        await stage.ready("Callback", "billing")


async def test_what_was_deleted_while_a_watch_was_broken_is_found(stage: Stage, proxy: Proxy) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")
        await proxy.watched("/callbacks$")
        proxy.silence("/callbacks$")
        await stage.api.delete(stage.named("Callback", "warehouse"))
        await proxy.expire("/callbacks$")
        await applied(gateway, lambda tail: f"callback/{stage.namespace}/warehouse" not in tail.records)


async def test_a_slow_list_makes_nothing_vanish(stage: Stage, proxy: Proxy) -> None:
    async with stage.data_plane() as gateway:
        async with stage.operator():
            await stage.product()
            await stage.callback()
            await stage.ready("Callback", "warehouse")
        vanished: list[str] = []
        gateway.listen(lambda changes: vanished.extend(key for key, record in changes.items() if record is None))
        proxy.delay("GET", CALLBACKS, 1.0, times=2)
        async with stage.operator():
            await stage.product("marker")
            await stage.ready("Product", "marker")
    assert vanished == []


async def test_liveness_fails_when_a_watch_stays_silent_while_the_server_answers(
    stage: Stage, proxy: Proxy, unused_port: int
) -> None:
    async with stage.data_plane(), stage.operator(watch_idle_seconds=0.5, probe_port=unused_port):
        await proxy.watched("/callbacks$")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{unused_port}", trust_env=False) as probe:
            assert (await probe.get("/healthz")).status_code == 200
            proxy.silence("/callbacks$", for_ever=True)
            async with asyncio.timeout(PATIENCE):
                while (found := await probe.get("/healthz")).is_success:
                    await asyncio.sleep(0.1)
    assert "silent, though the API server answers" in found.text


async def test_it_says_when_it_is_ready(stage: Stage, unused_port: int) -> None:
    async with (
        stage.operator(probe_port=unused_port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{unused_port}", trust_env=False) as probe,
        asyncio.timeout(PATIENCE),
    ):
        while not (await probe.get("/readyz")).is_success:
            await asyncio.sleep(0.05)  # a probe is there to be asked
        metrics = (await probe.get("/metrics")).text
    assert 'angarium_operator_api_requests_total{code="200",verb="list"}' in metrics


@pytest.fixture
def unused_port() -> int:
    """A port for probes."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
