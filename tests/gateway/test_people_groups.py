"""Groups and their members by HTTP."""

import asyncio
from typing import Any

import orjson
import pytest
from tests.gateway.running import Answer, Gateway, Start

GROUPS = "/v1/groups"


async def create(gateway: Gateway, name: str, *users: Any, **more: Any) -> Answer:
    return await gateway.ask("POST", GROUPS, json={"name": name, "users": users}, **more)


async def members(gateway: Gateway, path: str, limit: int = 100) -> list[str]:
    """All keys, page by page."""
    found: list[str] = []
    params = {"limit": str(limit)}
    while True:
        page = await gateway.ask("GET", path, params=params)
        assert page.status == 200, page.json
        assert len(page.json["users"]) <= limit
        found += [user["key"] for user in page.json["users"]]
        if page.json["cursor"] is None:
            return found
        params["cursor"] = page.json["cursor"]


async def test_a_group_with_its_users_in_one_call(gateway: Gateway) -> None:
    known = await gateway.ask("POST", "/v1/users", json={"users": [{"key": "a"}]})
    created = await create(gateway, "Nachtschicht", {"key": "a"}, {"key": "b", "phone": "+49301234567"})
    assert created.status == 201
    assert created.headers["Location"] == "/v1/groups/Nachtschicht"
    assert (created.json["group"], created.json["created"], created.json["updated"]) == ("Nachtschicht", 1, 1)
    assert created.json["ids"][0] == known.json["ids"][0]
    read = await gateway.ask("GET", created.headers["Location"])
    assert (read.json["name"], read.json["members"]) == ("Nachtschicht", 2)
    assert await members(gateway, "/v1/groups/Nachtschicht/members") == ["a", "b"]
    user = await gateway.ask("GET", f"/v1/users/{created.json['ids'][1]}")
    assert user.json["groups"] == ["Nachtschicht"]


async def test_a_group_without_users_and_one_with_some_that_are_wrong(gateway: Gateway) -> None:
    headers = {"X-API-Key": gateway.key.text, "Accept": "application/x-ndjson"}
    async with gateway.session.post(gateway.url + GROUPS, json={"name": "empty"}, headers=headers) as response:
        assert (response.status, response.headers["Location"]) == (201, "/v1/groups/empty")
        assert orjson.loads(await response.read())["of"] == 0
    partly = await create(gateway, "partly", {"key": "a"}, {"phone": "1"})
    assert (partly.status, partly.json["failed"], partly.json["errors"][0]["pointer"]) == (207, 1, "/users/1/phone")
    listed = await gateway.ask("GET", GROUPS)
    assert [(group["name"], group["members"]) for group in listed.json["groups"]] == [("empty", 0), ("partly", 1)]


async def test_a_name_is_one_group_s(gateway: Gateway) -> None:
    await create(gateway, "a")
    again = await create(gateway, "a", {"key": "x"})
    assert (again.status, again.json["type"].rpartition("/")[2]) == (409, "group-exists")
    assert (await gateway.ask("GET", "/v1/users")).json["users"] == []


@pytest.mark.parametrize("name", ["", "a/b", ".", "..", " a", "a\n", "x" * 129, 17, None, "a\x00"])
async def test_names_that_no_path_could_hold_are_refused(gateway: Gateway, name: Any) -> None:
    answer = await gateway.ask("POST", GROUPS, json={"name": name})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/name")


@pytest.mark.parametrize("name", ["é", "e\u0301", "夜勤", "100%", "a?b#c", "a b", "[x", "(x", "+", "😀"])
async def test_names_of_all_kinds(gateway: Gateway, name: str) -> None:
    created = await create(gateway, name, {"key": "a"})
    assert created.status == 201
    at = created.headers["Location"]
    assert (await gateway.ask("GET", at)).json["members"] == 1
    assert await members(gateway, at + "/members") == ["a"]
    deleted = await gateway.ask("DELETE", at)
    assert (deleted.status, deleted.json["members"]) == (200, 1)
    assert (await gateway.ask("GET", at)).status == 404


async def test_groups_are_listed_in_pages_by_name(gateway: Gateway) -> None:
    names = ["b", "ä", "a", "c", "(x"]
    for name in names:
        await create(gateway, name)
    seen: list[str] = []
    params = {"limit": "2"}
    while True:
        page = (await gateway.ask("GET", GROUPS, params=params)).json
        seen += [group["name"] for group in page["groups"]]
        if page["cursor"] is None:
            break
        params["cursor"] = page["cursor"]
    assert seen == sorted(names, key=str.encode)


async def test_members_come_and_go(gateway: Gateway) -> None:
    await create(gateway, "g", {"key": "a"})
    path = "/v1/groups/g/members"
    added = await gateway.ask("POST", path, json={"users": [{"key": "a"}, {"key": "b", "phone": "+49301234567"}]})
    assert (added.status, added.json["created"], added.json["updated"]) == (200, 1, 1)
    assert await members(gateway, path) == ["a", "b"]
    removed = await gateway.ask("DELETE", f"{path}/+49301234567")
    assert removed.json == {"group": "g", "user": added.json["ids"][1]}
    assert (await gateway.ask("DELETE", f"{path}/+49301234567")).status == 404
    assert await members(gateway, path) == ["a"]
    assert (await gateway.ask("GET", f"/v1/users/{added.json['ids'][1]}")).json["groups"] == []


