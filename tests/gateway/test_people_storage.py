"""Users and groups while Redis is away or full: told, never half done, and it goes on by itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr
from tests.gateway.records import product
from tests.gateway.running import Gateway, Start, running
from tests.gateway.test_gateway_redis_away import Proxy, proxied
from tests.gateway.test_people_attacked import fill

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.errors import StorageUnavailable
from angarium.link import Link
from angarium.people import Registry
from angarium.settings import RedisSettings


@pytest.fixture
async def proxy(redis_server: str) -> AsyncIterator[Proxy]:
    """Between the gateway under test and Redis."""
    async with proxied(redis_server) as one:
        yield one


async def test_while_redis_is_away_all_is_503_and_then_it_goes_on(gateway: Gateway, proxy: Proxy, start: Start) -> None:
    ann = await fill(gateway)
    redis = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{proxy.own_port}/0"), timeout=0.5)
    one = await start(redis=redis)
    one.key = gateway.key
    proxy.stop()
    token = {"token": "t", "platform": "ios"}
    asked = [
        one.ask("POST", "/v1/users", json={"users": [{"key": "x"}]}),
        one.ask("GET", "/v1/users"),
        one.ask("GET", f"/v1/users/{ann}"),
        one.ask("PATCH", f"/v1/users/{ann}", json={"name": "x"}),
        one.ask("DELETE", f"/v1/users/{ann}"),
        one.ask("PUT", f"/v1/users/{ann}/device-token", json=token),
        one.ask("POST", "/v1/groups", json={"name": "h", "users": []}),
        one.ask("GET", "/v1/groups"),
        one.ask("DELETE", "/v1/groups/g"),
        one.ask("GET", "/v1/groups/g/members"),
    ]
    answers = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} == {503}
    assert {answer.headers["Retry-After"] for answer in answers} == {"2"}
    proxy.cut = False
    async with asyncio.timeout(10):
        while (await one.ask("GET", f"/v1/users/{ann}")).status != 200:
            await asyncio.sleep(0.05)


async def test_a_list_that_loses_redis_midway_tells_which_rows_are_left(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, calls = Registry.save, []

    async def failing(self: Registry, tenant: str, rows: Any, group: int | None = None) -> Any:
        calls.append(len(rows))
        if len(calls) == 3:
            raise StorageUnavailable("gone")
        return await save(self, tenant, rows, group)

    monkeypatch.setattr(Registry, "save", failing)
    rows: list[dict[str, Any]] = [{"key": f"k{n}"} for n in range(300)]
    rows[120] = {"phone": "1"}
    answer = await gateway.ask("POST", "/v1/users", json={"users": rows})
    assert (answer.status, answer.json["created"], answer.json["failed"]) == (207, 100, 200)
    assert [id_ is None for id_ in answer.json["ids"]] == [False] * 100 + [True] * 200
    assert [int(error["pointer"].split("/")[2]) for error in answer.json["errors"]] == list(range(100, 300))
    assert calls == [50, 50, 49]
    monkeypatch.setattr(Registry, "save", save)
    del rows[120]
    again = await gateway.ask("POST", "/v1/users", json={"users": rows})
    assert (again.status, again.json["created"], again.json["updated"]) == (200, 199, 100)


async def test_a_full_redis_refuses_what_is_new_whole_and_erases_all_the_same(
    session: ClientSession, redis_settings: RedisSettings, link: Link
) -> None:
    key = apikeys.mint()
    store = ConfigStore(link)
    await store.begin([product(key)])
    async with running(redis_settings, session, link, gateway_memory_limit=1.0) as one:
        one.key, one.store = key, store
        ann = await fill(one)
        before = await one.link.call("DBSIZE")
        await one.link.call("CONFIG", "SET", "maxmemory", 1)
        try:
            token = {"token": "token-2", "platform": "ios"}
            for method, path, body in (
                ("POST", "/v1/users", {"users": [{"key": "x"}, {"key": "y"}]}),
                ("POST", "/v1/groups", {"name": "h", "users": [{"key": "x"}]}),
                ("PATCH", f"/v1/users/{ann}", {"name": "x"}),
                ("PUT", f"/v1/users/{ann}/device-token", token),
            ):
                answer = await one.ask(method, path, json=body)
                assert (answer.status, answer.json["type"].rpartition("/")[2]) == (503, "storage-full"), path
                assert answer.headers["Retry-After"] == "10"
            assert await one.link.call("DBSIZE") == before
            assert (await one.ask("GET", f"/v1/users/{ann}")).json["name"] == "Ann"
            assert (await one.ask("DELETE", f"/v1/users/{ann}")).json["groups"] == ["g"]
            assert (await one.ask("DELETE", "/v1/groups/g")).status == 200
        finally:
            await one.link.call("CONFIG", "SET", "maxmemory", 0)
