"""A timeline in words."""

from typing import Any

import pytest

from angarium_cli.timeline import describe, lines

BASE = {"at": "2026-11-21T08:00:01.500Z", "type": "attempt", "callback": "warehouse", "number": 2, "durationMs": 7}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"outcome": "delivered", "response": {"status": 200}}, "attempt 2   200 OK, 7 ms"),
        (
            {"outcome": "retry", "detail": "no answer within 15 s", "nextAttemptAt": "2026-11-21T08:00:07Z"},
            "attempt 2   no answer within 15 s, 7 ms   retry in 5.5 s",
        ),
        (
            {"outcome": "refused", "reason": "gone", "response": {"status": 410}},
            "attempt 2   410 Gone, 7 ms   refused: gone",
        ),
        (
            {"outcome": "dead", "reason": "http_799", "response": {"status": 799}},
            "attempt 2   799, 7 ms   dead: http_799",
        ),
        ({"type": "redrive", "by": "key 7f3k"}, "redrive by key 7f3k"),
        ({"type": "accepted", "by": "key 7f3k"}, "accepted"),
    ],
)  # fmt: skip
def test_an_entry_in_words(entry: dict[str, Any], words: str) -> None:
    assert describe(BASE | entry) == words


def test_offsets_count_from_the_first_entry_and_fan_outs_name_their_callback() -> None:
    accepted = {"at": "2026-11-21T08:00:00Z", "type": "accepted"}
    delivered = BASE | {"outcome": "delivered", "response": {"status": 204}}
    assert list(lines([accepted, delivered], many=True)) == [
        "  +0.000 s  accepted",
        "  +1.500 s  attempt 2   204 No Content, 7 ms  → warehouse",
    ]
