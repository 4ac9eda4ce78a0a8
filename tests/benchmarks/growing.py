"""Whether size costs: CPU for each accept (gateway and Valkey) and each delivery (deliverer and Valkey).

Every shape has a Valkey and a gateway of its own; in each round every one accepts, then delivers, the same number. The
backlog is filled once by the gateway and stays: deliveries of a round come out of it, accepts go in behind.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.benchmarks.accepting import CONNECTIONS
from tests.benchmarks.bed import Relay, Shape, Spent, meter, valkey
from tests.benchmarks.delivering import UNTIL
from tests.benchmarks.load import Load, load
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.rounds import Effort, medians, say
from tests.benchmarks.sink import Sink, sink
from tests.benchmarks.table import Row

LIMIT = 1.15
FROM = 0.55  # by then each callback and tenant was met: what a process's first meeting with one costs is no growth


@dataclass(frozen=True)
class Size:
    """One side of a comparison."""

    name: str
    shape: Shape
    backlog: int = 0


def sizes(effort: Effort) -> dict[str, tuple[Size, Size]]:
    """By row: small and large."""
    many = effort.many
    return {
        "shards": (Size("1 shard", Shape()), Size("16 shards", Shape(shards=16))),
        "callbacks": (Size("10 callbacks", Shape()), Size(f"{many:,} callbacks", Shape(callbacks=many))),
        "tenants": (Size("10 tenants", Shape(10, 1)), Size(f"{many:,} tenants", Shape(many, 1))),
        "backlog": (Size("nothing waiting", Shape()), Size(f"{effort.backlog:,} waiting", Shape(), effort.backlog)),
    }


Sides = dict[str, Callable[[], Spent]]


@contextlib.contextmanager
def both(caller: Load, receiver: Sink, size: Size, effort: Effort) -> Iterator[tuple[Callable[[], Spent], ...]]:
    """Rounds of accepts, and of deliveries of what they accepted."""
    with valkey() as server:
        relay = Relay(server, size.shape, receiver.url)
        with relay.gateway() as gateway:
            if size.backlog:
                say(f"accepting {size.backlog:,}")
                caller(relay.target, connections=CONNECTIONS, count=size.backlog)

            def accept() -> Spent:
                spent = meter(lambda: cpu_seconds(gateway), server)
                done = caller(relay.target, connections=CONNECTIONS, count=effort.deliveries)
                return spent(done.answered, done.took)

            def deliver() -> Spent:
                first = receiver.received
                with relay.deliverer() as deliverer:
                    receiver.wait_for(first + int(effort.deliveries * FROM))
                    began, done = receiver.now(), receiver.received
                    spent = meter(lambda: cpu_seconds(deliverer), server)
                    receiver.wait_for(first + int(effort.deliveries * UNTIL))
                    found = spent(receiver.received - done, receiver.now() - began)
                    if not size.backlog:
                        receiver.wait_for(first + effort.deliveries)
                    receiver.rest()
                return found

            yield accept, deliver


def rows(effort: Effort, only: str = "") -> Iterator[Row]:
    """Two for each size."""
    for name, pair in sizes(effort).items():
        if not f"growth-{name}".startswith(only[: len(f"growth-{name}")]):
            continue
        with contextlib.ExitStack() as stack:
            caller, receiver = stack.enter_context(load()), stack.enter_context(sink())
            sides: Sides = {}
            for size in pair:
                rounds = stack.enter_context(both(caller, receiver, size, effort))
                sides |= {f"accept, {size.name}": rounds[0], f"delivery, {size.name}": rounds[1]}
            found = medians(sides, effort.rounds)
        small, large = pair
        for step in ("accept", "delivery"):
            base, grown = found[f"{step}, {small.name}"].us, found[f"{step}, {large.name}"].us
            what = f"{step} with {large.name}"
            yield Row(f"growth-{name}-{step}", what, grown, small.name, base, "µs", grown / base, LIMIT)
