"""Posts to topics: checked, rendered, stored as one notification, and answered by the names of the integrations."""

import hashlib
import random
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession
from prometheus_client import REGISTRY
from tests.gateway.records import callback, organization, product
from tests.gateway.running import Answer, Gateway
from tests.gateway.test_gateway_fuzz import mutated

from angarium.contents import Email, Slack, read_content
from angarium.identifiers import route_id
from angarium.notifications import Notification
from angarium.queue import Ledger, Queue
from angarium.records import IntegrationRecord, TopicRecord, VariableRecord
from angarium.topics import payload_of

HASH = "the-hash-of-the-topic"
MAIL = IntegrationRecord(
    name="mail",
    channel="email",
    provider="shop/mail",
    to=("$email",),
    template={"subject": "Order $order", "html": "<p>$name owes $total</p>"},
)
OPS = IntegrationRecord(
    name="ops", channel="slack", provider="shop/slack", to=("#orders", "#$room"), template={"text": "$order: $name"}
)
WAREHOUSE = IntegrationRecord(name="warehouse", callback="shop/warehouse", callback_id="cbk_warehouse")
VARIABLES = {
    "email": VariableRecord(),
    "order": VariableRecord(type="integer"),
    "name": VariableRecord(max_length=40),
    "total": VariableRecord(type="number"),
    "room": VariableRecord(required=False, default="all", enum=("all", "eu")),
}
METADATA = {"email": "Jane@EXAMPLE.com", "order": 1042, "name": "Jane <b>", "total": 19.9}
PATH = "/v1/notifications/orders/paid"


def topic(*integrations: IntegrationRecord, **more: Any) -> TopicRecord:
    """The shop's orders/paid."""
    fields: dict[str, Any] = {
        "namespace": "shop",
        "name": "paid",
        "id": "tpc_paid",
        "product_id": "prd_shop",
        "path": "orders/paid",
        "variables": VARIABLES,
        "integrations": integrations or (MAIL, OPS, WAREHOUSE),
    }
    return TopicRecord(**fields | more)


async def post(gateway: Gateway, metadata: Any = METADATA, path: str = PATH, **more: Any) -> Answer:
    """To the topic."""
    document = {"metadata": metadata} | more.pop("members", {})
    return await gateway.ask("POST", path, json=document, **more)


@pytest.fixture
async def shop(gateway: Gateway) -> Gateway:
    """A gateway whose shop has the topic."""
    await gateway.publish(product(gateway.key), topic())
    return gateway


async def stored(shop: Gateway, queue: Queue, delivery: str) -> Notification:
    """The notification of a delivery."""
    found = await Ledger(queue).get("not_" + delivery[4:].rpartition("_")[0])
    assert found is not None
    return found.notification


async def test_each_integration_is_answered_by_its_name(shop: Gateway, queue: Queue) -> None:
    read = await post(shop)
    assert read.status == 200
    assert list(read.json) == ["mail", "ops", "warehouse"]
    kept = await stored(shop, queue, read.json["mail"])
    body = kept.id[4:]
    assert read.json == {
        "mail": f"dlv_{body}_0",
        "ops": [f"dlv_{body}_1", f"dlv_{body}_2"],
        "warehouse": f"dlv_{body}_3",
    }
    assert read.headers["Location"] == f"/v1/notifications/{kept.id}"
    assert kept.event == "orders.paid"


async def test_what_is_stored_is_what_deliverers_read(shop: Gateway, queue: Queue) -> None:
    kept = await stored(shop, queue, (await post(shop)).json["mail"])
    mail, first, second, warehouse = kept.targets
    assert (mail.id, mail.name, mail.to) == (route_id("prd_shop", "email", "shop/mail"), "email", "Jane@example.com")
    assert (first.to, second.to, first.content) == ("#orders", "#all", second.content)
    assert (warehouse.id, warehouse.name, warehouse.to) == ("cbk_warehouse", "shop/warehouse", "")
    assert read_content("email", kept.body, mail.content) == Email(
        subject="Order 1042", html="<p>Jane &lt;b&gt; owes 19.9</p>"
    )
    assert read_content("slack", kept.body, first.content) == Slack(text="1042: Jane &lt;b&gt;")


async def test_callbacks_get_the_variables_as_they_were_written(shop: Gateway, queue: Queue) -> None:
    written = b'{"email": "a@b.example", "order": 12345678901234567890123, "name": "J", "total": 19.90}'
    headers = {"Content-Type": "application/json"}
    read = await shop.ask("POST", PATH, data=b'{"metadata": ' + written + b"}", headers=headers)
    kept = await stored(shop, queue, read.json["warehouse"])
    payload = payload_of(kept.body)
    assert payload.startswith(b'{"type":"orders.paid","timestamp":"')
    assert payload.endswith(b'"data":' + written + b"}")
    assert b"owes 19.90" in kept.body


