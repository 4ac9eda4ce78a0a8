"""By which channel a user is reached, and where."""

from typing import Any

import pytest

from angarium.identifiers import route_id
from angarium.notifications import Target
from angarium.people import CHANNELS, Device, User, targets_of
from angarium.people.reaching import ORDER

PHONES = (Device("one", "ios", 0), Device("two", "web", 0))
ALL: dict[str, Any] = {
    "email": "ann@example.com", "phone": "+4930123456", "slack": "U01", "telegram": "17", "devices": PHONES,
}  # fmt: skip


@pytest.mark.parametrize(
    ("has", "prefers", "offered", "expected"),
    [
        (ALL, (), CHANNELS, [("push", "one"), ("push", "two")]),
        (ALL, ("sms", "email"), CHANNELS, [("sms", "+4930123456")]),
        (ALL, ("sms", "email"), ("email", "push"), [("email", "ann@example.com")]),
        (ALL, ("sms",), ("telegram", "slack"), [("slack", "U01")]),
        (ALL, (), ("telegram",), [("telegram", "17")]),
        (ALL, (), ("whatsapp",), [("whatsapp", "+4930123456")]),
        ({"email": "ann@example.com"}, ("push", "sms"), CHANNELS, [("email", "ann@example.com")]),
        ({"email": "ann@example.com"}, (), ("sms",), [("user", "usr_1")]),
        ({}, ("push",), CHANNELS, [("user", "usr_1")]),
        (ALL, (), (), [("user", "usr_1")]),
    ],
)
def test_the_first_way_that_there_is(
    has: dict[str, Any], prefers: tuple[str, ...], offered: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    targets = targets_of("prd_shop", User("usr_1", channels=prefers, **has), offered)
    assert targets == [Target(route_id("prd_shop", name), name, to) for name, to in expected]


def test_every_channel_has_its_place() -> None:
    assert set(ORDER) == set(CHANNELS)