async def test_what_is_not_there(gateway: Gateway) -> None:
    user = (await gateway.ask("POST", "/v1/users", json={"users": [{"key": "a"}]})).json["ids"][0]
    for method, path in (
        ("GET", "/v1/groups/g"),
        ("DELETE", "/v1/groups/g"),
        ("GET", "/v1/groups/g/members"),
        ("POST", "/v1/groups/g/members"),
        ("DELETE", f"/v1/groups/g/members/{user}"),
    ):
        answer = await gateway.ask(method, path, json={"users": [{"key": "b"}]} if method == "POST" else None)
        assert answer.status == 404, (method, path)
    assert (await gateway.ask("GET", "/v1/users?key=b")).json["users"] == []


async def test_a_deleted_group_s_users_stay_and_its_name_begins_anew(gateway: Gateway) -> None:
    user = (await create(gateway, "g", {"key": "a"}, {"key": "b"})).json["ids"][0]
    cursor = (await gateway.ask("GET", "/v1/groups/g/members?limit=1")).json["cursor"]
    await gateway.ask("DELETE", "/v1/groups/g")
    assert (await gateway.ask("GET", f"/v1/users/{user}")).json["groups"] == []
    await create(gateway, "g", {"key": "c"})
    assert await members(gateway, "/v1/groups/g/members") == ["c"]
    stale = await gateway.ask("GET", "/v1/groups/g/members", params={"limit": "1", "cursor": cursor})
    assert stale.status == 404  # it was of another group


async def test_who_stays_is_on_exactly_one_page_while_others_come_and_go(gateway: Gateway) -> None:
    stayers = [f"stay-{n}" for n in range(300)]
    await create(gateway, "g", *[{"key": key} for key in stayers], *[{"key": f"go-{n}"} for n in range(300)])
    path = "/v1/groups/g/members"

    async def churn() -> None:
        for n in range(300):
            leaver = (await gateway.ask("GET", f"/v1/users?key=go-{n}")).json["users"][0]["id"]
            if n % 2:
                await gateway.ask("DELETE", f"/v1/users/{leaver}")
            else:
                await gateway.ask("DELETE", f"{path}/{leaver}")
            await gateway.ask("POST", path, json={"users": [{"key": f"new-{n}"}]})

    churning = asyncio.create_task(churn())
    rounds = 0
    while not churning.done():
        seen = await members(gateway, path, limit=7)
        assert len(seen) == len(set(seen))
        assert set(stayers) <= set(seen)
        rounds += 1
    await churning
    assert rounds > 1
    assert set(await members(gateway, path)) == {*stayers, *[f"new-{n}" for n in range(300)]}


async def test_a_group_that_is_deleted_while_it_is_filled(gateway: Gateway) -> None:
    filling = asyncio.create_task(create(gateway, "g", *[{"key": f"k{n}"} for n in range(5_000)]))
    while (await gateway.ask("DELETE", "/v1/groups/g")).status == 404:
        await asyncio.sleep(0)
    answer = await filling
    assert answer.status == 207
    assert "deleted meanwhile" in answer.json["errors"][-1]["detail"]
    assert answer.json["created"] + answer.json["failed"] == 5_000
    assert (await gateway.ask("GET", "/v1/groups/g")).status == 404


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "=" * 8, "é", "ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ"])
async def test_cursors_that_are_none(gateway: Gateway, cursor: str) -> None:
    await create(gateway, "g", {"key": "a"})
    for path in ("/v1/groups", "/v1/users", "/v1/groups/g/members"):
        answer = await gateway.ask("GET", path, params={"cursor": cursor})
        assert answer.status == (200 if cursor == "" else 400), path


async def test_cursors_are_bound_to_their_lists(gateway: Gateway) -> None:
    for name in ("g", "h"):
        await create(gateway, name, {"key": "a"}, {"key": "b"})
    paths = ["/v1/groups", "/v1/users", "/v1/groups/g/members", "/v1/groups/h/members"]
    cursors = {path: (await gateway.ask("GET", path + "?limit=1")).json["cursor"] for path in paths}
    for path in paths:
        for origin, cursor in cursors.items():
            answer = await gateway.ask("GET", path, params={"limit": "1", "cursor": cursor})
            assert answer.status == (200 if origin == path else 400), (origin, path)


async def test_limits_are_told(start: Start, gateway: Gateway) -> None:
    one = await start(gateway_most_users=3, gateway_most_groups=1, gateway_most_members=2, gateway_most_devices=1)
    one.key = gateway.key
    many = await create(one, "g", {"key": "a"}, {"key": "b"}, {"key": "c"})
    assert many.json["errors"] == [{"pointer": "/users/2", "detail": "the group has 2 members, the most there may be"}]
    full = await create(one, "h")
    assert (full.status, full.json["type"].rpartition("/")[2]) == (409, "limit-reached")
    users = await one.ask("POST", "/v1/users", json={"users": [{"key": "c"}, {"key": "d"}, {"key": "a", "name": "A"}]})
    assert [users.json[name] for name in ("created", "updated", "failed")] == [1, 1, 1]
    assert users.json["errors"] == [{"pointer": "/users/1", "detail": "there are 3 users, the most there may be"}]
    path = f"/v1/users/{users.json['ids'][0]}/device-token"
    assert (await one.ask("PUT", path, json={"token": "t1", "platform": "ios"})).status == 200
    device = await one.ask("PUT", path, json={"token": "t2", "platform": "ios"})
    assert (device.status, device.json["errors"][0]["pointer"]) == (409, "/token")
    replaced = await one.ask("PUT", path, json={"token": "t2", "platform": "ios", "replaces": "t1"})
    assert replaced.status == 200
    two = {"users": [{"key": "a", "devices": [{"token": f"t{n}", "platform": "ios"} for n in range(2)]}]}
    refused = await one.ask("POST", "/v1/users", json=two)
    assert refused.json["errors"] == [{"pointer": "/users/0/devices", "detail": "1 devices at most"}]
