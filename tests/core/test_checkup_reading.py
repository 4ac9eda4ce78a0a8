"""The doctor before a real Valkey: what it reads of it, and what it says where that is in no good order."""

import re
import time
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from tests.deliverer.world import SEAL_KEY, callback, deliverer, settings, world
from tests.ports import free_port

import angarium
from angarium import __version__
from angarium.checkup import Item, judge_store, read_store
from angarium.checkup.reading import MAY
from angarium.keys import ConfigKeys
from angarium.sealing import Sealer, generate_seal_key
from angarium.settings import RedisSettings

SEALER = Sealer([SEAL_KEY])


def of(items: list[Item], check: str) -> list[tuple[str, str]]:
    """Level and words of each item of a check."""
    return [(each.level.value, each.found) for each in items if each.check == check]


async def test_a_store_that_is_used(redis_settings: RedisSettings) -> None:
    async with world(redis_settings) as shop:
        await shop.declare(callback("warehouse", "http://127.0.0.1:1/"))
        async with deliverer(settings(redis_settings, pod="d-1")):
            await shop.applied()
            facts = await read_store(redis_settings, SEALER)
    assert (facts.away, facts.refused, facts.notes, facts.unreadable) == ("", (), (), ())
    [pod] = facts.pods
    assert (pod.role, pod.name, pod.revision, pod.version) == ("deliverer", "d-1", shop.revision, __version__)
    assert [record.key for record in facts.records] == ["callback/shop/warehouse"]
    assert facts.seals is not None
    assert (facts.seals.current, facts.seals.closed) == (1, ())
    assert abs(facts.clock_ahead_ms) < 1_000
    items = judge_store(facts)
    assert of(items, "deliverers") == [("ok", "1 live: d-1")]
    assert of(items, "gateways") == [("problem", "none lives")]
    assert of(items, "redis version")[0][1].startswith("Valkey ")


async def test_seal_keys_that_were_lost_or_are_no_longer_the_current(redis_settings: RedisSettings) -> None:
    async with world(redis_settings) as shop:
        await shop.declare(callback("warehouse", "http://127.0.0.1:1/"))
    other = generate_seal_key()
    for keys, level in (([other], "problem"), ([other, SEAL_KEY], "warning"), ([SEAL_KEY, other], "ok")):
        items = judge_store(await read_store(redis_settings, Sealer(keys)))
        assert [found for found, _ in of(items, "seal keys")] == [level]


async def test_settings_of_the_server(redis_settings: RedisSettings, redis_client: Redis) -> None:
    before = {name: str((await redis_client.config_get(name))[name]) for name in ("maxmemory", "maxmemory-policy")}
    await redis_client.config_set("maxmemory-policy", "allkeys-lru")
    await redis_client.config_set("maxmemory", 1 << 40)
    try:
        items = judge_store(await read_store(redis_settings))
    finally:
        for name, value in before.items():
            await redis_client.config_set(name, value)
    assert of(items, "redis eviction")[0][0] == "problem"
    assert of(items, "redis memory")[0][0] == "ok"


@pytest.mark.parametrize(
    ("rules", "check", "words"),
    [
        ("~ang:* +@all -@dangerous +info", "redis acl", "all commands that are needed are allowed"),
        ("~ang:* +@all -@dangerous +info -xadd -blpop", "redis acl", "its user may not: XADD, BLPOP"),
        ("~ang:* +@all -@dangerous +info -@scripting", "redis acl", "its user may not: EVAL"),
        ("~ang:* +@all -@dangerous", "redis", "version, persistence and memory can't be seen"),
    ],
)
async def test_what_the_acl_refuses(
    redis_settings: RedisSettings, redis_client: Redis, rules: str, check: str, words: str
) -> None:
    await _acl(redis_client, "SETUSER", "angarium", "reset", "on", ">secret", *rules.split())
    url = redis_settings.url.get_secret_value().replace("://", "://angarium:secret@", 1)
    try:
        items = judge_store(await read_store(RedisSettings(url=SecretStr(url))))
    finally:
        await _acl(redis_client, "DELUSER", "angarium")
    assert [found for _, found in of(items, check) if found.startswith(words)], items
    assert "secret" not in repr(items)


async def _acl(client: Redis, *words: str) -> None:
    await client.execute_command("ACL", *words)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped


async def test_nothing_is_left_behind(redis_settings: RedisSettings, redis_client: Redis) -> None:
    await read_store(redis_settings)
    assert await redis_client.keys("*") == []


async def test_a_server_that_is_away_or_wants_a_password(redis_settings: RedisSettings, redis_client: Redis) -> None:
    nowhere = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{free_port()}"), timeout=0.5)
    [item] = judge_store(await read_store(nowhere))
    assert item.level == "problem"
    assert "refused" in item.found or "Connect" in item.found
    url = redis_settings.url.get_secret_value().replace("://", "://nobody:wrong@", 1)
    [item] = judge_store(await read_store(RedisSettings(url=SecretStr(url), timeout=0.5)))
    assert "password" in item.found
    assert "wrong@" not in item.found


async def test_pods_that_fell_silent_and_an_operator_that_does_not_answer(
    redis_settings: RedisSettings, redis_client: Redis
) -> None:
    keys = ConfigKeys()
    now = round(time.time() * 1000)
    await redis_client.zadd(keys.beats, {"gateway g-1": now, "gateway g-2": now - 60_000})
    await redis_client.xadd(keys.edits, {"e": "{}"}, id=f"{now - 90_000}-0")
    items = judge_store(await read_store(redis_settings))
    assert of(items, "gateways") == [("ok", "1 live: g-1"), ("warning", "fell silent without leaving: g-2")]
    assert of(items, "operator")[0][0] == "problem"


def test_every_command_of_the_scripts_is_tried() -> None:
    texts = [path.read_text() for path in Path(angarium.__file__).parent.rglob("*.lua")]
    used = {name for text in texts for name in re.findall(r"redis\.p?call\('([A-Z]+)'", text)}
    tried = set(re.findall(r"\{'([A-Z]+)'", MAY.text))
    assert used <= tried
