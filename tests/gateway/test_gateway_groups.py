"""Messages to users and groups, as callers post them and see what becomes of them."""

from typing import Any

import pytest
from tests.gateway.courier import Courier
from tests.gateway.records import product
from tests.gateway.running import Gateway
from tests.gateway.test_gateway_messages import CONTENT, provider

from angarium.identifiers import part_id, route_id
from angarium.notifications import Status, Target
from angarium.queue import Expander, Ledger, Progress, Queue
from angarium.retries import Move
from angarium_gateway import addressing

CONTENTS = {"email": CONTENT, "sms": {"body": "It is on its way."}, "push": {"title": "Order 1042"}}
DEVICES = [{"token": f"token-of-device-{number}-of-ann", "platform": "android"} for number in (1, 2)]
ANN = {"key": "crm-17", "phone": "+491701234567", "email": "ann@example.com", "devices": DEVICES}
BEA = {"key": "crm-18", "email": "bea@example.com", "channels": ["sms", "email"]}
EVE = {"key": "crm-19", "slack": "U0123456789"}


@pytest.fixture
async def shop(gateway: Gateway) -> Gateway:
    """A gateway whose shop can send mail and SMS, but no push, to a group of three."""
    await gateway.publish(product(gateway.key), provider(), provider("twilio", "sms", "whatsapp"))
    made = await gateway.ask("POST", "/v1/groups", json={"name": "night-shift", "users": [ANN, BEA, EVE]})
    assert made.status == 201
    return gateway


async def message(gateway: Gateway, to: Any, **members: Any) -> Any:
    """POST one with a content for each of three channels."""
    return await gateway.ask("POST", "/v1/notifications", json={"to": to, "contents": CONTENTS} | members)


def whom(delivery: dict[str, Any]) -> tuple[str, str]:
    """Channel and address."""
    return delivery["channel"], delivery["to"]


@pytest.mark.parametrize("name", ["crm-17", "+49 170 1234567", "Ann@EXAMPLE.com"])
async def test_a_user_is_reached_by_what_it_has_and_the_product_can_send(shop: Gateway, name: str) -> None:
    read = await message(shop, {"user": name})
    assert [whom(each) for each in read.json["deliveries"]] == [("email", "ann@example.com")]
    assert read.json["event"] == "message"
    shown = (await shop.ask("GET", f"/v1/notifications/{read.json['id']}")).json
    assert shown["contents"] == CONTENTS


async def test_push_goes_to_all_devices(shop: Gateway) -> None:
    await shop.publish(provider("fcm", "push"))
    read = await message(shop, {"user": "crm-17"})
    assert [whom(each) for each in read.json["deliveries"]] == [("push", device["token"]) for device in DEVICES]


async def test_more_addresses_than_a_notification_holds_are_refused(
    shop: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addressing, "MOST_TARGETS", 1)
    await shop.publish(provider("fcm", "push"))
    read = await message(shop, {"user": "crm-17"})
    assert (read.status, read.json["errors"][0]["pointer"]) == (422, "/to")
    assert read.json["errors"][0]["detail"].startswith("stands for 2 addresses, 1 at most")


async def test_what_is_preferred_comes_first_if_there_is_an_address(shop: Gateway) -> None:
    assert [whom(each) for each in (await message(shop, {"user": "crm-18"})).json["deliveries"]] == [
        ("email", "bea@example.com")
    ]
    await shop.ask("PATCH", "/v1/users/+491701234567", json={"channels": ["sms"]})
    assert [whom(each) for each in (await message(shop, {"user": "crm-17"})).json["deliveries"]] == [
        ("sms", "+491701234567")
    ]


async def test_one_channel_may_be_asked_for(shop: Gateway) -> None:
    document = {"channel": "sms", "content": CONTENTS["sms"], "to": ["+49 170 1234567", {"user": "crm-17"}]}
    read = await shop.ask("POST", "/v1/notifications", json=document)
    assert [whom(each) for each in read.json["deliveries"]] == [("sms", "+491701234567")]  # once
    shown = (await shop.ask("GET", f"/v1/notifications/{read.json['id']}")).json
    assert (shown["event"], shown["content"]) == ("message.sms", CONTENTS["sms"])


async def test_a_user_who_can_not_be_reached_is_told(shop: Gateway) -> None:
    [delivery] = (await message(shop, {"user": "crm-19"})).json["deliveries"]
    assert delivery["user"].startswith("usr_")
    assert "channel" not in delivery


async def test_a_group_is_left_to_deliverers(shop: Gateway, queue: Queue) -> None:
    read = await message(shop, [{"group": "night-shift"}, {"user": "crm-17"}, {"group": "night-shift"}])
    assert [each.get("group") for each in read.json["deliveries"]] == ["night-shift", None]
    stored = await Ledger(queue).get(read.json["id"])
    assert stored is not None
    assert stored.notification.targets[0] == Target(route_id("prd_shop", "group"), "group", "night-shift")


