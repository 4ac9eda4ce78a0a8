"""What callers read: one notification, its timeline, the list."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.gateway.courier import Courier
from tests.gateway.records import callback
from tests.gateway.running import Gateway

from angarium.keys import ShardKeys
from angarium.notifications import Stored
from angarium.queue import Ledger, Queue
from angarium.retries import Move


async def read(gateway: Gateway, path: str, **query: Any) -> Any:
    answer = await gateway.ask("GET", path, params=query)
    assert answer.status == 200, answer.body
    return answer.json


async def test_one_as_it_stands(gateway: Gateway, courier: Courier) -> None:
    posted = await gateway.post("order.paid", {"order": 1042})
    await courier.settle(Move.RETRY, "http_503", 60.0)
    shown = await read(gateway, posted.headers["Location"])
    assert (shown["status"], shown["priority"], shown["data"]) == ("pending", "normal", {"order": 1042})
    [delivery] = shown["deliveries"]
    assert (delivery["status"], delivery["attempts"], delivery["reason"]) == ("pending", 1, "http_503")
    assert delivery["nextAttemptAt"] > delivery["changedAt"] >= shown["createdAt"]


@pytest.mark.parametrize(
    ("moves", "status"),
    [
        ((Move.DELIVERED, Move.DELIVERED), "delivered"),
        ((Move.REFUSED, Move.DEAD), "refused"),
        ((Move.DELIVERED, Move.DEAD), "partial"),
    ],
)
async def test_statuses_of_a_fan_out(gateway: Gateway, courier: Courier, moves: tuple[Move, Move], status: str) -> None:
    await gateway.publish(callback("second"))
    posted = await gateway.post("order.paid")
    await courier.settle_each(*moves)
    assert (await read(gateway, posted.headers["Location"]))["status"] == status
    listed = await read(gateway, "/v1/notifications", status=status)
    assert [each["id"] for each in listed["notifications"]] == [posted.json["id"]]
    assert (await read(gateway, "/v1/notifications", status="pending"))["notifications"] == []


async def test_the_timeline_tells_all_that_happened(gateway: Gateway, courier: Courier) -> None:
    posted = await gateway.post("order.paid")
    await courier.settle(Move.RETRY, "http_503", 0.0)
    await courier.promote()
    await courier.settle(Move.DELIVERED)
    accepted, first, second = (await read(gateway, posted.headers["Location"] + "/timeline"))["entries"]
    assert accepted == {"at": posted.json["createdAt"], "type": "accepted", "by": f"key {gateway.key.id}"}
    assert first["at"] <= first["nextAttemptAt"] <= second["at"]
    del first["at"], first["nextAttemptAt"], second["at"]
    common = {"type": "attempt", "delivery": posted.json["deliveries"][0]["id"], "callback": "warehouse"}
    body = {"body": "hello", "truncated": False}
    assert first == common | {
        "number": 1,
        "outcome": "retry",
        "reason": "http_503",
        "durationMs": 2,
        "response": {"status": 503} | body,
    }
    assert second == common | {
        "number": 2,
        "outcome": "delivered",
        "durationMs": 2,
        "response": {"status": 200} | body,
    }


async def test_pages_hold_each_notification_once_newest_first(gateway: Gateway) -> None:
    posted = [(await gateway.post(f"order.n{n}")).json["id"] for n in range(7)]
    seen, cursor = [], None
    for size in (3, 3, 1):
        page = await read(gateway, "/v1/notifications", limit=3, **({"cursor": cursor} if cursor else {}))
        assert len(page["notifications"]) == size
        seen += [each["id"] for each in page["notifications"]]
        cursor = page["cursor"]
    assert cursor is None
    assert sorted(seen, reverse=True) == sorted(posted, reverse=True)
    assert [id_[:14] for id_ in seen] == sorted([id_[:14] for id_ in posted], reverse=True)


async def test_filters(gateway: Gateway) -> None:
    await gateway.publish(callback("refunds", "refund.*"))
    paid, refund = await gateway.post("order.paid"), await gateway.post("refund.made")

    async def listed(**query: str) -> list[str]:
        return [each["id"] for each in (await read(gateway, "/v1/notifications", **query))["notifications"]]

    assert await listed(event="order.paid") == [paid.json["id"]]
    for name in ("refunds", "shop/refunds", "cbk_refunds"):
        assert await listed(callback=name) == [refund.json["id"]]
    assert set(await listed(status="pending")) == {paid.json["id"], refund.json["id"]}
    assert await listed(status="unmatched") == []
    created = datetime.fromisoformat(paid.json["createdAt"])
    assert paid.json["id"] in await listed(since=created.isoformat())
    assert await listed(since=(datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []
    assert await listed(until=created.isoformat()) == []
    assert len(await listed(since="0001-01-01T00:00:00Z")) == 2
    assert await listed(until="0001-01-01T00:00:00Z") == []


async def test_a_cursor_belongs_to_its_filters(gateway: Gateway) -> None:
    for _ in range(3):
        await gateway.post("order.paid")
    cursor = (await read(gateway, "/v1/notifications", limit=1))["cursor"]
    for query in ({"cursor": cursor, "event": "order.paid"}, {"cursor": "nonsense"}, {"cursor": "é"}):
        answer = await gateway.ask("GET", "/v1/notifications", params=query)
        assert answer.status == 400
        assert answer.json["errors"][0]["parameter"] == "cursor"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"status": "lost"}, "status"),
        ({"event": "a..b"}, "event"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-11-21"}, "until"),
        ({"callback": "unheard-of"}, "callback"),
        ({"page": "2"}, "page"),
        ({"cursor": "x" * 300}, "cursor"),
    ],
)
async def test_queries_that_are_not_valid(gateway: Gateway, query: dict[str, str], parameter: str) -> None:
    answer = await gateway.ask("GET", "/v1/notifications", params=query)
    assert answer.status == 422
    assert [error["parameter"] for error in answer.json["errors"]] == [parameter]


@pytest.mark.parametrize("id_", ["not_01K", "x", "not_" + "0" * 26, "dlv_" + "0" * 26 + "_0", "not_" + "u" * 26, "%00"])
@pytest.mark.parametrize("what", ["", "/timeline", "/why"])
async def test_ids_of_nothing(gateway: Gateway, id_: str, what: str) -> None:
    assert (await gateway.ask("GET", f"/v1/notifications/{id_}{what}")).status == 404


async def test_callbacks_as_they_are(gateway: Gateway) -> None:
    await gateway.publish(
        callback("asleep", suspended=True), callback("dead", disabled="gone"), callback("far", namespace="other")
    )
    listed = (await read(gateway, "/v1/callbacks"))["callbacks"]
    assert [(each["name"], each["state"]) for each in listed] == [
        ("other/far", "active"),
        ("asleep", "suspended"),
        ("dead", "disabled"),
        ("warehouse", "active"),
    ]
    assert listed[2]["reason"] == "gone"
    assert listed[3] == {
        "id": "cbk_warehouse",
        "name": "warehouse",
        "events": ["order.*"],
        "url": "https://example.com/hooks",
        "headers": {},
        "delivery": {"timeout": "15s", "maxInFlight": 100},
        "suspended": False,
        "state": "active",
        "managedBy": "gitops",
        "health": "Unknown",
    }


async def test_callbacks_in_pages(gateway: Gateway) -> None:
    await gateway.publish(*[callback(f"c{n}") for n in range(5)])
    first = await read(gateway, "/v1/callbacks", limit=4)
    second = await read(gateway, "/v1/callbacks", limit=4, cursor=first["cursor"])
    names = [each["name"] for each in first["callbacks"] + second["callbacks"]]
    assert names == ["c0", "c1", "c2", "c3", "c4", "warehouse"]
    assert second["cursor"] is None
    assert (await gateway.ask("GET", "/v1/callbacks", params={"cursor": "é"})).status == 400


async def test_me(gateway: Gateway) -> None:
    assert await read(gateway, "/v1/me") == {
        "tenant": "prd_shop",
        "product": "shop/shop",
        "organization": None,
        "key": {"id": gateway.key.id},
        "subject": None,
        "scopes": ["send", "read", "admin"],
        "quotas": {"requestsPerSecond": None, "backlog": None},
    }


async def test_many_readers_at_once(gateway: Gateway) -> None:
    posted = await gateway.post("order.paid")
    shown = await asyncio.gather(*[read(gateway, posted.headers["Location"]) for _ in range(50)])
    assert {each["id"] for each in shown} == {posted.json["id"]}


async def test_what_has_not_changed_is_not_sent_again(gateway: Gateway, courier: Courier) -> None:
    posted = await gateway.post("order.paid")
    place = posted.headers["Location"]
    first = await gateway.ask("GET", place)
    tag = first.headers["ETag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = await gateway.ask("GET", place, headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert (await gateway.ask("GET", place, headers={"If-None-Match": '"other"'})).status == 200
    await courier.settle(Move.DELIVERED)
    changed = await gateway.ask("GET", place, headers={"If-None-Match": tag})
    assert (changed.status, changed.json["status"]) == (200, "delivered")
    assert changed.headers["ETag"] != tag


async def test_who_waits_is_answered_when_it_has_ended(gateway: Gateway, courier: Courier) -> None:
    posted = await gateway.post("order.paid")
    waiting = asyncio.create_task(gateway.ask("GET", posted.headers["Location"], params={"wait": "30"}))
    await courier.settle(Move.RETRY, "http_503", 0.0)
    await courier.promote()
    await courier.settle(Move.REFUSED, "http_410")
    answer = await waiting
    assert (answer.status, answer.json["status"]) == (200, "refused")
    assert (await read(gateway, posted.headers["Location"], wait="30"))["status"] == "refused"  # at once


async def test_who_waits_in_vain_gets_it_as_it_stands(gateway: Gateway) -> None:
    posted = await gateway.post("order.paid")
    assert (await read(gateway, posted.headers["Location"], wait="0.05"))["status"] == "pending"


async def test_who_waits_reads_all_of_it_but_twice(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    posted, real, read_whole = await gateway.post("order.paid"), Ledger.get, []

    async def get(self: Ledger, notification: str) -> Stored | None:
        read_whole.append(notification)
        return await real(self, notification)

    monkeypatch.setattr(Ledger, "get", get)
    monkeypatch.setattr("angarium_gateway.waiting.LOOK_EVERY", 0.05)
    await read(gateway, posted.headers["Location"], wait="0.5")
    assert len(read_whole) == 2  # whose it is, and how it stands in the end; it may have thousands of recipients


@pytest.mark.parametrize("wait", ["-1", "31", "long", "nan", ""])
async def test_a_wait_that_is_none(gateway: Gateway, wait: str) -> None:
    posted = await gateway.post("order.paid")
    answer = await gateway.ask("GET", posted.headers["Location"], params={"wait": wait})
    assert (answer.status, answer.json["errors"][0]["parameter"]) == (422, "wait")


async def test_only_so_many_of_a_tenant_may_wait(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium_gateway.handlers.reading.MOST_WAITING", 1)
    place = (await gateway.post("order.paid")).headers["Location"]
    first = asyncio.create_task(gateway.ask("GET", place, params={"wait": "30"}))
    async with asyncio.timeout(20):
        while (second := await gateway.ask("GET", place, params={"wait": "0.01"})).status == 200:
            if first.done():  # it came while the other was waiting
                first = asyncio.create_task(gateway.ask("GET", place, params={"wait": "30"}))
            await asyncio.sleep(0.01)
    assert (second.status, second.headers["Retry-After"]) == (429, "1")
    first.cancel()
    async with asyncio.timeout(20):
        while (await gateway.ask("GET", place, params={"wait": "0.01"})).status != 200:  # who hung up waits no more
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("event", ["notification.delivered", "notification", "notification.x.y"])
async def test_nobody_posts_what_angarium_tells(gateway: Gateway, event: str) -> None:
    for members in ({}, {"expiresAt": "2100-01-01T00:00:00Z"}):
        answer = await gateway.post(event, members=members)
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/event")


async def test_who_knows_it_is_answered_when_anything_has_changed(gateway: Gateway, courier: Courier) -> None:
    place = (await gateway.post("order.paid")).headers["Location"]
    tag = (await gateway.ask("GET", place)).headers["ETag"]
    known = {"If-None-Match": tag}
    unchanged = await gateway.ask("GET", place, params={"wait": "0.05"}, headers=known)
    assert unchanged.status == 304
    waiting = asyncio.create_task(gateway.ask("GET", place, params={"wait": "30"}, headers=known))
    await courier.settle(Move.RETRY, "http_503", 0.0)
    answer = await waiting
    assert (answer.status, answer.json["status"], answer.json["deliveries"][0]["attempts"]) == (200, "pending", 1)


async def test_who_waits_hears_it_without_looking(
    gateway: Gateway, courier: Courier, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("angarium_gateway.waiting.LOOK_EVERY", 60.0)
    place = (await gateway.post("order.paid")).headers["Location"]
    waiting = [asyncio.create_task(gateway.ask("GET", place, params={"wait": "30"})) for _ in range(3)]
    key = ShardKeys(0).notification(place.rpartition("/")[2])
    async with asyncio.timeout(20):
        while await queue.link.call("HGET", key, "w") is None:
            await asyncio.sleep(0.01)
    await courier.settle(Move.DELIVERED)
    async with asyncio.timeout(20):
        assert [(await each).json["status"] for each in waiting] == ["delivered"] * 3
    assert await queue.link.call("HGET", key, "w") is None


async def test_a_lost_signal_costs_patience_only(
    gateway: Gateway, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("angarium_gateway.waiting.LOOK_EVERY", 0.05)
    monkeypatch.setattr("angarium.queue.signals.Signals._hear", _deaf)
    place = (await gateway.post("order.paid")).headers["Location"]
    waiting = asyncio.create_task(gateway.ask("GET", place, params={"wait": "30"}))
    await courier.settle(Move.DELIVERED)
    assert (await waiting).json["status"] == "delivered"


async def _deaf(*_: object) -> None:
    await asyncio.sleep(0.01)


async def test_a_gateway_lets_only_so_many_wait(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium_gateway.handlers.reading.MOST_IN_ALL", 0)
    place = (await gateway.post("order.paid")).headers["Location"]
    assert (await gateway.ask("GET", place, params={"wait": "1"})).status == 429
    assert (await gateway.ask("GET", place)).status == 200
