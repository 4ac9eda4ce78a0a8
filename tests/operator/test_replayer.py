"""The pace of replays."""

import pytest

from angarium.queue.replays import MOST_AT_ONCE
from angarium_operator.replayer import Allowance


@pytest.mark.parametrize(
    ("per_second", "seconds", "granted"),
    [(50, 0.1, 5), (50, 0.5, 25), (1, 0.5, 0), (1, 1.0, 1), (1, 60.0, 1), (50, 60.0, 50), (10_000, 60.0, MOST_AT_ONCE)],
)
def test_what_comes_together_in_a_second_at_most(per_second: int, seconds: float, granted: int) -> None:
    assert Allowance(0.0).grant(per_second, seconds) == granted


def test_over_time_it_is_the_pace_that_was_asked_for() -> None:
    allowance, sent = Allowance(0.0), 0
    for tick in range(1, 101):
        granted = allowance.grant(7, tick / 10)
        allowance.saved -= granted
        sent += granted
    assert 69 <= sent <= 70
