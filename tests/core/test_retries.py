"""What follows an attempt, as a table, and the promises about its timing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.notifications import Outcome, Result
from angarium.retries import DEFAULT_SCHEDULE, LONGEST_RETRY_AFTER, Decision, Move, RetryPolicy, decide

DEFAULT = RetryPolicy()
SHORT = RetryPolicy(schedule=(1.0, 2.0))


def failed(reason: str = "http_503", retry_after: float | None = None) -> Outcome:
    return Outcome(Result.RETRYABLE, reason, retry_after=retry_after)


@pytest.mark.parametrize(
    ("outcome", "attempt", "policy", "expected"),
    [
        (Outcome(Result.DELIVERED), 1, DEFAULT, Decision(Move.DELIVERED)),
        (Outcome(Result.DELIVERED), 99, SHORT, Decision(Move.DELIVERED)),
        (Outcome(Result.PERMANENT, "gone"), 1, DEFAULT, Decision(Move.REFUSED, "gone")),
        (failed(), 1, SHORT, Decision(Move.RETRY, "http_503", 1.0)),
        (failed(), 2, SHORT, Decision(Move.RETRY, "http_503", 2.0)),
        (failed(), 3, SHORT, Decision(Move.DEAD, "http_503")),
        (failed("timeout"), 1, RetryPolicy(schedule=()), Decision(Move.DEAD, "timeout")),
        (failed(retry_after=90), 1, SHORT, Decision(Move.RETRY, "http_503", 90.0)),
        (failed(retry_after=0), 2, SHORT, Decision(Move.RETRY, "http_503", 2.0)),
        (failed(retry_after=LONGEST_RETRY_AFTER + 1), 1, SHORT, Decision(Move.DEAD, "retry_after_too_long")),
        (failed(), 9, DEFAULT, Decision(Move.RETRY, "http_503", 24 * 3600.0)),
        (failed(), 10, DEFAULT, Decision(Move.DEAD, "http_503")),
    ],
)
def test_decisions(outcome: Outcome, attempt: int, policy: RetryPolicy, expected: Decision) -> None:
    assert decide(outcome, attempt, policy, jitter=0.0) == expected


@given(attempt=st.integers(1, 9), jitter=st.floats(0, 1), wish=st.none() | st.floats(0, LONGEST_RETRY_AFTER))
def test_neither_the_schedule_nor_the_receiver_is_undercut(attempt: int, jitter: float, wish: float | None) -> None:
    decision = decide(failed(retry_after=wish), attempt, DEFAULT, jitter)
    least = max(DEFAULT_SCHEDULE[attempt - 1], wish or 0.0)
    assert least <= decision.delay <= least * 1.2 + 1e-6
