"""Rounds: everybody in turn, again and again, so that what disturbs the machine disturbs all; medians over them."""

import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.benchmarks.bed import Spent


@dataclass(frozen=True)
class Effort:
    """How long and how often."""

    rounds: int = 5
    seconds: float = 2.0  # of load, in a round
    deliveries: int = 20_000  # in a round
    peers: int = 4_000  # deliveries in a round of those that take ten times as long
    backlog: int = 1_000_000
    many: int = 10_000  # callbacks, tenants

    @property
    def samples(self) -> int:
        """Of what is timed one by one, in a round."""
        return max(20, int(self.seconds * 100))


EFFORTS = {
    "full": Effort(),
    "quick": Effort(rounds=2, seconds=1.0, deliveries=6_000, peers=1_200, backlog=20_000, many=500),
    "least": Effort(rounds=1, seconds=0.3, deliveries=500, peers=200, backlog=500, many=20),  # does it run at all?
}


def medians(sides: Mapping[str, Callable[[], Spent]], rounds: int) -> dict[str, Spent]:
    """Of each side, for one operation: CPU in seconds of its own and of Valkey's, the time it took."""
    figures: dict[str, list[Spent]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, side in sides.items():
            spent = side()
            figures[name].append(spent)
            say(f"round {number + 1}/{rounds}: {name}: {spent.own_us:.1f} µs, Valkey {spent.valkey_us:.1f} µs")
    return {name: _median(spents) for name, spents in figures.items()}


def _median(spents: list[Spent]) -> Spent:
    def middle(of: Callable[[Spent], float]) -> float:
        return statistics.median([of(spent) / spent.count for spent in spents])

    return Spent(middle(lambda s: s.own), middle(lambda s: s.valkey), 1, middle(lambda s: s.took))


def say(line: str) -> None:
    """Progress, beside the table."""
    print(f"  {line}", file=sys.stderr, flush=True)
