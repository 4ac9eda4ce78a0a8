"""What the doctor says of Redis and of those who use it, by a table; nothing runs here."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from angarium.checkup import Item, Level, StoreFacts, as_json, as_text, exit_code, judge_store
from angarium.checkup.items import ok, problem, unknown, warning
from angarium.checkup.reading import PodFacts, SealFacts
from angarium.queue import Backlog
from angarium.records import ProductRecord

VALKEY = {
    "valkey_version": "9.1.0", "redis_version": "7.2.4", "aof_enabled": "1", "aof_last_write_status": "ok",
    "maxmemory": "1000000000", "used_memory": "1000000", "maxmemory_policy": "noeviction", "role": "master",
    "connected_slaves": "1",
}  # fmt: skip
NOTHING = dict.fromkeys(("test", "high", "normal", "low"), 0)
BACKLOG = Backlog(NOTHING, NOTHING, dict.fromkeys(NOTHING, 0.0), 0, 0)
PODS = (PodFacts("gateway", "g-1", 100, 7, version="1"), PodFacts("deliverer", "d-1", 100, 7, version="1"))
WELL = StoreFacts(
    servers=(VALKEY,), epoch="e", revision=7, pods=PODS, seals=SealFacts(3), backlog=BACKLOG, round_trip_ms=1.0
)
SAFE = ProductRecord(namespace="shop", name="shop", id="prd_shop", replicated=True)


def server(**more: str) -> dict[str, Any]:
    """The facts with another server."""
    return {"servers": (VALKEY | more,)}


def pods(*more: PodFacts) -> dict[str, Any]:
    """The facts with more pods."""
    return {"pods": (*PODS, *more)}


TABLE: list[tuple[str, str, str, dict[str, Any]]] = [
    ("redis version", "ok", "Valkey 9.1.0", {}),
    ("redis version", "problem", "Valkey 7.2", server(valkey_version="7.2")),
    ("redis version", "problem", "Redis 6.2", server(valkey_version="", redis_version="6.2")),
    ("redis version", "ok", "Redis 7.0.1", server(valkey_version="", redis_version="7.0.1")),
    ("redis persistence", "ok", "append-only file", {}),
    ("redis persistence", "problem", "is off", server(aof_enabled="0")),
    ("redis persistence", "problem", "failed", server(aof_last_write_status="err")),
    ("redis eviction", "problem", "allkeys-lru", server(maxmemory_policy="allkeys-lru")),
    ("redis memory", "ok", "1 MB of 1,000 MB", {}),
    ("redis memory", "warning", "no maxmemory", server(maxmemory="0")),
    ("redis memory", "warning", "(60%)", server(used_memory="600000000")),
    ("redis memory", "problem", "accept nothing new", server(used_memory="750000000")),
    ("redis replication", "ok", "a master with 1 replica", {}),
    ("redis replication", "problem", "is a replica", server(role="slave")),
    ("redis replication", "problem", "1 tenants ask", server(connected_slaves="0") | {"records": (SAFE,)}),
    ("redis clock", "ok", "agrees", {"clock_ahead_ms": -900.0}),
    ("redis clock", "warning", "5.0 s ahead", {"clock_ahead_ms": 5_000.0}),
    ("redis clock", "problem", "60.0 s behind", {"clock_ahead_ms": -60_000.0}),
    ("redis acl", "problem", "may not: XADD, BLPOP", {"refused": ("XADD", "BLPOP")}),
    ("config", "problem", "no operator has published", {"epoch": ""}),
    ("config", "warning", "1 records can't be read", {"unreadable": ("topic/shop/new",)}),
    ("seal keys", "ok", "all 3", {}),
    ("seal keys", "unknown", "not at hand", {"seals": None}),
    ("seal keys", "problem", "callback/shop/a", {"seals": SealFacts(1, 1, ("callback/shop/a",))}),
    ("seal keys", "warning", "a former key", {"seals": SealFacts(1, 1)}),
    ("gateways", "ok", "1 live: g-1", {}),
    ("gateways", "problem", "none lives; silent: g-1", {"pods": (replace(PODS[0], silent_ms=9_000), PODS[1])}),
    ("deliverers", "problem", "none lives", {"pods": PODS[:1]}),
    ("deliverers", "warning", "fell silent", pods(PodFacts("deliverer", "d-2", 4_000))),
    ("deliverers", "warning", "revision 7: d-2", pods(PodFacts("deliverer", "d-2", 0, 6))),
    ("deliverers", "problem", "callback/shop/a", pods(PodFacts("deliverer", "d-2", 0, 7, ("callback/shop/a",)))),
    ("versions", "warning", "1, 2", pods(PodFacts("deliverer", "d-2", 0, 7, version="2"))),
    ("operator", "problem", "since 60 s", {"oldest_edit_ms": 60_000}),
    ("backlog", "unknown", "can't be counted", {"backlog": None}),
    ("backlog", "warning", "since 900 s", {"backlog": replace(BACKLOG, oldest_ready=NOTHING | {"low": 900.0})}),
    ("redis", "problem", "can't be reached: refused", {"away": "refused"}),
    ("redis", "unknown", "INFO: no", {"servers": (), "notes": ("INFO: no",)}),
]


@pytest.mark.parametrize(("check", "level", "words", "changed"), TABLE)
def test_each_check(check: str, level: str, words: str, changed: dict[str, Any]) -> None:
    items = judge_store(replace(WELL, **changed))
    assert [each for each in items if each.check == check and each.level == level and words in each.found], items
    assert all(bool(each.do) == (each.level is not Level.OK) or each.check == "backlog" for each in items)
    assert exit_code(items) == (level == "problem")


def test_all_is_well() -> None:
    assert {each.level for each in judge_store(WELL)} == {Level.OK}


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([ok("a", "b"), warning("c", "d", "e"), unknown("f", "g")], 0),
        ([ok("a", "b"), problem("c", "d", "e")], 1),
        ([unknown("a", "b")], 1),  # nothing was checked
    ],
)
def test_exit_codes_and_both_forms(items: list[Item], code: int) -> None:
    assert exit_code(items) == code
    read = orjson.loads(as_json(items))
    assert (read["ok"], [each["check"] for each in read["checks"]]) == (not code, [each.check for each in items])
    text = as_text(items)
    assert all(each.found in text and each.do in text for each in items)
    assert text.splitlines()[-1].startswith("1 ")
