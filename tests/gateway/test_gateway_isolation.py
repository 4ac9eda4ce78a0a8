"""Promise 8: tenants can't reach each other."""

import asyncio

import pytest
from tests.gateway.courier import Courier
from tests.gateway.records import callback, organization, product, rival
from tests.gateway.running import Gateway

from angarium import apikeys
from angarium.queue import Census, Queue
from angarium.retries import Move


@pytest.fixture
async def shared(gateway: Gateway) -> Gateway:
    """Both tenants subscribe to everything, under the same name."""
    await gateway.publish(
        callback("same", "**"), callback("same", "**", id="cbk_rival", namespace="rival", tenant="prd_rival")
    )
    return gateway


async def test_a_notification_goes_to_callbacks_of_its_own_tenant_alone(shared: Gateway, queue: Queue) -> None:
    await shared.post("quiet.one", key=shared.other_key)
    [ticket] = await queue.link.call("LRANGE", queue.shards[0].line("normal", "cbk_rival"), 0, -1)
    assert b" prd_rival cbk_rival " in ticket
    assert (await Census(queue).backlog()).counters["accepted"] == 1


async def test_others_notifications_look_like_none(shared: Gateway, courier: Courier) -> None:
    posted = await shared.post("order.paid")
    await courier.settle(Move.DEAD, "http_503")
    at = posted.headers["Location"]
    absent = await shared.ask("GET", "/v1/notifications/not_" + "0" * 26, key=shared.other_key)
    for method, path in (("GET", at), ("GET", at + "/timeline"), ("GET", at + "/why"), ("POST", at + "/retry")):
        answer = await shared.ask(method, path, key=shared.other_key)
        assert answer.status == 404
        assert answer.json | {"requestId": ""} == absent.json | {"requestId": ""}
    assert (await shared.ask("POST", at + "/retry")).status == 202


async def test_lists_hold_one_s_own_alone(shared: Gateway) -> None:
    mine, theirs = await shared.post("order.paid"), await shared.post("order.paid", key=shared.other_key)
    for key, own in ((shared.key, mine), (shared.other_key, theirs)):
        listed = await shared.ask("GET", "/v1/notifications", key=key)
        assert [each["id"] for each in listed.json["notifications"]] == [own.json["id"]]
        foreign = await shared.ask("GET", "/v1/notifications?callback=cbk_same", key=shared.other_key)
        assert foreign.json["notifications"] == []


async def test_a_cursor_of_another_tenant_is_none(shared: Gateway) -> None:
    for _ in range(2):
        await shared.post("order.paid")
    cursor = (await shared.ask("GET", "/v1/notifications?limit=1")).json["cursor"]
    answer = await shared.ask("GET", "/v1/notifications", key=shared.other_key, params={"limit": 1, "cursor": cursor})
    assert answer.status == 400


async def test_callbacks_of_others_are_not_there(shared: Gateway) -> None:
    listed = await shared.ask("GET", "/v1/callbacks", key=shared.other_key)
    assert [each["id"] for each in listed.json["callbacks"]] == ["cbk_rival"]
    for name in ("warehouse", "shop%2Fwarehouse", "shop%2Fsame"):
        assert (await shared.ask("POST", f"/v1/callbacks/{name}/test", key=shared.other_key)).status == 404
    by_name = await shared.ask("GET", "/v1/notifications?callback=shop/warehouse", key=shared.other_key)
    assert by_name.status == 422


async def test_a_product_and_its_organization_are_two_tenants(gateway: Gateway) -> None:
    key = apikeys.mint()
    await gateway.publish(organization(key))
    mine, theirs = await gateway.post("order.paid"), await gateway.post("order.paid", key=key)
    assert theirs.json["status"] == "unmatched"
    assert (await gateway.ask("GET", mine.headers["Location"], key=key)).status == 404
    assert (await gateway.ask("GET", theirs.headers["Location"])).status == 404


async def test_a_deleted_product_s_key_is_none_at_once(gateway: Gateway) -> None:
    await gateway.publish(deleted=("product/rival/rival",))
    assert (await gateway.ask("GET", "/v1/me", key=gateway.other_key)).status == 401
    await gateway.publish(rival(gateway.other_key))
    assert (await gateway.ask("GET", "/v1/me", key=gateway.other_key)).status == 200


async def test_one_tenant_s_quota_is_its_own(gateway: Gateway) -> None:
    await gateway.publish(product(gateway.key, requests_per_second=1))
    await asyncio.gather(*[gateway.ask("GET", "/v1/me") for _ in range(20)])
    assert (await gateway.ask("GET", "/v1/me", key=gateway.other_key)).status == 200