async def test_it_can_be_read_back(shop: Gateway) -> None:
    read = await post(shop)
    seen = (await shop.ask("GET", read.headers["Location"])).json
    assert seen["data"] == METADATA
    assert seen["contents"][1] == {"text": "1042: Jane &lt;b&gt;"}
    assert [each.get("channel", each.get("callback")) for each in seen["deliveries"]] == [
        "email",
        "slack",
        "slack",
        "warehouse",
    ]
    listed = (await shop.ask("GET", "/v1/notifications?event=orders.paid")).json["notifications"]
    assert [each["id"] for each in listed] == [seen["id"]]


async def test_only_the_callbacks_that_it_names_hear_of_it(shop: Gateway) -> None:
    await shop.publish(topic(MAIL), callback("auditor", "orders.*", "**"))
    read = await post(shop)
    seen = (await shop.ask("GET", read.headers["Location"])).json
    assert [each["channel"] for each in seen["deliveries"]] == ["email"]


async def test_who_is_named_twice_gets_it_once(shop: Gateway) -> None:
    await shop.publish(topic(OPS.model_copy(update={"to": ("#all", "#$room")})))
    read = await post(shop)
    assert len(read.json["ops"]) == 1
    assert len((await shop.ask("GET", read.headers["Location"])).json["deliveries"]) == 1


@pytest.mark.parametrize(
    ("change", "pointer", "detail"),
    [
        ({"order": None}, "/metadata/order", "is required"),
        ({"order": "1042"}, "/metadata/order", "must be an integer"),
        ({"order": 1.5}, "/metadata/order", "must be an integer"),
        ({"order": True}, "/metadata/order", "must be an integer"),
        ({"total": "much"}, "/metadata/total", "must be a number"),
        ({"name": 7}, "/metadata/name", "must be a string"),
        ({"name": ["x"]}, "/metadata/name", "must be a string"),
        ({"name": "x" * 41}, "/metadata/name", "40 characters at most"),
        ({"room": "us"}, "/metadata/room", "must be one of all, eu"),
        ({"colour": "red"}, "/metadata/colour", "is no variable of this topic"),
        ({"email": "nobody"}, "/metadata", "integration mail, to.0: must be an address, like jane@example.com"),
        ({"email": "a@-b.example"}, "/metadata", "integration mail, to: "),
    ],
)
async def test_what_is_wrong_is_pointed_at(shop: Gateway, change: dict[str, Any], pointer: str, detail: str) -> None:
    given = {name: value for name, value in (METADATA | change).items() if value is not None}
    read = await post(shop, given)
    assert read.status == 422
    (error,) = read.json["errors"]
    assert error["pointer"] == pointer
    assert error["detail"].startswith(detail)
    assert read.json["message"] == f"{pointer} {error['detail']}"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"metadata": "x"}, "/metadata"),
        ({"metadata": [1]}, "/metadata"),
        ({"metadata": None}, "/metadata"),
        ({"metadata": METADATA, "data": 1}, "/data"),
        ({"metadata": METADATA, "priority": "urgent"}, "/priority"),
        ({"metadata": METADATA, "expiresAt": "2020-01-01T00:00:00Z"}, "/expiresAt"),
    ],
)
async def test_the_rest_of_the_body_is_looked_at_too(shop: Gateway, body: Any, pointer: str) -> None:
    read = await shop.ask("POST", PATH, json=body)
    assert read.status == 422
    assert [error["pointer"] for error in read.json["errors"]] == [pointer]


async def test_a_text_that_its_variables_spoil_is_told(shop: Gateway) -> None:
    read = await post(shop, METADATA | {"name": "Jane"}, members={"priority": "high"})
    assert read.status == 200
    await shop.publish(topic(MAIL.model_copy(update={"template": {"subject": "For $name", "text": "x"}})))
    read = await post(shop, METADATA | {"name": "Jane\r\nBcc: x@y.example"})
    assert read.status == 422
    assert read.json["errors"] == [
        {
            "pointer": "/metadata",
            "detail": "integration mail, template.subject: must be one line, without control characters",
        }
    ]


async def test_all_integrations_together_make_no_endless_body(shop: Gateway) -> None:
    many = [
        MAIL.model_copy(update={"name": f"mail-{n}", "template": {"subject": "x", "text": "$name"}}) for n in range(6)
    ]
    await shop.publish(topic(*many, variables=VARIABLES | {"name": VariableRecord()}))
    read = await post(shop, METADATA | {"name": "x" * 200_000})
    assert (read.status, [error["pointer"] for error in read.json["errors"]]) == (422, ["/metadata"])
    assert (await post(shop, METADATA | {"name": "x" * 100_000})).status == 200


async def test_an_unknown_topic_is_not_found(shop: Gateway) -> None:
    for path in ("orders/lost", "Orders/paid", "orders/paid%2F"):
        read = await post(shop, path=f"/v1/notifications/{path}")
        assert (read.status, read.json["type"].rpartition("/")[2]) == (404, "not-found")
        assert "no topic of this path" in read.json["message"]
    assert (await post(shop, key=shop.other_key)).status == 404  # of another product
    await shop.publish(deleted=("topic/shop/paid",))
    assert (await post(shop)).status == 404


async def test_another_edition_takes_its_place(shop: Gateway) -> None:
    await shop.publish(topic(WAREHOUSE, path="orders/done"))
    assert (await post(shop)).status == 404
    read = await post(shop, path="/v1/notifications/orders/done")
    assert list(read.json) == ["warehouse"]


