"""POST /v1/notifications: what is accepted, and that it is stored with all its deliveries before the answer."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.gateway.records import callback, organization
from tests.gateway.running import Answer, Gateway

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.notifications import Priority, Stored
from angarium.queue import Ledger, Queue


async def stored(queue: Queue, answer: Answer) -> Stored:
    """What Redis holds of an accepted notification."""
    found = await Ledger(queue).get(answer.json["id"])
    assert found is not None
    return found


async def test_is_answered_with_its_id_its_deliveries_and_where_to_look(gateway: Gateway) -> None:
    answer = await gateway.post("order.paid", {"order": 1042})
    assert answer.status == 202
    assert re.fullmatch(r"not_[0-9A-Z]{26}", answer.json["id"])
    assert answer.headers["Location"] == f"/v1/notifications/{answer.json['id']}"
    assert (answer.json["status"], answer.json["event"]) == ("pending", "order.paid")
    assert answer.json["deliveries"] == [
        {"id": f"dlv_{answer.json['id'][4:]}_0", "callback": "warehouse", "status": "pending"}
    ]


async def test_is_stored_as_receivers_will_get_it(gateway: Gateway, queue: Queue) -> None:
    answer = await gateway.post("order.paid", {"order": 1042})
    notification = (await stored(queue, answer)).notification
    assert json.loads(notification.body) == {
        "type": "order.paid",
        "timestamp": answer.json["createdAt"],
        "data": {"order": 1042},
    }
    assert (notification.tenant, notification.product) == ("prd_shop", "shop/shop")
    assert notification.by == f"key {gateway.key.id}"
    assert notification.config_revision == (await ConfigStore(queue.link).state()).revision


VALUES = (
    "12345678901234567890123456789",
    "19.90",
    "-0.0",
    '{"n": 9007199254740993, "a" : [ 1 ,2 ]}',
    '"\\u00e9 \\ud83d\\ude00 é"',
    "null",
    '"a string with }, \\"event\\": \\"x\\"}"',
    '{"event": "inner"}',
    '{"data": [{"data": 1}]}',
    "[]",
    '{"twice": 1, "twice": 2}',
)


@pytest.mark.parametrize(
    "around",
    [
        '{"event": "order.paid", "data": %s}',
        '{"data": %s, "event": "order.paid"}',
        ' {"priority":"high","data":%s ,"event":"order.paid"}\n',
        '{"\\u0065vent": "order.p\\u0061id", "data": %s}',
        '{"d\\u0061ta": %s, "event": "order.paid", "priority": "low"}',
    ],
)
async def test_data_reaches_receivers_byte_by_byte(gateway: Gateway, queue: Queue, around: str) -> None:
    for data in VALUES:
        answer = await gateway.ask(
            "POST", "/v1/notifications", data=(around % data).encode(), headers={"Content-Type": "application/json"}
        )
        assert answer.status == 202, answer.body
        body = (await stored(queue, answer)).notification.body
        assert body.endswith(b'Z","data":%b}' % data.encode())
        shown = await gateway.ask("GET", answer.headers["Location"])
        assert shown.body.endswith(b'"data":%b}' % data.encode())


async def test_nobody_subscribes(gateway: Gateway) -> None:
    answer = await gateway.post("nobody.cares", {})
    assert answer.status == 202
    assert (answer.json["status"], answer.json["deliveries"]) == ("unmatched", [])
    assert (await gateway.ask("GET", answer.headers["Location"])).json["status"] == "unmatched"


@pytest.mark.parametrize("priority", ["high", "normal", "low"])
async def test_priority_chooses_the_lane(gateway: Gateway, queue: Queue, priority: str) -> None:
    answer = await gateway.post(members={"priority": priority})
    assert (await stored(queue, answer)).notification.priority is Priority(priority)
    assert await queue.link.call("HGETALL", queue.shards[0].ready) == {priority.encode(): b"1"}


async def test_later_delivery_waits_in_the_schedule(gateway: Gateway, queue: Queue) -> None:
    at = (datetime.now(UTC) + timedelta(days=89)).replace(microsecond=0)
    answer = await gateway.post(members={"deliverAt": at.isoformat()})
    assert datetime.fromisoformat(answer.json["deliverAt"]) == at
    [due] = (await queue.link.call("ZRANGE", queue.shards[0].schedule, 0, -1, "WITHSCORES"))[0][1:]
    assert due == at.timestamp() * 1000


async def test_a_past_delivery_time_means_now(gateway: Gateway, queue: Queue) -> None:
    answer = await gateway.post(members={"deliverAt": "2001-01-01T00:00:00+02:00"})
    assert answer.status == 202
    assert "deliverAt" not in answer.json
    assert await queue.link.call("HGET", queue.shards[0].ready, "normal") == b"1"


async def test_routes_by_pattern_and_to_each_callback_once(gateway: Gateway) -> None:
    await gateway.publish(
        callback("all", "**"),
        callback("both", "order.paid", "*.paid"),
        callback("refunds", "refund.*"),
        callback("sleeping", "order.*", suspended=True),
        callback("gone", "order.*", disabled="gone"),
    )
    answer = await gateway.post("order.paid")
    assert {each["callback"] for each in answer.json["deliveries"]} == {"warehouse", "all", "both", "sleeping"}


async def test_follows_changes_of_config(gateway: Gateway) -> None:
    await gateway.publish(callback("warehouse", "refund.*"))
    assert (await gateway.post("order.paid")).json["deliveries"] == []
    assert len((await gateway.post("refund.made")).json["deliveries"]) == 1
    await gateway.publish(deleted=("callback/shop/warehouse",))
    assert (await gateway.post("refund.made")).json["deliveries"] == []


async def test_an_organization_has_callbacks_of_its_own(gateway: Gateway, queue: Queue) -> None:
    key = apikeys.mint()
    await gateway.publish(
        organization(key), callback("theirs", tenant="org_acme"), callback("far", tenant="org_acme", namespace="acme")
    )
    answer = await gateway.post("order.paid", key=key)
    assert [each["callback"] for each in answer.json["deliveries"]] == ["theirs", "acme/far"]
    assert (await stored(queue, answer)).notification.product == "shop/shop"
    assert [each["callback"] for each in (await gateway.post("order.paid")).json["deliveries"]] == ["warehouse"]


async def test_a_large_fan_out_is_stored_whole(gateway: Gateway, queue: Queue) -> None:
    await gateway.publish(*[callback(f"c{n}", "wide.*") for n in range(500)])
    answer = await gateway.post("wide.open")
    assert len(answer.json["deliveries"]) == 500
    assert len((await stored(queue, answer)).deliveries) == 500


@pytest.mark.parametrize("length", [128 * 1024, 262_144])
async def test_up_to_256_kib(gateway: Gateway, queue: Queue, length: int) -> None:
    envelope = '{"event": "order.paid", "data": "%s"}'
    body = envelope % ("x" * (length - len(envelope) + 2))
    assert len(body) == length
    headers: Any = {"Content-Type": "application/json; charset=UTF-8"}
    answer = await gateway.ask("POST", "/v1/notifications", data=body, headers=headers)
    assert answer.status == 202
