"""When to try again: decided from outcome, attempt number and policy, without I/O.

The default schedule is that of Standard Webhooks 1.0 (75 hours in all). Jitter only ever adds (0..+20 %), so neither
the schedule nor a receiver's Retry-After is undercut.
"""

import random
from dataclasses import dataclass
from enum import StrEnum

from angarium.notifications import Outcome, Result

MINUTE, HOUR = 60.0, 3600.0
DEFAULT_SCHEDULE = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
JITTER = 0.2
ASK_AFTER = MINUTE  # until a carrier is asked what became of what it was handed
LONGEST_RETRY_AFTER = 7 * 24 * HOUR  # a receiver that asks for more is not waited for: a person decides


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`schedule`: seconds to wait after the first, second, … failed attempt; attempts = len(schedule) + 1."""

    schedule: tuple[float, ...] = DEFAULT_SCHEDULE
    non_retryable: frozenset[int] = frozenset()

    @property
    def attempts(self) -> int:
        """How many attempts there are in all."""
        return len(self.schedule) + 1


class Move(StrEnum):
    """What becomes of a delivery after an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    SENT = "sent"  # asked after later; it spends no attempt
    REFUSED = "refused"
    DEAD = "dead"


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class Decision:
    """The one transition an attempt ends in; `delay` in seconds, for RETRY only."""

    move: Move
    reason: str = ""
    delay: float = 0.0


DELIVERED = Decision(Move.DELIVERED)


def decide(
    outcome: Outcome, attempt: int, policy: RetryPolicy, jitter: float | None = None, left: float | None = None
) -> Decision:
    """Settle the `attempt`-th try (from 1). `jitter` in 0..1 is drawn when not given; it expires in `left` seconds."""
    if outcome.result is Result.DELIVERED:
        return DELIVERED
    if outcome.result is Result.PERMANENT:
        return Decision(Move.REFUSED, outcome.reason)
    if outcome.result is Result.SENT:
        return Decision(Move.SENT, "sent", outcome.retry_after or ASK_AFTER)
    decision = _again(outcome, attempt, policy, jitter)
    if left is not None and decision.move is Move.RETRY and decision.delay >= left:
        return Decision(Move.REFUSED, "expired")
    return decision


def _again(outcome: Outcome, attempt: int, policy: RetryPolicy, jitter: float | None) -> Decision:
    if attempt >= policy.attempts:
        return Decision(Move.DEAD, outcome.reason)
    if outcome.retry_after is not None and outcome.retry_after > LONGEST_RETRY_AFTER:
        return Decision(Move.DEAD, "retry_after_too_long")
    draw = random.random() if jitter is None else jitter  # noqa: S311 - jitter guards no secret
    return Decision(Move.RETRY, outcome.reason, _delay(outcome, attempt, policy) * (1 + JITTER * draw))


def _delay(outcome: Outcome, attempt: int, policy: RetryPolicy) -> float:
    planned = policy.schedule[attempt - 1]
    if outcome.retry_after is not None:
        return max(planned, outcome.retry_after)
    return planned
