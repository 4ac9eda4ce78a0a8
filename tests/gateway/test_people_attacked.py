"""Users and groups under bad input and bad neighbours: an answer of the API's own, and nothing of anybody else's."""

import io
import json
import logging
import random
from typing import Any
from urllib.parse import quote, quote_from_bytes

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.records import organization
from tests.gateway.running import Gateway, raw
from tests.gateway.test_gateway_fuzz import mutated

from angarium import apikeys
from angarium.people import Registry
from angarium_gateway import addresses

ANN: dict[str, Any] = {"key": "crm-1", "phone": "+49301234567", "email": "ann@example.com", "name": "Ann"}
ANN |= {"devices": [{"token": "token-1", "platform": "ios"}]}


async def fill(gateway: Gateway, key: Any = None) -> str:
    """A group with Ann in it; her id."""
    answer = await gateway.ask("POST", "/v1/groups", key=key, json={"name": "g", "users": [ANN]})
    assert answer.status == 201
    return str(answer.json["ids"][0])


async def test_tenants_have_people_of_their_own(gateway: Gateway) -> None:
    third = apikeys.mint()
    await gateway.publish(organization(third))
    ids = [await fill(gateway, key) for key in (gateway.key, gateway.other_key, third)]
    assert len(set(ids)) == 3
    for key, mine in zip((gateway.key, gateway.other_key, third), ids, strict=True):
        listed = [
            (await gateway.ask("GET", path, key=key)).json["users"]
            for path in ("/v1/users", "/v1/users?key=crm-1", "/v1/groups/g/members")
        ]
        assert [[user["id"] for user in users] for users in listed] == [[mine]] * 3


async def test_nobody_reaches_another_tenant_s_people(gateway: Gateway) -> None:
    ann = await fill(gateway)
    await gateway.ask("POST", "/v1/users", json={"users": [{"key": "bea"}]})
    await gateway.ask("POST", "/v1/groups", key=gateway.other_key, json={"name": "mine"})
    for method, path, body in (
        ("GET", f"/v1/users/{ann}", None),
        ("PATCH", f"/v1/users/{ann}", {"name": "x"}),
        ("DELETE", f"/v1/users/{ann}", None),
        ("PUT", f"/v1/users/{ann}/device-token", {"token": "token-1", "platform": "ios"}),
        ("PUT", "/v1/users/+49301234567/device-token", {"token": "token-1", "platform": "ios"}),
        ("GET", "/v1/groups/g", None),
        ("GET", "/v1/groups/g/members", None),
        ("DELETE", "/v1/groups/g", None),
        ("DELETE", f"/v1/groups/mine/members/{ann}", None),
    ):
        assert (await gateway.ask(method, path, key=gateway.other_key, json=body)).status == 404, (method, path)
    taken = await gateway.ask("POST", "/v1/users", key=gateway.other_key, json={"users": [{"id": ann, "name": "x"}]})
    assert taken.json["errors"][0]["detail"] == "there is no such user"
    cursor = (await gateway.ask("GET", "/v1/users?limit=1")).json["cursor"]
    foreign = await gateway.ask("GET", f"/v1/users?limit=1&cursor={cursor}", key=gateway.other_key)
    assert foreign.status == 400
    still = await gateway.ask("GET", f"/v1/users/{ann}")
    assert (still.json["name"], still.json["groups"], len(still.json["devices"])) == ("Ann", ["g"], 1)


async def test_a_device_is_taken_from_no_other_tenant(gateway: Gateway) -> None:
    ann = await fill(gateway)
    await fill(gateway, gateway.other_key)
    assert len((await gateway.ask("GET", f"/v1/users/{ann}")).json["devices"]) == 1


BODIES = [
    ("POST", "/v1/users", {"users": [ANN | {"locale": "de", "channels": ["sms"], "slack": "U123", "telegram": "1"}]}),
    ("POST", "/v1/groups", {"name": "g2", "users": [{"key": "é"}, {"phone": "+1 202 555 0123"}]}),
    ("POST", "/v1/groups/g/members", {"users": [{"id": "usr_" + "0" * 26}, {"email": "a@b.org"}]}),
    ("PATCH", "/v1/users/+49301234567", {"name": "x", "phone": None, "devices": [{"token": "t", "platform": "web"}]}),
    ("PUT", "/v1/users/+49301234567/device-token", {"token": "t", "platform": "ios", "replaces": "u"}),
]


