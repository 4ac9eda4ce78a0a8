"""POST /v1/notifications/{id}/retry."""

from typing import Any

import pytest
from tests.gateway.courier import Courier
from tests.gateway.records import callback
from tests.gateway.running import Answer, Gateway

from angarium.retries import Move


async def retry(gateway: Gateway, posted: Answer, **more: Any) -> Answer:
    return await gateway.ask("POST", posted.headers["Location"] + "/retry", **more)


async def test_all_that_was_refused_starts_anew(gateway: Gateway, courier: Courier) -> None:
    await gateway.publish(callback("second"), callback("third"))
    posted = await gateway.post("order.paid")
    await courier.settle_each(Move.DELIVERED, Move.REFUSED, Move.DEAD)
    answer = await retry(gateway, posted)
    assert answer.status == 202
    assert [each["result"] for each in answer.json["deliveries"]] == ["redriven", "redriven"]
    assert len(await courier.settle(Move.DELIVERED)) == 2
    shown = await gateway.ask("GET", posted.headers["Location"])
    assert shown.json["status"] == "delivered"
    timeline = await gateway.ask("GET", posted.headers["Location"] + "/timeline")
    [entry] = [each for each in timeline.json["entries"] if each["type"] == "redrive"]
    assert entry["by"] == f"key {gateway.key.id}"


async def test_a_scheduled_one_that_is_named_is_due_at_once(gateway: Gateway, courier: Courier) -> None:
    posted = await gateway.post("order.paid")
    await courier.settle(Move.RETRY, "http_503", 3600.0)
    delivery = posted.json["deliveries"][0]["id"]
    answer = await retry(gateway, posted, json={"deliveries": [delivery, delivery]})
    assert answer.json["deliveries"] == [{"id": delivery, "callback": "warehouse", "result": "hastened"}]
    assert await courier.settle(Move.DELIVERED) == [delivery]


async def test_nothing_to_retry(gateway: Gateway, courier: Courier) -> None:
    posted = await gateway.post("order.paid")
    assert (await retry(gateway, posted)).status == 409
    await courier.settle(Move.DELIVERED)
    answer = await retry(gateway, posted, json={"deliveries": [posted.json["deliveries"][0]["id"]]})
    assert answer.status == 409
    assert answer.json["deliveries"][0]["result"] == "delivered"


async def test_deliveries_of_others_are_not_retried_here(gateway: Gateway) -> None:
    posted, other = await gateway.post("order.paid"), await gateway.post("order.paid")
    own = posted.json["deliveries"][0]["id"]
    for foreign in (other.json["deliveries"][0]["id"], own[:-1] + "7"):
        answer = await retry(gateway, posted, json={"deliveries": [own, foreign]})
        assert answer.status == 422
        assert answer.json["errors"] == [
            {"pointer": "/deliveries/1", "detail": "is not a delivery of this notification"}
        ]


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"deliveries": []}, "/deliveries"),
        ({"deliveries": ["x"]}, "/deliveries/0"),
        ({"deliveries": "all"}, "/deliveries"),
        ({"data": 1}, "/data"),
        ([], ""),
    ],
)
async def test_what_is_not_valid(gateway: Gateway, document: Any, pointer: str) -> None:
    answer = await retry(gateway, await gateway.post("order.paid"), json=document)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
