"""How long what is ready will take to be delivered: the measure to scale deliverers by.

Backlog ÷ rate. The rate is that of the time in which there was something to do, up to a minute: else a burst after a
quiet hour would look hopeless. What is parked or scheduled doesn't count: no further deliverer would bring it sooner.
"""

from collections.abc import Iterable
from dataclasses import dataclass

WINDOW = 60.0  # s over which the rate is taken at most
LEAST = 5.0  # s between two notes; the rate is taken over at least as much, where notes go back so far
NOTES = 16
LONGEST = 86_400.0  # s: what would take longer stands still


@dataclass(frozen=True, slots=True)
class Headway:
    """Attempts of one shard settled until `now_ms`, and until each of the notes: (ms, settled), the latest first."""

    now_ms: int
    settled: int
    notes: tuple[tuple[int, int], ...] = ()

    def rate(self, busy: float) -> float:
        """Settled a second, over the last `busy` seconds as far as notes tell; 0 where none goes back."""
        over = min(WINDOW, max(LEAST, busy))
        past = [note for note in self.notes if note[0] < self.now_ms]
        before = next((note for note in past if (self.now_ms - note[0]) / 1000 >= over), past[-1] if past else None)
        return (self.settled - before[1]) / ((self.now_ms - before[0]) / 1000) if before else 0.0


def drain_seconds(ready: int, oldest: float, shards: Iterable[Headway]) -> float:
    """Seconds until `ready` deliveries are settled, the oldest of which has waited for `oldest` seconds.

    Where nothing is settled at all nobody can know; then as long again as it has lasted, which grows until it moves.
    """
    if ready <= 0:
        return 0.0
    rate = sum(shard.rate(oldest) for shard in shards)
    return min(ready / rate if rate > 0 else oldest, LONGEST)
