"""Users by HTTP: lists, one, changes, devices, erasing."""

import asyncio
import gzip
import io
import re
from typing import Any

import orjson
import pytest
from tests.gateway.running import Answer, Gateway

from angarium.keys import PeopleKeys

ANN: dict[str, Any] = {
    "key": "crm-1",
    "name": "Ann Smith",
    "phone": "+49 30 1234567",
    "email": "Ann@EXAMPLE.com",
    "locale": "de-CH",
    "channels": ["push", "sms"],
    "slack": "U012AB3CD",
    "telegram": "-100123",
    "devices": [{"token": "token-1", "platform": "ios"}],
}
BEA = {"key": "crm-2", "phone": "+493076543210"}


async def take(gateway: Gateway, *users: Any, **more: Any) -> Answer:
    return await gateway.ask("POST", "/v1/users", json={"users": users}, **more)


async def one(gateway: Gateway, user: Any) -> str:
    answer = await take(gateway, user)
    assert answer.status == 200, answer.json
    [id_] = answer.json["ids"]
    return str(id_)


async def all_that_is_stored(gateway: Gateway) -> dict[bytes, Any]:
    """Every key of the tenant's people, with its value."""
    ways = {b"string": ("GET",), b"hash": ("HGETALL",), b"zset": ("ZRANGE", 0, -1)}
    stored = {}
    for key in await gateway.link.call("KEYS", "ang:{prd_shop}:*"):
        command, *rest = ways[await gateway.link.call("TYPE", key)]
        stored[key] = await gateway.link.call(str(command), key, *rest)
    return stored


async def test_a_user_is_read_as_it_was_written(gateway: Gateway) -> None:
    taken = await take(gateway, ANN)
    assert (taken.status, taken.json["created"], taken.json["updated"], taken.json["failed"]) == (200, 1, 0, 0)
    [id_] = taken.json["ids"]
    read = await gateway.ask("GET", f"/v1/users/{id_}")
    expected = ANN | {"id": id_, "phone": "+49301234567", "email": "Ann@example.com", "groups": []}
    [device] = read.json["devices"]
    told = {name: value for name, value in read.json.items() if name not in {"createdAt", "changedAt"}}
    assert told == expected | {"devices": [ANN["devices"][0] | {"updatedAt": device["updatedAt"]}]}


@pytest.mark.parametrize(
    "query",
    [
        "phone=%2B49301234567",
        "phone=+49301234567",
        "phone=%2B49%20(30)%20123-4567",
        "email=ann@example.com",
        "email=ANN@example.com",
        "key=crm-1",
    ],
)
async def test_a_user_is_found_by_what_names_it(gateway: Gateway, query: str) -> None:
    await take(gateway, ANN, BEA)
    found = await gateway.ask("GET", f"/v1/users?{query}")
    assert [user["key"] for user in found.json["users"]] == ["crm-1"]
    assert found.json["cursor"] is None


async def test_who_is_not_there_is_not_found(gateway: Gateway) -> None:
    assert (await gateway.ask("GET", "/v1/users?phone=%2B49301234567")).json["users"] == []
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"name": "x"})):
        for path in ("usr_" + "0" * 26, "usr_nonsense", "+49301234567"):
            answer = await gateway.ask(method, f"/v1/users/{path}", json=body)
            assert answer.status == 404, (method, path)
    answer = await gateway.ask("GET", "/v1/users/030123")
    assert (answer.status, answer.json["errors"][0]["parameter"]) == (422, "id")


async def test_rows_that_are_wrong_stop_no_others_and_are_told_by_pointer(gateway: Gateway) -> None:
    rows = [
        ANN,
        {"phone": "030123"},
        {"phone": "+4912"},
        {"key": "x", "email": "a@b@c"},
        {"key": "y", "nmae": "typo"},
        {"name": "nobody"},
        {"key": "z", "devices": [{"token": "a b", "platform": "ios"}, {"token": "c", "platform": "toaster"}]},
        17,
        {"key": "crm-3", "phone": "+49301234567"},
        {"id": "usr_" + "0" * 26, "name": "x"},
        BEA,
    ]
    answer = await take(gateway, *rows)
    assert answer.status == 207
    assert [answer.json[name] for name in ("created", "updated", "failed")] == [2, 0, 9]
    assert [error["pointer"] for error in answer.json["errors"]] == [
        "/users/1/phone",
        "/users/2/phone",
        "/users/3/email",
        "/users/4/nmae",
        "/users/5",
        "/users/6/devices/0/token",
        "/users/6/devices/1/platform",
        "/users/7",
        "/users/8/phone",
        "/users/9/id",
    ]
    assert [bool(id_) for id_ in answer.json["ids"]] == [True] + [False] * 9 + [True]
    assert "area code" in answer.json["errors"][1]["detail"]
    assert answer.json["ids"][0] in answer.json["errors"][8]["detail"]


