"""What `angarium why` prints, line by line."""

from datetime import UTC, datetime
from typing import Any

from angarium_cli.why import explanation

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def delivery(state: str, callback: str = "warehouse", **more: Any) -> dict[str, Any]:
    """One, as the gateway tells it."""
    return {"callback": callback, "state": state, "because": f"it is {state}", "do": []} | more


def told(*deliveries: dict[str, Any], **more: Any) -> list[str]:
    """The lines."""
    document = {"id": "not_1", "event": "order.paid", "status": "pending", "because": "all of it", "do": [], "more": 0}
    return explanation(document | {"deliveries": list(deliveries)} | more, NOW).splitlines()


def test_one_delivery() -> None:
    what = {"what": "attempt 2 is made", "at": "2026-11-21T08:05:00.000Z"}
    assert told(delivery("retrying", next=what, do=["mend it", "hurry"])) == [
        "not_1 order.paid: pending",
        "  warehouse: retrying",
        "    it is retrying",
        "    next: attempt 2 is made, at 2026-11-21T08:05:00.000Z (in 5 min)",
        "    do:   mend it",
        "    do:   hurry",
    ]


def test_nobody() -> None:
    assert told(do=["post again"]) == ["not_1 order.paid: pending", "  all of it", "  do:   post again"]


def test_what_is_alike_is_told_once() -> None:
    many = [delivery("circuit_open", name) for name in "abcde"]
    lines = told(*many, delivery("delivered", "f", because="at 7"), delivery("delivered", "g", because="at 8"), more=9)
    assert lines == [
        "not_1 order.paid: pending",
        "  all of it",
        "  a, b, c and 2 more: circuit open",
        "    it is circuit_open",
        "  f, g: delivered",
        "    at 7",
    ]


def test_a_group_and_a_note() -> None:
    waiting: dict[str, Any] = {"channel": "email", "to": "ann@example.com", "state": "ready"}
    waiting |= {"because": "soon", "do": [], "next": {"what": "it goes", "at": "2026-11-21T08:00:09.000Z"}}
    refused: dict[str, Any] = {"reason": "no_address", "count": 3, "because": "no address"}
    group = delivery("recipients_pending", "") | {"group": "night-shift"}
    lines = told(group, notes=["full"], recipients={"refused": [refused], "more": True, "waiting": waiting})
    assert lines[1:] == [
        "  ! full",
        "  group night-shift: recipients pending",
        "    it is recipients_pending",
        "  refused 3 × no_address: no address",
        "  … and more that were refused",
        "  the first that waits, email ann@example.com: ready",
        "    soon",
        "    next: it goes, at 2026-11-21T08:00:09.000Z (in 9 s)",
    ]