async def test_users_are_the_tenants_own(shop: Gateway) -> None:
    await shop.publish(provider().model_copy(update={"product_id": "prd_rival", "namespace": "rival"}))
    read = await message(shop, {"user": "crm-17"})
    assert read.status == 202
    document = {"to": {"user": "crm-17"}, "contents": CONTENTS}
    assert (await shop.ask("POST", "/v1/notifications", shop.other_key, json=document)).status == 422


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"to": {"user": "nobody"}}, "/to/user"),
        ({"to": [{"user": "crm-17"}, {"group": "ghosts"}]}, "/to/1/group"),
        ({"to": [{"user": "crm-17"}, {"team": "night-shift"}]}, "/to/1"),
        ({"to": {"user": "crm-17", "group": "night-shift"}}, "/to"),
        ({"to": {"user": 17}}, "/to"),
        ({"to": "ann@example.com"}, "/to"),
        ({"channel": "email"}, "/contents"),
        ({"contents": {}}, "/contents"),
        ({"contents": {"pigeon": {}}}, "/contents/pigeon"),
        ({"contents": CONTENTS | {"email": {"text": "no subject"}}}, "/contents/email/subject"),
        ({"contents": None, "channel": "email"}, "/content"),
        ({"contents": None, "content": CONTENT}, "/channel"),
        ({"dedupKey": ""}, "/dedupKey"),
    ],
)
async def test_what_is_wrong_is_pointed_at(shop: Gateway, members: dict[str, Any], pointer: str) -> None:
    read = await message(shop, **{"to": {"user": "crm-17"}} | members)
    assert read.status == 422
    assert [error["pointer"] for error in read.json["errors"]] == [pointer]


async def test_without_a_provider_for_any_of_the_channels_it_is_refused(shop: Gateway) -> None:
    read = await message(shop, {"user": "crm-17"}, contents={"push": CONTENTS["push"]})
    assert (read.status, read.json["type"].rpartition("/")[2]) == (409, "no-provider")


async def test_what_became_of_a_group_is_summed_up_and_the_refused_are_named(
    shop: Gateway, queue: Queue, courier: Courier
) -> None:
    path = f"/v1/notifications/{(await message(shop, {'group': 'night-shift'})).json['id']}"
    stored = await Ledger(queue).get(path.rpartition("/")[2])
    assert stored is not None
    targets = [(Target(route_id("prd_shop", "email"), "email", f"u{n}@example.com"), False) for n in range(3)]
    step = (Progress(), Progress().then(None))
    await Expander(queue).add(stored.notification, 0, step, targets, None)
    ends = [Move.REFUSED, Move.DELIVERED, Move.DEAD]
    own_first = stored.notification.id < part_id(stored.notification.id, 0, 0)
    await courier.settle_each(*([Move.DELIVERED, *ends] if own_first else [*ends, Move.DELIVERED]))

    shown = (await shop.ask("GET", path)).json
    counts = shown["deliveries"][0].pop("recipients")
    states = [each["status"] for each in (await shop.ask("GET", f"{path}/recipients")).json["recipients"]]
    assert counts == {"total": 3, "pending": 0, "delivered": 1, "refused": 2}
    assert states == ["refused", "delivered", "refused"]
    assert (shown["status"], shown["deliveries"][0]["group"]) == ("partial", "night-shift")
    listed = (await shop.ask("GET", "/v1/notifications?status=partial")).json["notifications"]
    assert [each["id"] for each in listed] == [shown["id"]]
    assert len((await shop.ask("GET", "/v1/notifications")).json["notifications"]) == 1  # parts are not listed

    refused = (await shop.ask("GET", f"{path}/recipients?status=refused&limit=1")).json
    rest = (await shop.ask("GET", f"{path}/recipients?status=refused&limit=1&cursor={refused['cursor']}")).json
    named = refused["recipients"] + rest["recipients"]
    assert len(named) == counts["refused"]
    part = (await shop.ask("GET", f"/v1/notifications/{named[0]['notification']}")).json
    assert (part["partOf"], part["contents"]) == (shown["id"], CONTENTS)
    told = (await shop.ask("GET", f"/v1/notifications/{part['id']}/timeline")).json["entries"]
    assert named[0]["id"] in {entry.get("delivery") for entry in told}

    again = await shop.ask("POST", f"{path}/retry")
    assert (again.status, again.json["recipients"]) == (202, counts["refused"])
    assert (await shop.ask("GET", path)).json["status"] == "pending"
    await courier.settle(Move.DELIVERED)
    assert (await shop.ask("GET", path)).json["status"] == Status.DELIVERED
    assert (await shop.ask("POST", f"{path}/retry")).status == 409


async def test_recipients_of_others_are_not_shown(shop: Gateway) -> None:
    path = f"/v1/notifications/{(await message(shop, {'group': 'night-shift'})).json['id']}/recipients"
    assert (await shop.ask("GET", path)).json == {"recipients": [], "cursor": None}
    assert (await shop.ask("GET", path, shop.other_key)).status == 404
    assert (await shop.ask("GET", path + "?cursor=xyz")).status == 400
    assert (await shop.ask("GET", path + "?status=partial")).status == 422


async def test_a_key_for_duplicates_is_kept(shop: Gateway, queue: Queue) -> None:
    read = await message(shop, {"user": "crm-17"}, dedupKey="otp-1")
    stored = await Ledger(queue).get(read.json["id"])
    assert stored is not None
    assert stored.notification.dedup == "otp-1"
    assert (await shop.ask("GET", f"/v1/notifications/{read.json['id']}")).json["dedupKey"] == "otp-1"


async def test_the_same_key_is_answered_the_same_though_the_user_was_erased(shop: Gateway) -> None:
    headers = {"Idempotency-Key": "hello-1"}
    document = {"to": {"user": "crm-18"}, "contents": CONTENTS}
    first = await shop.ask("POST", "/v1/notifications", json=document, headers=headers)
    [bea] = (await shop.ask("GET", "/v1/users?key=crm-18")).json["users"]
    await shop.ask("DELETE", f"/v1/users/{bea['id']}")
    again = await shop.ask("POST", "/v1/notifications", json=document, headers=headers)
    assert (again.status, again.json) == (202, first.json)
    other = await shop.ask("POST", "/v1/notifications", json=document | {"priority": "low"}, headers=headers)
    assert other.status == 422
    assert (await shop.ask("POST", "/v1/notifications", json=document)).status == 422
