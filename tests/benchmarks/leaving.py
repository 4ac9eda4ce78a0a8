"""What scaling in does to latency: nine of ten deliverers are told to go at once, while notifications come steadily.

Processes and no pods: what it costs a node to end containers is no affair of ours.
"""

import contextlib
import os
import signal
import statistics
from collections.abc import Iterable, Iterator
from functools import partial

from tests.benchmarks.bed import Relay, Shape, valkey
from tests.benchmarks.load import load
from tests.benchmarks.rounds import Effort, say
from tests.benchmarks.table import Row

MANY = 10
RATE = 200  # a second
CONNECTIONS = 16


def rows(effort: Effort, _: str = "") -> Iterator[Row]:
    """The slowest hundredth while they go, against that while all stand."""
    standing, leaving = [], []
    with load() as caller, valkey(None) as server:
        relay = Relay(server, Shape(), caller.receiver)
        steady = partial(
            caller, relay.target, connections=CONNECTIONS, seconds=effort.seconds * 2, rate=RATE, received=True
        )
        with relay.gateway(None):
            for number in range(effort.rounds):
                with contextlib.ExitStack() as stack:
                    pids = [stack.enter_context(relay.deliverer(None, f"bench-{n}")) for n in range(MANY)]
                    standing.append(p99(steady().waits))
                    leaving.append(p99(steady(during=partial(let_go, pids[1:])).waits))
                say(f"round {number + 1}: {standing[-1] * 1e6:.0f} µs, {leaving[-1] * 1e6:.0f} µs while they go")
    before, meanwhile = statistics.median(standing) * 1e6, statistics.median(leaving) * 1e6
    what = f"POST to received at {RATE}/s while {MANY - 1} of {MANY} deliverers go, p99"
    yield Row("leaving", what, meanwhile, "p99 while all stand", before, "µs", meanwhile / before, 20, 10)


def let_go(pids: Iterable[int]) -> None:
    """As a kubelet asks for it."""
    for pid in pids:
        os.kill(pid, signal.SIGTERM)


def p99(waits: list[float]) -> float:
    """The slowest hundredth is no faster."""
    return statistics.quantiles(waits, n=100)[98]
