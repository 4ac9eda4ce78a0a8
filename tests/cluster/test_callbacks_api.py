"""Callbacks by the API: a real gateway, the operator with the chart's RBAC, a real API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession
from tests.cluster.operating import Stage
from tests.gateway.running import Answer, Gateway, running

from angarium.apikeys import ApiKey
from angarium.link import Link
from angarium_operator.api import Api, ApiRefused
from angarium_operator.callbacks import ClusterCallbacks

HOOK = {"name": "orders", "events": ["order.*"], "url": "https://example.com/hooks"}
MADE_BY = "angarium.dev/managed-by"


@pytest.fixture
async def gateway(stage: Stage) -> AsyncIterator[Gateway]:
    """A gateway, with a deliverer beside it."""
    async with (
        ClientSession() as session,
        Link(stage.redis) as link,
        running(stage.redis, session, link, wait=False, gateway_edit_timeout=8.0) as one,
        stage.pod("deliverer"),
    ):
        yield one


async def key_of(stage: Stage, kind: str, name: str) -> ApiKey:
    """The API key that the operator made, once the gateway knows it."""
    await stage.ready(kind, name)
    secret = await stage.secret(f"{name}-angarium")
    return ApiKey(secret["key-id"], secret["api-key"])


async def made(stage: Stage, gateway: Gateway, **members: Any) -> Answer:
    """Make a callback of the shop."""
    answer = await gateway.ask("POST", "/v1/callbacks", json=HOOK | members)
    assert answer.status == 201, answer.body
    return answer


@asynccontextmanager
async def shop(stage: Stage, gateway: Gateway, **spec: Any) -> AsyncIterator[None]:
    """The operator, and a Product whose key the gateway is asked with."""
    async with stage.operator():
        await stage.product(**spec)
        gateway.key = await key_of(stage, "Product", "shop")
        yield


async def test_a_callback_is_made_and_works(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        answer = await made(stage, gateway, delivery={"timeout": "3s"}, headers={"X-Shop": "7"})
        assert answer.headers["Location"] == "/v1/callbacks/orders"
        found = await stage.ready("Callback", "orders")
        assert found["metadata"]["labels"] == {MADE_BY: "api"}
        assert found["spec"]["productRef"] == {"name": "shop"}
        assert found["spec"]["delivery"]["timeout"] == "3s"
        assert {each["manager"] for each in found["metadata"]["managedFields"]} == {"angarium-api", "angarium-operator"}
        read = await gateway.ask("GET", "/v1/callbacks/orders")
        assert read.json == {
            "id": found["status"]["callbackID"],
            "name": "orders",
            "events": ["order.*"],
            "url": HOOK["url"],
            "headers": {"X-Shop": "7"},
            "delivery": {"timeout": "3s", "maxInFlight": 100},
            "suspended": False,
            "state": "active",
            "managedBy": "api",
            "health": "Unknown",
        }
        shown = {name: value for name, value in answer.json.items() if name != "signingSecret"}
        assert shown == {name: value for name, value in read.json.items() if name != "health"}
        accepted = await gateway.post("order.paid")
        assert [each["callback"] for each in accepted.json["deliveries"]] == ["orders"]


async def test_its_secret_can_be_read_by_who_made_it(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        answer = await made(stage, gateway)
        await stage.ready("Callback", "orders")
        secret = await gateway.ask("GET", answer.json["signingSecret"])
        assert secret.json == {"type": "HMAC", "key": (await stage.secret("orders-signing"))["signing-key"]}
        await made(stage, gateway, name="open", signing={"type": "Ed25519"})
        await stage.ready("Callback", "open")
        secret = await gateway.ask("GET", "/v1/callbacks/open/secret")
        assert secret.json == {"type": "Ed25519", "key": (await stage.secret("open-signing"))["public-key"]}


async def test_it_is_changed_suspended_activated_and_deleted(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        await made(stage, gateway, delivery={"timeout": "3s", "maxInFlight": 5})
        changed = await gateway.ask(
            "PATCH",
            "/v1/callbacks/orders",
            json={"events": ["order.paid"], "delivery": {"timeout": None}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert (changed.status, changed.json["events"], changed.json["state"]) == (200, ["order.paid"], "active")
        found = await stage.api.get(stage.named("Callback", "orders"))
        assert found["spec"]["delivery"]["maxInFlight"] == 5
        assert "timeout" not in found["spec"]["delivery"]
        assert (await gateway.ask("POST", "/v1/callbacks/orders/suspend")).json["state"] == "suspended"
        assert (await gateway.ask("POST", "/v1/callbacks/orders/activate")).json["state"] == "active"
        gone = await gateway.ask("DELETE", "/v1/callbacks/orders")
        assert (gone.status, gone.body) == (204, b"")
        assert "Content-Length" not in gone.headers
        assert (await gateway.ask("GET", "/v1/callbacks/orders")).status == 404
        await stage.gone(stage.named("Callback", "orders"))
        assert (await gateway.ask("DELETE", "/v1/callbacks/orders")).status == 404


async def test_what_gitops_made_stays_as_it_is(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        await stage.callback("warehouse")
        await stage.ready("Callback", "warehouse")
        before = (await stage.api.get(stage.named("Callback", "warehouse")))["spec"]
        for method, path, body in (
            ("POST", "/v1/callbacks", HOOK | {"name": "warehouse"}),
            ("PATCH", "/v1/callbacks/warehouse", {"url": "https://evil.example.com"}),
            ("DELETE", "/v1/callbacks/warehouse", None),
            ("POST", "/v1/callbacks/warehouse/suspend", None),
            ("POST", "/v1/callbacks/warehouse/activate", None),
            ("GET", "/v1/callbacks/warehouse/secret", None),
        ):
            answer = await gateway.ask(method, path, json=body)
            assert (answer.status, answer.json["type"].rpartition("/")[2]) == (409, "managed-by-gitops"), path
        assert (await stage.api.get(stage.named("Callback", "warehouse")))["spec"] == before
        listed = await gateway.ask("GET", "/v1/callbacks")
        assert [each["managedBy"] for each in listed.json["callbacks"]] == ["gitops"]


async def test_who_takes_the_label_away_takes_it_over(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        await made(stage, gateway)
        await stage.api.patch(stage.named("Callback", "orders"), {"metadata": {"labels": {MADE_BY: "gitops"}}})
        assert (await gateway.ask("DELETE", "/v1/callbacks/orders")).status == 409


async def test_tenants_do_not_see_each_other(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        await stage.create("Organization", "acme", {"productRef": {"name": "shop"}})
        acme = await key_of(stage, "Organization", "acme")
        await made(stage, gateway)
        absent = await gateway.ask("DELETE", "/v1/callbacks/nothing", key=acme)
        for method, path, body in (
            ("PATCH", "/v1/callbacks/orders", {"url": "https://acme.example.com"}),
            ("DELETE", "/v1/callbacks/orders", None),
            ("POST", "/v1/callbacks/orders/suspend", None),
            ("GET", "/v1/callbacks/orders/secret", None),
        ):
            answer = await gateway.ask(method, path, key=acme, json=body)
            assert answer.status == 404
            assert answer.json | {"requestId": ""} == absent.json | {"requestId": ""}
        taken = await gateway.ask("POST", "/v1/callbacks", key=acme, json=HOOK)
        assert (taken.status, taken.json["detail"]) == (409, "the name is taken in this namespace; choose another")
        own = await gateway.ask("POST", "/v1/callbacks", key=acme, json=HOOK | {"name": "acme-orders"})
        assert own.status == 201
        found = await stage.ready("Callback", "acme-orders")
        assert found["spec"]["organizationRef"] == {"name": "acme"}
        assert "productRef" not in found["spec"]


async def test_more_than_the_quota_and_what_the_product_forbids(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway, quotas={"callbacks": 1}):
        await made(stage, gateway)
        full = await gateway.ask("POST", "/v1/callbacks", json=HOOK | {"name": "second"})
        assert (full.status, full.json["type"].rpartition("/")[2]) == (409, "callback-quota")
        assert (await gateway.ask("DELETE", "/v1/callbacks/orders")).status == 204
        await made(stage, gateway, name="second")
        await stage.api.patch(stage.named("Product", "shop"), {"spec": {"api": {"callbacks": "Forbidden"}}})
        await stage.ready("Product", "shop")
        answer = await gateway.ask("PATCH", "/v1/callbacks/second", json={"suspend": True})
        assert (answer.status, answer.json["type"].rpartition("/")[2]) == (403, "callbacks-forbidden")


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"url": "http://10.0.0.7/hooks"}, "/url"),
        ({"url": "ftp://example.com"}, "/url"),
        ({"name": "No"}, "/name"),
        ({"events": []}, "/events"),
        ({"events": ["a b"]}, "/events/0"),
        ({"headers": {"Host": "x"}}, "/headers"),
        ({"signing": {"secretName": "theirs"}}, "/signing/secretName"),
        ({"serviceRef": {"name": "db", "port": 80}}, "/serviceRef"),
        ({"productRef": {"name": "other"}}, "/productRef"),
        ({"delivery": {"timeout": "1y"}}, "/delivery/timeout"),
    ],
)
async def test_what_is_wrong_is_pointed_at(stage: Stage, gateway: Gateway, wrong: Any, pointer: str) -> None:
    async with shop(stage, gateway):
        answer = await gateway.ask("POST", "/v1/callbacks", json=HOOK | wrong)
        assert answer.status == 422
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


async def test_the_same_key_makes_one_callback(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        headers = {"Idempotency-Key": "once"}
        several = await asyncio.gather(
            *[gateway.ask("POST", "/v1/callbacks", json=HOOK, headers=headers) for _ in range(5)]
        )
        assert {(each.status, each.json["id"]) for each in several} == {(201, several[0].json["id"])}
        other = await gateway.ask("POST", "/v1/callbacks", json=HOOK | {"events": ["x"]}, headers=headers)
        assert (other.status, other.json["type"].rpartition("/")[2]) == (422, "idempotency-mismatch")
        again = await gateway.ask("POST", "/v1/callbacks", json=HOOK)
        assert (again.status, again.json["detail"]) == (409, "a callback of this name exists; PATCH changes it")


async def test_while_the_operator_is_away_sending_goes_on(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        await made(stage, gateway)
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


@pytest.mark.parametrize("action", ["create", "delete"])
async def test_an_operator_killed_before_it_answers(
    stage: Stage, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """What it has written stands; the next operator finds the edit and gives the answer that is due."""
    written = asyncio.Event()
    inner = getattr(ClusterCallbacks, action)

    async def write_and_hang(self: ClusterCallbacks, given: Any) -> Any:
        await inner(self, given)
        written.set()
        await asyncio.Event().wait()

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(shop(stage, gateway))
        if action == "delete":
            await made(stage, gateway)
            await stage.ready("Callback", "orders")
        monkeypatch.setattr(ClusterCallbacks, action, write_and_hang)
        request = ("POST", "/v1/callbacks") if action == "create" else ("DELETE", "/v1/callbacks/orders")
        asking = asyncio.create_task(gateway.ask(*request, json=HOOK if action == "create" else None))
        await written.wait()
    monkeypatch.setattr(ClusterCallbacks, action, inner)
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
        await made(stage, gateway)
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
        await made(stage, gateway)
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
        await made(stage, gateway)
        monkeypatch.setattr(ClusterCallbacks, "change", late)
        answer = await gateway.ask("PATCH", "/v1/callbacks/orders", json={"suspend": True})
        assert (answer.status, answer.json["type"].rpartition("/")[2]) == (409, "managed-by-gitops")
        found = await stage.api.get(stage.named("Callback", "orders"))
        assert not found["spec"]["suspend"]