async def test_a_list_that_is_sent_again_changes_nothing_and_doubles_nobody(gateway: Gateway) -> None:
    first, again = await take(gateway, ANN, BEA), await take(gateway, ANN, BEA)
    assert (again.json["created"], again.json["updated"]) == (0, 2)
    assert again.json["ids"] == first.json["ids"]
    assert len((await gateway.ask("GET", "/v1/users")).json["users"]) == 2


async def test_a_patch_changes_what_it_names(gateway: Gateway) -> None:
    id_ = await one(gateway, ANN)
    patch: dict[str, Any] = {"phone": None, "email": "ann@new.example.org", "channels": [], "devices": None}
    changed = await gateway.ask("PATCH", f"/v1/users/{id_}", json=patch)
    assert changed.status == 200
    assert "phone" not in changed.json
    assert (changed.json["email"], changed.json["name"]) == ("ann@new.example.org", "Ann Smith")
    assert (changed.json["channels"], changed.json["devices"]) == ([], [])
    for query in ("phone=%2B49301234567", "email=ann@example.com"):
        assert (await gateway.ask("GET", f"/v1/users?{query}")).json["users"] == []
    assert await one(gateway, {"phone": "+49301234567"}) != id_


async def test_a_patch_by_the_phone_that_it_changes(gateway: Gateway) -> None:
    id_ = await one(gateway, ANN)
    changed = await gateway.ask("PATCH", "/v1/users/+49301234567", json={"phone": "+49307654321"})
    assert (changed.status, changed.json["id"], changed.json["phone"]) == (200, id_, "+49307654321")


async def test_a_patch_takes_nothing_from_others_and_leaves_nobody_nameless(gateway: Gateway) -> None:
    ann, bea = (await take(gateway, ANN, BEA)).json["ids"]
    taken = await gateway.ask("PATCH", f"/v1/users/{bea}", json={"phone": ANN["phone"]})
    assert (taken.status, taken.json["errors"][0]["pointer"]) == (409, "/phone")
    assert ann in taken.json["errors"][0]["detail"]
    nameless = await gateway.ask("PATCH", f"/v1/users/{bea}", json={"phone": None, "key": None})
    assert (nameless.status, nameless.json["errors"][0]["pointer"]) == (422, "")
    wrong = await gateway.ask("PATCH", f"/v1/users/{bea}", json={"id": ann})
    assert (wrong.status, wrong.json["errors"][0]["pointer"]) == (422, "/id")


async def test_a_device_token_by_phone(gateway: Gateway) -> None:
    ann, bea = (await take(gateway, ANN, BEA)).json["ids"]
    path = "/v1/users/+49301234567/device-token"
    added = await gateway.ask("PUT", path, json={"token": "t2", "platform": "android", "replaces": "token-1"})
    assert added.json == {"user": ann, "result": "added"}
    again = await gateway.ask("PUT", path, json={"token": "t2", "platform": "android"})
    assert again.json == {"user": ann, "result": "refreshed"}
    assert [d["token"] for d in (await gateway.ask("GET", f"/v1/users/{ann}")).json["devices"]] == ["t2"]
    moved = await gateway.ask("PUT", f"/v1/users/{bea}/device-token", json={"token": "t2", "platform": "android"})
    assert moved.json == {"user": bea, "result": "added"}
    assert (await gateway.ask("GET", f"/v1/users/{ann}")).json["devices"] == []
    absent = await gateway.ask("PUT", "/v1/users/+4930999999/device-token", json={"token": "t", "platform": "ios"})
    assert absent.status == 404
    local = await gateway.ask("PUT", "/v1/users/030123/device-token", json={"token": "t", "platform": "ios"})
    assert (local.status, local.json["errors"][0]["parameter"]) == (422, "phone")


async def test_erasing_leaves_nothing_of_a_person(gateway: Gateway) -> None:
    await gateway.ask("POST", "/v1/groups", json={"name": "night shift", "users": [ANN, BEA]})
    ann = (await gateway.ask("GET", "/v1/users?key=crm-1")).json["users"][0]["id"]
    erased = await gateway.ask("DELETE", f"/v1/users/{ann}")
    assert erased.json == {
        "id": ann,
        "erased": ["key", "name", "phone", "email", "locale", "slack", "telegram", "channels", "devices"],
        "devices": 1,
        "groups": ["night shift"],
    }
    assert (await gateway.ask("DELETE", f"/v1/users/{ann}")).status == 404
    for key in await gateway.link.call("KEYS", "ang:{prd_shop}:*"):
        stored = await gateway.link.call("DUMP", key)
        for text in (ann, "Smith", "301234567", "ann@", "crm-1", "U012AB3CD", "t1"):
            assert text.encode() not in stored.lower() + stored, (key, text)
            assert text.encode() not in key
    assert (await gateway.ask("GET", "/v1/groups/night%20shift")).json["members"] == 1


async def test_users_are_listed_in_pages(gateway: Gateway) -> None:
    ids = (await take(gateway, *[{"key": f"k{n}"} for n in range(7)])).json["ids"]
    seen: list[str] = []
    cursor = ""
    while True:
        page = await gateway.ask("GET", f"/v1/users?limit=3{cursor}")
        seen += [user["id"] for user in page.json["users"]]
        if page.json["cursor"] is None:
            break
        cursor = f"&cursor={page.json['cursor']}"
    assert seen == sorted(ids)


