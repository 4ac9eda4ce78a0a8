"""POST /v1/callbacks/{name}/test."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.gateway.courier import Courier
from tests.gateway.records import callback, product
from tests.gateway.running import Gateway

from angarium.queue import Ledger, Queue
from angarium.retries import Move
from angarium_gateway.handlers import testing

PATH = "/v1/callbacks/warehouse/test"


@pytest.mark.parametrize(
    ("move", "reason", "outcome"),
    [(Move.DELIVERED, "", "delivered"), (Move.DEAD, "http_503", "refused"), (Move.REFUSED, "gone", "refused")],
)
async def test_the_outcome_is_in_the_answer(
    gateway: Gateway, courier: Courier, move: Move, reason: str, outcome: str
) -> None:
    asked = asyncio.create_task(gateway.ask("POST", PATH))
    await courier.settle(move, reason)
    answer = await asked
    assert answer.status == 200
    assert (answer.json["outcome"], answer.json.get("reason", "")) == (outcome, reason)
    attempt = answer.json["attempt"]
    assert (attempt["callback"], attempt["number"], attempt["durationMs"]) == ("warehouse", 1, 2)
    assert attempt["response"]["body"] == "hello"


async def test_it_is_a_notification_like_any_other(gateway: Gateway, queue: Queue, courier: Courier) -> None:
    await gateway.publish(callback("second"))
    asked = asyncio.create_task(gateway.ask("POST", PATH, json={"data": {"a": 1}}))
    await courier.settle(Move.DELIVERED)
    id_ = (await asked).json["notification"]
    stored = await Ledger(queue).get(id_)
    assert stored is not None
    assert stored.notification.test
    assert stored.notification.body.endswith(b'"data":{"a": 1}}')
    assert [target.id for target in stored.notification.targets] == ["cbk_warehouse"]
    shown = await gateway.ask("GET", f"/v1/notifications/{id_}")
    assert (shown.json["event"], shown.json["priority"], shown.json["test"]) == ("angarium.test", "high", True)


async def test_a_callback_of_another_namespace(gateway: Gateway, courier: Courier) -> None:
    await gateway.publish(callback("far", namespace="other"))
    asked = asyncio.create_task(gateway.ask("POST", "/v1/callbacks/other%2Ffar/test"))
    await courier.settle(Move.DELIVERED)
    assert (await asked).json["attempt"]["callback"] == "other/far"


async def test_nobody_takes_it(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "MARGIN", 0.0)
    await gateway.publish(callback(timeout_s=0.05))
    answer = await gateway.ask("POST", PATH)
    assert answer.status == 504
    assert answer.json["detail"] == (
        f"no deliverer has finished it yet; see /v1/notifications/{answer.json['notification']}/timeline"
    )


async def test_a_gateway_that_goes_away_does_not_wait(gateway: Gateway, queue: Queue) -> None:
    asked = asyncio.create_task(gateway.ask("POST", PATH))
    async with asyncio.timeout(10):
        while not await queue.link.call("HGET", queue.shards[0].ready, "test"):
            await asyncio.sleep(0.01)
    gateway.stop.set()
    assert (await asked).status == 504


@pytest.mark.parametrize(
    ("more", "words"), [({"suspended": True}, "it is suspended"), ({"disabled": "gone"}, "it is disabled (gone)")]
)
async def test_a_callback_that_does_not_send(gateway: Gateway, more: dict[str, Any], words: str) -> None:
    await gateway.publish(callback(**more))
    answer = await gateway.ask("POST", PATH)
    assert answer.status == 409
    assert answer.json["detail"].startswith(words)


@pytest.mark.parametrize("name", ["unheard-of", "shop%2Fx%2Fy", "%2F", "..%2Fshop"])
async def test_no_such_callback(gateway: Gateway, name: str) -> None:
    assert (await gateway.ask("POST", f"/v1/callbacks/{name}/test")).status == 404


async def test_what_is_not_valid(gateway: Gateway) -> None:
    assert (await gateway.ask("POST", PATH, json={"dat": 1})).status == 422
    assert (await gateway.ask("POST", PATH, data="{}", headers={"Content-Type": "text/plain"})).status == 415


async def test_the_backlog_quota_holds_for_tests_too(gateway: Gateway) -> None:
    await gateway.publish(product(gateway.key, backlog=1))
    await gateway.post("order.paid")
    assert (await gateway.ask("POST", PATH)).status == 429


async def test_only_so_many_may_wait(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, courier: Courier) -> None:
    monkeypatch.setattr(testing, "MOST_TESTS", 1)
    asked = [asyncio.create_task(gateway.ask("POST", PATH)) for _ in range(2)]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result().status for task in done] == [429]
    await courier.settle(Move.DELIVERED)
    assert sorted([(await task).status for task in asked]) == [200, 429]


async def test_tests_do_not_count_as_accepted(gateway: Gateway, courier: Courier) -> None:
    labels = {"product": "shop/shop", "priority": "high"}
    before = REGISTRY.get_sample_value("angarium_notifications_accepted_total", labels) or 0
    asked = asyncio.create_task(gateway.ask("POST", PATH))
    await courier.settle(Move.DELIVERED)
    await asked
    assert (REGISTRY.get_sample_value("angarium_notifications_accepted_total", labels) or 0) == before
