"""Callbacks by the API: a real gateway, the operator with the chart's RBAC, a real API server."""

import asyncio
from typing import Any

import pytest
from tests.cluster.callers import HOOK, MADE_BY, key_of, kind_of, made, shop
from tests.cluster.operating import Stage
from tests.gateway.running import Gateway


async def test_a_callback_is_made_and_works(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        answer = await made(gateway, delivery={"timeout": "3s"}, headers={"X-Shop": "7"})
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
        answer = await made(gateway)
        await stage.ready("Callback", "orders")
        secret = await gateway.ask("GET", answer.json["signingSecret"])
        assert secret.json == {"type": "HMAC", "key": (await stage.secret("orders-signing"))["signing-key"]}
        await made(gateway, name="open", signing={"type": "Ed25519"})
        await stage.ready("Callback", "open")
        secret = await gateway.ask("GET", "/v1/callbacks/open/secret")
        assert secret.json == {"type": "Ed25519", "key": (await stage.secret("open-signing"))["public-key"]}
        assert secret.json["key"].startswith("whpk_")


async def test_it_is_changed_suspended_activated_and_deleted(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        await made(gateway, delivery={"timeout": "3s", "maxInFlight": 5})
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
            assert kind_of(answer) == (409, "managed-by-gitops"), path
        assert (await stage.api.get(stage.named("Callback", "warehouse")))["spec"] == before
        listed = await gateway.ask("GET", "/v1/callbacks")
        assert [each["managedBy"] for each in listed.json["callbacks"]] == ["gitops"]


async def test_who_takes_the_label_away_takes_it_over(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        await made(gateway)
        await stage.api.patch(stage.named("Callback", "orders"), {"metadata": {"labels": {MADE_BY: "gitops"}}})
        assert (await gateway.ask("DELETE", "/v1/callbacks/orders")).status == 409


async def test_tenants_do_not_see_each_other(stage: Stage, gateway: Gateway) -> None:
    async with shop(stage, gateway):
        await stage.create("Organization", "acme", {"productRef": {"name": "shop"}})
        acme = await key_of(stage, "Organization", "acme")
        await made(gateway)
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
        await made(gateway)
        full = await gateway.ask("POST", "/v1/callbacks", json=HOOK | {"name": "second"})
        assert kind_of(full) == (409, "callback-quota")
        assert (await gateway.ask("DELETE", "/v1/callbacks/orders")).status == 204
        await made(gateway, name="second")
        await stage.api.patch(stage.named("Product", "shop"), {"spec": {"api": {"callbacks": "Forbidden"}}})
        await stage.ready("Product", "shop")
        answer = await gateway.ask("PATCH", "/v1/callbacks/second", json={"suspend": True})
        assert kind_of(answer) == (403, "callbacks-forbidden")


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
        assert kind_of(other) == (422, "idempotency-mismatch")
        again = await gateway.ask("POST", "/v1/callbacks", json=HOOK)
        assert (again.status, again.json["detail"]) == (409, "a callback of this name exists; PATCH changes it")
