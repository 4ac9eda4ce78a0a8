"""The whole way, from POST to received and settled: what it costs on all processes together, and how long it takes.

Callers and receiver are one process, so one clock times both ends. The cost is at capacity, with as many notifications
under way as there are connections; latency is taken idle, one at a time, and at half of that with Poisson arrivals.
"""

import contextlib
import statistics
import time
from collections.abc import Iterator

from tests.benchmarks.accepting import baseline
from tests.benchmarks.bed import Bare, Relay, Shape, Spent, meter, valkey
from tests.benchmarks.delivering import minimal
from tests.benchmarks.load import Load, load
from tests.benchmarks.processes import LOAD_CORE, SERVER_CORE, cpu_seconds
from tests.benchmarks.rounds import Effort, medians, say
from tests.benchmarks.sink import SETTLED_S, sink
from tests.benchmarks.table import Row

UNDER_WAY = 128


class Journey:
    """Both of our services at work."""

    def __init__(self, caller: Load, relay: Relay, pids: tuple[int, int]) -> None:
        self._caller, self._relay, self._pids = caller, relay, pids

    def saturated(self, seconds: float) -> Spent:
        """A round at capacity: CPU of gateway and deliverer, and of Valkey, for each notification."""
        spent = meter(lambda: sum(cpu_seconds(pid) for pid in self._pids), self._relay.server)
        done = self._caller(self._relay.target, connections=UNDER_WAY, seconds=seconds, received=True)
        time.sleep(SETTLED_S)
        return spent(done.answered, done.took)

    def alone(self, count: int) -> list[float]:
        """Seconds, one at a time."""
        return self._caller(self._relay.target, connections=1, count=count, received=True).waits

    def steady(self, rate: float, seconds: float) -> list[float]:
        """Seconds, so many a second."""
        return self._caller(self._relay.target, connections=UNDER_WAY, seconds=seconds, rate=rate, received=True).waits


@contextlib.contextmanager
def journey(caller: Load, effort: Effort) -> Iterator[Journey]:
    """Warm."""
    with valkey() as server:
        relay = Relay(server, Shape(), caller.receiver)
        with relay.gateway(SERVER_CORE) as gateway, relay.deliverer(LOAD_CORE) as deliverer:
            found = Journey(caller, relay, (gateway, deliverer))
            found.saturated(effort.seconds)
            yield found


def path(effort: Effort, _: str = "") -> Iterator[Row]:
    """What it costs, against the minimal gateway and deliverer, each measured as in the rows above."""
    with (
        load() as caller,
        sink() as receiver,
        journey(caller, effort) as whole,
        baseline(caller, effort, "bare_gateway") as gateway,
        minimal(caller, receiver, effort) as deliverer,
    ):
        sides = {"path": lambda: whole.saturated(effort.seconds), "bare": gateway, "minimal": deliverer}
        found = medians(sides, effort.rounds)
    base = found["bare"].us + found["minimal"].us
    yield Row(
        "path", "accepted to settled, CPU with Valkey's", found["path"].us, "minimal gateway + minimal deliverer", base,
        "µs", found["path"].us / base, 1.6, 1.3,
    )  # fmt: skip


def latency(effort: Effort, _: str = "") -> Iterator[Row]:
    """How long it takes."""
    idle, echoes, steady = [], [], []
    with load() as caller, journey(caller, effort) as whole, valkey() as server:
        bare = Bare(server, caller.receiver)
        with bare.gateway():
            done = whole.saturated(effort.seconds)
            rate = done.count / done.took / 2
            for number in range(effort.rounds):
                idle.append(statistics.median(whole.alone(effort.samples)) * 1e6)
                echoes.append(statistics.median(caller(bare.echo, connections=1, count=effort.samples).waits) * 1e6)
                cuts = statistics.quantiles(whole.steady(rate, effort.seconds * 2), n=100)
                steady.append((cuts[49] * 1e6, cuts[98] * 1e6))
                say(f"round {number + 1}: {idle[-1]:.0f}, echo {echoes[-1]:.0f}; at {rate:.0f}/s {steady[-1]} µs")
    middle, echo = statistics.median(idle), statistics.median(echoes)
    yield Row(
        "latency-idle", "POST to received, idle, p50", middle, "a bare aiohttp round trip", echo, "µs", middle / echo,
        2.5, 1.8,
    )  # fmt: skip
    p50, p99 = (statistics.median(values) for values in zip(*steady, strict=True))
    what = f"POST to received at {rate:,.0f}/s (half of capacity), p99"
    yield Row("latency-half", what, p99, "its own p50", p50, "µs", p99 / p50, 10, 5)