async def test_a_list_of_ten_thousand(gateway: Gateway) -> None:
    rows = [{"key": f"k{n}", "phone": f"+49170{n:07}", "email": f"u{n}@example.com"} for n in range(10_000)]
    rows[4_321]["phone"] = "nonsense"
    answer = await take(gateway, *rows)
    assert answer.status == 207
    assert (answer.json["created"], answer.json["failed"]) == (9_999, 1)
    assert answer.json["errors"][0]["pointer"] == "/users/4321/phone"
    assert len(set(answer.json["ids"])) == 10_000
    one_too_many = await take(gateway, *rows, {})
    assert (one_too_many.status, one_too_many.json["errors"][0]["pointer"]) == (422, "/users")
    assert (await take(gateway)).status == 422


async def test_others_are_answered_while_a_list_is_taken_in(gateway: Gateway) -> None:
    rows = [{"key": f"k{n}", "phone": f"+49170{n:07}"} for n in range(5_000)]
    taking = asyncio.create_task(take(gateway, *rows))
    answered = 0
    while not taking.done():
        assert (await gateway.post("order.paid")).status == 202
        answered += 1
    assert (await taking).json["created"] == 5_000
    assert answered > 20


async def test_progress_line_by_line(gateway: Gateway) -> None:
    rows: list[dict[str, Any]] = [{"key": f"k{n}"} for n in range(1_200)]
    rows[700] = {"phone": "1"}
    headers = {"X-API-Key": gateway.key.text, "Accept": "application/x-ndjson", "X-Request-Id": "mine"}
    async with gateway.session.post(gateway.url + "/v1/users", json={"users": rows}, headers=headers) as response:
        assert (response.status, response.content_type) == (200, "application/x-ndjson")
        assert response.headers["X-Request-Id"] == "mine"
        lines = [orjson.loads(line) async for line in response.content]
    assert [(line["done"], line["of"], line["created"], line["failed"]) for line in lines] == [
        (500, 1200, 500, 0),
        (1000, 1200, 999, 1),
        (1200, 1200, 1199, 1),
    ]
    assert [len(line["errors"]) for line in lines] == [0, 1, 0]
    assert [len(line["ids"]) for line in lines] == [500, 500, 200]


async def test_a_caller_who_leaves_midway_harms_nobody(gateway: Gateway) -> None:
    rows = [{"key": f"k{n}"} for n in range(5_000)]
    headers = {"X-API-Key": gateway.key.text, "Accept": "application/x-ndjson"}
    for _ in range(3):
        response = await gateway.session.post(gateway.url + "/v1/users", json={"users": rows}, headers=headers)
        await response.content.readline()
        response.close()
    async with asyncio.timeout(20):
        while (await take(gateway, {"key": "k1"})).status != 200:  # 429 until they are given up
            await asyncio.sleep(0.05)


async def test_too_many_lists_at_a_time_are_refused(gateway: Gateway) -> None:
    rows = [{"key": f"k{n}", "phone": f"+49170{n:07}"} for n in range(3_000)]
    answers = await asyncio.gather(*[take(gateway, *rows) for _ in range(6)])
    statuses = [answer.status for answer in answers]
    assert 200 in statuses
    assert 429 in statuses
    assert all(answer.headers["Retry-After"] == "1" for answer in answers if answer.status == 429)


@pytest.mark.parametrize("size", [9 * 1024 * 1024, 8 * 1024 * 1024 - 100])
async def test_a_list_has_a_size_of_its_own(gateway: Gateway, size: int) -> None:
    body = b'{"users": [{"key": "k"}]' + b" " * (size - 25) + b"}"
    answer = await gateway.ask("POST", "/v1/users", data=io.BytesIO(body), headers={"Content-Type": "application/json"})
    assert answer.status == (413 if size > 8 * 1024 * 1024 else 200)
    patch = b'{"name": "x"' + b" " * 300_000 + b"}"
    ask = gateway.ask("PATCH", "/v1/users/+49301234567", data=patch, headers={"Content-Type": "application/json"})
    assert (await ask).status == 413


async def test_a_small_body_that_grows_is_refused_before_it_is_read(gateway: Gateway) -> None:
    bomb = gzip.compress(b'{"users": [' + b" " * (30 * 1024 * 1024))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await gateway.ask("POST", "/v1/users", data=bomb, headers=headers)
    assert (answer.status, answer.json["detail"]) == (413, "8,388,608 bytes at most")
    good = gzip.compress(b'{"users": [{"key": "k"}]}')
    assert (await gateway.ask("POST", "/v1/users", data=good, headers=headers)).status == 200


async def test_ids_tell_no_more_than_when(gateway: Gateway) -> None:
    id_ = await one(gateway, ANN)
    assert re.fullmatch(r"usr_[0-9A-HJKMNP-TV-Z]{26}", id_)
    assert int(await gateway.link.call("ZCARD", PeopleKeys("prd_shop").users)) == 1