@pytest.mark.parametrize("seed", range(4))
async def test_mutated_bodies(gateway: Gateway, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same each time
    await fill(gateway)
    headers = {"X-API-Key": gateway.key.text, "Content-Type": "application/json"}
    for _ in range(100):
        method, path, good = dice.choice(BODIES)
        body = mutated(dice, json.dumps(good, ensure_ascii=dice.random() < 0.5).encode())
        async with gateway.session.request(method, gateway.url + path, data=body, headers=headers) as response:
            document = await response.read()
            assert response.status < 500, (body, document)
            orjson.loads(document)
    assert (await gateway.ask("GET", "/v1/users?limit=1000")).status == 200


ODD: list[Any] = [None, True, 0, -1, 1e308, "", " ", "\x00", "x" * 300, [], [None], {}, {"a": 1}, "é", "+", "+49", "@"]
ODD += [
    "\u202e",
    "usr_",
    "usr_" + "Z" * 26,
    "😀" * 64,
    "+49301234567",
    "ann@example.com",
    [[]],
    ["sms", "sms"],
    [{"token": "t"}],
]
NAMES = ["id", "key", "name", "phone", "email", "locale", "channels", "slack", "telegram", "devices", "x", ""]


@pytest.mark.parametrize("seed", range(3))
async def test_odd_values(gateway: Gateway, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same each time
    await fill(gateway)
    for _ in range(60):
        rows = [{dice.choice(NAMES): dice.choice(ODD) for _ in range(dice.randint(0, 4))} for _ in range(8)]
        answer = await gateway.ask("POST", "/v1/users", json={"users": rows})
        assert answer.status in {200, 207}, rows
        assert answer.json["created"] + answer.json["updated"] + answer.json["failed"] == 8
        assert sum(id_ is not None for id_ in answer.json["ids"]) == 8 - answer.json["failed"]
        places = [int(error["pointer"].split("/")[2]) for error in answer.json["errors"]]
        assert places == sorted(places)
        assert {place for place, id_ in enumerate(answer.json["ids"]) if id_ is None} == set(places)
    page = await gateway.ask("GET", "/v1/users?limit=1000")
    for user in page.json["users"]:
        again = await gateway.ask("GET", f"/v1/users/{user['id']}")
        assert again.status == 200
        for by in {"key", "phone", "email"} & set(user):
            found = await gateway.ask("GET", f"/v1/users?{by}={quote(user[by], safe='')}")
            assert [each["id"] for each in found.json["users"]] == [user["id"]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"users": {}}',
        b'{"users": null}',
        b'{"users": "x"}',
        b'{"users": [{"key": "a"}], "more": 1}',
        b'{"users": [' + b"[" * 1000 + b"]" * 1000 + b"]}",
        b'{"users": [{"key": "\\ud800"}]}',
        b'{"users": [{"key": NaN}]}',
        b"\xff\xfe",
        b'{"users": [' + b"{}," * 10_001 + b"{}]}",
    ],
)
async def test_bodies_that_are_no_list(gateway: Gateway, body: bytes) -> None:
    for path in ("/v1/users", "/v1/groups/g/members", "/v1/groups"):
        answer = await gateway.ask("POST", path, data=io.BytesIO(body), headers={"Content-Type": "application/json"})
        assert answer.status in {400, 404, 422} or (path == "/v1/users" and answer.status == 207), (path, answer.json)


WORDS = [b"users", b"groups", b"members", b"device-token", b"+4930", b"+49301234567", b"usr_" + b"0" * 26, b"g"]
WORDS += [b"\x00", b"\xff\xfe", b"..", b".", b"%", b" ", "é".encode(), b"{tenant}", b"}:users", b"*"]
FIELDS = ["limit", "cursor", "phone", "email", "key", "x"]
VALUES = [b"", b"1", b"-1", b"9" * 30, b"\xff", b"\x00", b"+4930", b"a@b.org", b"AAAA", b"1e3", "١".encode()]


@pytest.mark.parametrize("seed", range(2))
async def test_paths_and_queries(gateway: Gateway, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same each time
    await fill(gateway)
    for _ in range(150):
        path = "/".join(quote_from_bytes(dice.choice(WORDS), safe="") for _ in range(dice.randint(1, 4)))
        query = "&".join(
            f"{dice.choice(FIELDS)}={quote_from_bytes(dice.choice(VALUES))}" for _ in range(dice.randint(0, 3))
        )
        start = dice.choice(["/v1/users", "/v1/groups", "/v1/groups/g/members", f"/v1/{path}", f"/v1/users/{path}"])
        method = dice.choice(["GET", "GET", "DELETE", "PUT", "PATCH", "POST"])
        fields = f"Host: a\r\nX-API-Key: {gateway.key.text}\r\nConnection: close\r\n"
        head, _ = await raw(gateway, f"{method} {start}?{query} HTTP/1.1\r\n{fields}\r\n".encode())
        assert int(head.split(b" ", 2)[1]) < 500, (method, start, query, head)


@given(st.text(max_size=50) | st.from_regex(r"\+[0-9 ()./-]{0,20}", fullmatch=True))
def test_any_number_is_refused_or_written_in_the_one_way(text: str) -> None:
    try:
        number = addresses.phone(text)
    except ValueError:
        return
    assert number == addresses.phone(number)
    assert number[0] == "+"
    assert number[1:].isascii()
    assert number[1:].isdecimal()


@given(st.text(max_size=40) | st.emails() | st.from_regex(r"[^@]{0,9}@[a-z.-]{0,12}", fullmatch=True))
@settings(max_examples=200)
def test_any_address_is_refused_or_written_in_the_one_way(text: str) -> None:
    try:
        address = addresses.email(text)
    except ValueError:
        return
    assert address == addresses.email(address)


async def test_a_person_s_number_is_in_no_log(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ann = await fill(gateway)

    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("as it happens")

    monkeypatch.setattr(Registry, "set_device", broken)
    path = "/v1/users/+49301234567/device-token"
    answer = await gateway.ask("PUT", path, json={"token": "token-1", "platform": "ios"})
    assert answer.status == 500
    await gateway.ask("DELETE", f"/v1/users/{ann}")
    logged = "\n".join(str(vars(record)) for record in caplog.records)
    assert "as it happens" in logged
    for text in ("301234567", "token-1", "ann@example.com", "Ann"):
        assert text not in logged
