"""Callbacks as a gateway shows and asks for them; the operator's part is in cluster/test_callbacks_api.py."""

import asyncio

import orjson
import pytest
from tests.gateway.courier import Courier
from tests.gateway.records import callback
from tests.gateway.running import Gateway, Start

from angarium.edits import Edit, EditStore, Reply
from angarium.link import Link
from angarium.retries import Move
from angarium_gateway.handlers.editing import MOST_WAITING

HOOK = {"name": "orders", "events": ["order.*"], "url": "https://example.com/hooks"}


async def test_one_callback_is_read_with_its_health(gateway: Gateway, courier: Courier) -> None:
    assert (await gateway.ask("GET", "/v1/callbacks/warehouse")).json["health"] == "Unknown"
    for _ in range(3):
        await gateway.post("order.paid")
        await courier.settle(Move.DEAD, "http_503")
    assert (await gateway.ask("GET", "/v1/callbacks/shop%2Fwarehouse")).json["health"] == "Failing"
    listed = await gateway.ask("GET", "/v1/callbacks")
    assert [each["health"] for each in listed.json["callbacks"]] == ["Failing"]
    await gateway.post("order.paid")
    await courier.settle(Move.DELIVERED, "")
    assert (await gateway.ask("GET", "/v1/callbacks/warehouse")).json["health"] == "Healthy"


async def test_a_disabled_one_says_so(gateway: Gateway) -> None:
    await gateway.publish(callback(disabled="gone"))
    found = (await gateway.ask("GET", "/v1/callbacks/warehouse")).json
    assert (found["state"], found["reason"], found["health"]) == ("disabled", "gone", "Disabled")


async def test_others_callbacks_are_not_there(gateway: Gateway) -> None:
    for path in ("/v1/callbacks/warehouse", "/v1/callbacks/shop%2Fwarehouse", "/v1/callbacks/nothing"):
        assert (await gateway.ask("GET", path, key=gateway.other_key)).status == 404


async def test_nobody_answers(gateway: Gateway, link: Link) -> None:
    answer = await gateway.ask("POST", "/v1/callbacks", json=HOOK)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert answer.json["type"].endswith("/operator-unavailable")
    assert (await gateway.post("order.paid")).status == 202
    [opened] = await EditStore(link).wait()
    assert opened.void


async def test_what_the_operator_is_told(gateway: Gateway, link: Link) -> None:
    store = EditStore(link)
    once = {"Idempotency-Key": "k"}
    asking = asyncio.create_task(gateway.ask("POST", "/v1/callbacks", json=HOOK | {"headers": None}, headers=once))
    [opened] = await store.wait()
    assert opened.edit == Edit(
        id=opened.edit.id if opened.edit else "",
        action="create",
        tenant="prd_shop",
        owner="product/shop/shop",
        namespace="shop",
        name="orders",
        members={"events": ["order.*"], "url": HOOK["url"]},
        by=f"key {gateway.key.id}",
        keyed=True,
    )
    await store.answer(opened, Reply(callback=callback("orders", api_made=True)))
    answer = await asking
    assert (answer.status, answer.json["state"], answer.json["managedBy"]) == (201, "pending", "api")
    again = await gateway.ask("POST", "/v1/callbacks", json=HOOK | {"headers": None}, headers=once)
    assert again.json == answer.json
    other = await gateway.ask(
        "POST", "/v1/callbacks", json=HOOK, key=gateway.other_key, headers={"Idempotency-Key": "k"}
    )
    assert other.status == 503  # another tenant's key is another key


async def test_too_many_wait(start: Start, gateway: Gateway) -> None:
    patient = await start(gateway_edit_timeout=30.0)
    patient.key, patient.other_key, patient.store = gateway.key, gateway.other_key, gateway.store
    waiting = [
        asyncio.create_task(patient.ask("POST", "/v1/callbacks", json=HOOK | {"name": f"n{i}"}))
        for i in range(MOST_WAITING + 1)
    ]
    done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result().status for task in done] == [429]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status"),
    [
        ("POST", "/v1/callbacks", b"{}", "application/json", 422),
        ("POST", "/v1/callbacks", b"{", "application/json", 400),
        ("POST", "/v1/callbacks", b"{}", "text/plain", 415),
        ("POST", "/v1/callbacks", orjson.dumps(HOOK | {"data": 1}), "application/json", 422),
        ("POST", "/v1/callbacks", orjson.dumps(HOOK | {"name": "x/y"}), "application/json", 422),
        ("POST", "/v1/callbacks", orjson.dumps(HOOK | {"suspend": "yes"}), "application/json", 422),
        ("PATCH", "/v1/callbacks/x", b'{"name": "y"}', "application/merge-patch+json", 422),
        ("PATCH", "/v1/callbacks/x", b'{"url": null}', "application/json", 422),
        ("PATCH", "/v1/callbacks/x", b'{"events": []}', "application/json", 422),
        ("PATCH", "/v1/callbacks/x", b"{}", "application/json-patch+json", 415),
        ("PATCH", "/v1/callbacks/x", b"[]", "application/json", 422),
    ],
)
async def test_what_is_refused_at_once(
    gateway: Gateway, link: Link, method: str, path: str, body: bytes, kind: str, status: int
) -> None:
    answer = await gateway.ask(method, path, data=body, headers={"Content-Type": kind})
    assert answer.status == status
    assert not await link.call("EXISTS", "ang:{config}:edits")
