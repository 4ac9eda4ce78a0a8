"""Messages for recipients: validated, routed to the product's providers, stored, and told of."""

import time
from typing import Any

import orjson
import pytest
from tests.gateway.records import organization, product
from tests.gateway.running import Gateway

from angarium.contents import Email, read_content
from angarium.identifiers import route_id
from angarium.payload import instant
from angarium.queue import Ledger, Queue
from angarium.records import ProviderRecord

REPORT = {"filename": "a", "content": "aGk=", "contentType": "message/delivery-status"}
CONTENT = {"subject": "Order 1042", "text": "It is on its way."}


def provider(type_: str = "smtp", *channels: str) -> ProviderRecord:
    """One of the shop."""
    return ProviderRecord(
        namespace="shop",
        name=type_,
        id=f"prv_{type_}",
        product_id="prd_shop",
        type=type_,
        channels=channels or ("email",),
    )


async def message(gateway: Gateway, **members: Any) -> Any:
    """POST one."""
    document = {"channel": "email", "to": "Jane.Doe@EXAMPLE.com", "content": CONTENT} | members
    return await gateway.ask("POST", "/v1/notifications", json=document)


@pytest.fixture
async def shop(gateway: Gateway) -> Gateway:
    """A gateway whose shop has a mail server."""
    await gateway.publish(product(gateway.key), provider())
    return gateway


async def test_a_message_is_stored_for_its_recipient(shop: Gateway) -> None:
    read = await message(shop)
    assert read.status == 202
    delivery = read.json["deliveries"][0]
    assert (read.json["event"], delivery["channel"], delivery["to"]) == (
        "message.email",
        "email",
        "Jane.Doe@example.com",
    )
    stored = (await shop.ask("GET", f"/v1/notifications/{read.json['id']}")).json
    assert stored["content"] == CONTENT
    assert "data" not in stored
    assert stored["deliveries"][0]["to"] == "Jane.Doe@example.com"


async def test_what_is_stored_is_what_deliverers_read(shop: Gateway, redis_settings: Any) -> None:
    read = await message(shop, to=["a@example.com", "b@example.com", "a@EXAMPLE.com"])
    async with Queue(redis_settings) as queue:
        stored = await Ledger(queue).get(read.json["id"])
    assert stored is not None
    assert [target.to for target in stored.notification.targets] == ["a@example.com", "b@example.com"]
    assert {target.id for target in stored.notification.targets} == {route_id("prd_shop", "email")}
    assert read_content("email", stored.notification.body, 0) == Email(**CONTENT)


async def test_organizations_send_by_their_products_providers(shop: Gateway) -> None:
    await shop.publish(organization(shop.other_key))
    document = {"channel": "email", "to": "jane@example.com", "content": CONTENT}
    assert (await shop.ask("POST", "/v1/notifications", shop.other_key, json=document)).status == 202


async def test_a_channel_without_a_provider_is_refused(shop: Gateway) -> None:
    read = await message(shop, channel="sms", to="+43664123456", content={"body": "hello"})
    assert (read.status, read.json["type"].rpartition("/")[2]) == (409, "no-provider")
    await shop.publish(provider("twilio", "sms", "whatsapp"))
    assert (await message(shop, channel="sms", to="+43664123456", content={"body": "hello"})).status == 202
    await shop.publish(deleted=("provider/shop/twilio",))
    assert (await message(shop, channel="sms", to="+43664123456", content={"body": "hello"})).status == 409


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"channel": "pigeon"}, "/channel"),
        ({"to": "nobody"}, "/to"),
        ({"to": ["jane@example.com", "@"]}, "/to/1"),
        ({"to": []}, "/to"),
        ({"to": ["a@example.com"] * 1001}, "/to"),
        ({"content": {"text": "no subject"}}, "/content/subject"),
        ({"content": CONTENT | {"subject": "two\nlines"}}, "/content/subject"),
        ({"content": CONTENT | {"subject": "two\u2028lines"}}, "/content/subject"),
        ({"content": CONTENT | {"subject": "=?utf-8?q?=0D=0ABcc:_x@example.com?="}}, "/content/subject"),
        ({"content": CONTENT | {"headers": {"X-A": "a =?UTF-8?B?DQpCY2M6IHg=?="}}}, "/content/headers/X-A"),
        ({"content": CONTENT | {"headers": {"Resent-To": "x@example.com"}}}, "/content/headers"),
        ({"content": CONTENT | {"headers": {"Content-Type": "text/html"}}}, "/content/headers"),
        ({"content": CONTENT | {"replyTo": "=?utf-8?q?=0Ax?=@example.com"}}, "/content/replyTo"),
        ({"content": CONTENT | {"listUnsubscribe": "https://a.example/\u0085b"}}, "/content/listUnsubscribe"),
        ({"content": CONTENT | {"attachments": [REPORT]}}, "/content/attachments/0/contentType"),
        ({"to": "=?utf-8?q?=0D=0ABcc=3Ax?=@example.com"}, "/to"),
        ({"to": "a" * 200_000 + "@example.com"}, "/to"),
        ({"content": {"subject": "nothing"}}, "/content"),
        ({"content": CONTENT | {"headers": {"Bcc": "x@example.com"}}}, "/content/headers"),
        ({"content": CONTENT | {"colour": "red"}}, "/content/colour"),
        ({"content": CONTENT | {"attachments": [{"filename": "a", "content": "!"}]}}, "/content/attachments/0/content"),
        ({"content": "text"}, "/content"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "/expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59-01:00"}, "/expiresAt"),  # the year 10000, which none of our lists could say
        ({"event": "order.paid"}, "/event"),
        ({"channel": "email", "priority": "urgent"}, "/priority"),
    ],
)
async def test_what_is_wrong_is_pointed_at(shop: Gateway, members: dict[str, Any], pointer: str) -> None:
    read = await message(shop, **members)
    assert read.status == 422
    assert [error["pointer"] for error in read.json["errors"]] == [pointer]


async def test_an_event_may_expire_too(shop: Gateway) -> None:
    at = instant(time.time_ns() // 1_000_000 + 60_000)
    read = await shop.post(members={"expiresAt": at})
    assert (await shop.ask("GET", f"/v1/notifications/{read.json['id']}")).json["expiresAt"] == at


async def test_the_same_key_is_answered_the_same(shop: Gateway) -> None:
    body = orjson.dumps({"channel": "email", "to": "jane@example.com", "content": CONTENT})
    headers = {"Idempotency-Key": "mail-1", "Content-Type": "application/json"}
    first = await shop.ask("POST", "/v1/notifications", data=body, headers=headers)
    again = await shop.ask("POST", "/v1/notifications", data=body, headers=headers)
    assert (again.status, again.json, again.headers["Idempotency-Replay"]) == (202, first.json, "true")