async def test_organizations_post_to_what_leads_to_providers(shop: Gateway) -> None:
    await shop.publish(organization(shop.other_key))
    read = await post(shop, key=shop.other_key)
    assert (read.status, read.json["type"].rpartition("/")[2]) == (403, "topic-not-shared")
    await shop.publish(topic(MAIL))
    read = await post(shop, key=shop.other_key)
    assert read.status == 200
    seen = await shop.ask("GET", read.headers["Location"], shop.other_key)
    assert seen.json["deliveries"][0]["channel"] == "email"


@pytest.mark.parametrize("given", [None, "", "another", HASH + "x", HASH.upper(), "é"])
async def test_a_hash_is_asked_for_where_the_topic_says_so(shop: Gateway, given: str | None) -> None:
    await shop.publish(topic(MAIL, hash_sha256=hashlib.sha256(HASH.encode()).hexdigest()))
    headers = {} if given is None else {"x-topic-hash-x": given}
    read = await post(shop, headers=headers)
    assert (read.status, read.json["type"].rpartition("/")[2]) == (403, "topic-hash")
    assert HASH not in read.body.decode()
    assert (await post(shop, headers={"x-topic-hash-x": HASH})).status == 200


async def test_x_api_key_will_do(shop: Gateway, session: ClientSession) -> None:
    headers = {"x-api-key": shop.key.text}
    async with session.post(shop.url + PATH, json={"metadata": METADATA}, headers=headers) as response:
        assert response.status == 200
    async with session.post(shop.url + PATH, json={"metadata": METADATA}) as response:
        assert response.status == 401
        assert (await response.json())["message"].startswith("send an API key")


async def test_a_suspended_topic_takes_nothing(shop: Gateway) -> None:
    await shop.publish(topic(suspended=True))
    read = await post(shop)
    assert (read.status, read.json["type"].rpartition("/")[2]) == (409, "topic-suspended")


async def test_a_topic_of_a_suspended_product_takes_nothing(shop: Gateway) -> None:
    await shop.publish(product(shop.key, suspended=True))
    read = await post(shop)
    assert (read.status, read.json["type"].rpartition("/")[2]) == (409, "suspended")


async def test_the_same_key_is_answered_the_same(shop: Gateway) -> None:
    headers = {"Idempotency-Key": "paid-1"}
    first = await post(shop, headers=headers)
    await shop.publish(topic(MAIL))  # an edit in between changes nothing of what was stored
    again = await post(shop, headers=headers)
    assert (again.status, again.json, again.headers["Idempotency-Replay"]) == (200, first.json, "true")
    other = await post(shop, METADATA | {"order": 1}, headers=headers)
    assert (other.status, other.json["type"].rpartition("/")[2]) == (422, "idempotency-mismatch")


async def test_a_key_stands_for_one_topic(shop: Gateway) -> None:
    headers = {"Idempotency-Key": "paid-1"}
    await shop.publish(topic(name="done", path="orders/done"))
    assert (await post(shop, headers=headers)).status == 200
    assert (await post(shop, path="/v1/notifications/orders/done", headers=headers)).status == 422


async def test_backlog_counts_all_of_it_or_nothing(shop: Gateway) -> None:
    await shop.publish(product(shop.key, backlog=3))
    read = await post(shop)
    assert (read.status, read.headers["Retry-After"]) == (429, "5")
    await shop.publish(product(shop.key, backlog=4))
    assert (await post(shop)).status == 200


async def test_depth_is_no_way_to_a_500(shop: Gateway) -> None:
    for depth in (100, *range(880, 1030)):  # somewhere there Python gives up, and orjson too
        body = b'{"metadata": {"name": ' + b"[" * depth + b"]" * depth + b"}}"
        read = await shop.ask("POST", PATH, data=body, headers={"Content-Type": "application/json"})
        assert read.status in {400, 422}


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_posted_gets_an_answer(shop: Gateway, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same each time
    good = orjson.dumps({"metadata": METADATA, "priority": "low", "expiresAt": "2199-01-01T00:00:00Z"})
    for _ in range(150):
        read = await shop.ask("POST", PATH, data=mutated(dice, good), headers={"Content-Type": "application/json"})
        assert read.status in {200, 400, 422}


def sample(name: str, **labels: str) -> float:
    """A metric of this process."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_posts_are_counted_without_their_topic(shop: Gateway) -> None:
    accepted = {"product": "shop/shop", "priority": "low"}
    before = sample("angarium_notifications_accepted_total", **accepted)
    refused = sample("angarium_notifications_rejected_total", reason="invalid_request")
    await post(shop, members={"priority": "low"})
    await post(shop, {})
    assert sample("angarium_notifications_accepted_total", **accepted) == before + 1
    assert sample("angarium_notifications_rejected_total", reason="invalid_request") == refused + 1
    shown = [each for metric in REGISTRY.collect() for each in metric.samples]
    assert [each for each in shown if each.labels.get("route") == "POST /v1/notifications/{channel}/{topic}"]
    assert not [each for each in shown if "orders" in repr(each.labels)]
