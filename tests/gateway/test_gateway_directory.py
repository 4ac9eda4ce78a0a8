"""The in-memory view of config: what is looked up, and that one change among ten thousand touches one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.records import callback, product

from angarium import apikeys
from angarium.patterns import PatternIndex, matches
from angarium.records import CallbackRecord
from angarium_gateway.directory import Directory

KEY = apikeys.mint()


def names(directory: Directory, event: str) -> list[str]:
    return sorted(target.name for target in directory.subscriptions("prd_shop").route(event))


def test_callbacks_may_come_before_their_tenant() -> None:
    directory = Directory()
    directory.apply({"callback/shop/warehouse": callback()})
    directory.apply({"product/shop/shop": product(KEY)})
    assert names(directory, "order.paid") == ["shop/warehouse"]
    assert directory.caller(KEY.sha256) is not None


def test_a_key_that_left_its_record_is_forgotten_but_not_one_that_moved() -> None:
    directory = Directory()
    directory.apply({"product/shop/shop": product(KEY)})
    directory.apply({"product/shop/new": product(KEY, name="new", id="prd_new")})
    directory.apply({"product/shop/shop": None})
    known = directory.caller(KEY.sha256)
    assert known is not None
    assert known.tenant.id == "prd_new"
    directory.apply({"product/shop/new": product(apikeys.mint(), name="new", id="prd_new")})
    assert directory.caller(KEY.sha256) is None


def test_what_is_deleted_twice_or_was_never_there_is_no_matter() -> None:
    directory = Directory()
    for _ in range(2):
        directory.apply({"callback/shop/warehouse": None, "product/shop/shop": None})
    assert names(directory, "order.paid") == []


def test_one_change_among_ten_thousand_touches_one(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory()
    directory.apply({f"callback/shop/c{n}": callback(f"c{n}", f"kind.n{n}.*") for n in range(10_000)})
    touched: list[Any] = []
    add = PatternIndex.add

    def noted(self: PatternIndex[Any], pattern: str, value: Any) -> None:
        touched.append(value)
        add(self, pattern, value)

    monkeypatch.setattr(PatternIndex, "add", noted)
    directory.apply({"callback/shop/c7": callback("c7", "other.*")})
    assert [target.name for target in touched] == ["shop/c7"]
    assert names(directory, "kind.n7.x") == []
    assert names(directory, "kind.n8.x") == ["shop/c8"]
    assert names(directory, "other.x") == ["shop/c7"]


SEGMENTS = st.sampled_from(["a", "b", "*"])
PATTERNS = st.lists(SEGMENTS, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([".".join(parts), ".".join([*parts, "**"])])
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["c0", "c1", "c2"]), st.lists(PATTERNS, min_size=1, max_size=3, unique=True) | st.none()),
    max_size=12,
)


@given(STEPS)
def test_after_any_changes_it_routes_as_if_made_anew(steps: list[tuple[str, list[str] | None]]) -> None:
    directory, current = Directory(), dict[str, CallbackRecord]()
    for name, patterns in steps:
        record = callback(name, *patterns) if patterns else None
        directory.apply({f"callback/shop/{name}": record})
        current.pop(name, None)
        if record:
            current[name] = record
    for event in ("a", "b", "a.a", "a.b", "b.a.b", "a.b.a.b"):
        expected = [f"shop/{n}" for n, r in current.items() if any(matches(p, event) for p in r.events)]
        assert names(directory, event) == sorted(expected)
