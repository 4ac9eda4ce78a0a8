"""What a delivery costs: our deliverer against a minimal loop, and against task queues doing the same POST.

Each in turn, in every round: fill its queue, start its worker, and take the CPU that all its processes use from a fifth
to nine tenths of the deliveries, which leaves out start and end.
"""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.benchmarks.accepting import CONNECTIONS
from tests.benchmarks.bed import Bare, Relay, Shape, Spent, Valkey, meter, valkey
from tests.benchmarks.load import Load, load
from tests.benchmarks.processes import SERVER_CORE, running, tree_cpu_seconds
from tests.benchmarks.rounds import Effort, medians
from tests.benchmarks.sink import Sink, sink
from tests.benchmarks.table import Row

ROOT = Path(__file__).parents[2]
PACKAGE = "tests.benchmarks.peers"
FROM, UNTIL = 0.2, 0.9


def drained(
    fill: Callable[[int], object],
    worker: Callable[[], AbstractContextManager[int]],
    server: Valkey,
    receiver: Sink,
    count: int,
) -> Spent:
    """A round."""
    fill(count)
    first = receiver.received
    with worker() as pid:
        receiver.wait_for(first + int(count * FROM))
        began, done = receiver.now(), receiver.received
        spent = meter(lambda: tree_cpu_seconds(pid), server)
        receiver.wait_for(first + int(count * UNTIL))
        found = spent(receiver.received - done, receiver.now() - began)
        receiver.wait_for(first + count)
        receiver.rest()
    return found


@contextlib.contextmanager
def ours(
    caller: Load, receiver: Sink, effort: Effort, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Callable[[], Spent]]:
    """Rounds of our deliverer; its gateway fills the queue. `more` is environment of both."""
    with valkey() as server:
        relay = Relay(server, Shape(), receiver.url, more)
        with relay.gateway():

            def fill(count: int) -> None:
                caller(relay.target, connections=CONNECTIONS, count=count)

            yield lambda: drained(fill, relay.deliverer, server, receiver, effort.deliveries)


@contextlib.contextmanager
def minimal(caller: Load, receiver: Sink, effort: Effort) -> Iterator[Callable[[], Spent]]:
    """Rounds of the minimal one; the bare gateway fills the queue."""
    with valkey() as server:
        bare = Bare(server, receiver.url)
        with bare.gateway():

            def fill(count: int) -> None:
                caller(bare.target, connections=CONNECTIONS, count=count)

            yield lambda: drained(fill, bare.deliverer, server, receiver, effort.deliveries)


@dataclass(frozen=True)
class Peer:
    """A task queue: where it is installed, how its worker is started, and what is asked for."""

    environment: str
    worker: tuple[str, ...]
    least: float
    aim: float

    @contextlib.contextmanager
    def rounds(self, receiver: Sink, count: int) -> Iterator[Callable[[], Spent]]:
        """Its rounds, on a Valkey of its own."""
        binaries = ROOT / ".bench" / self.environment / "bin"
        with valkey() as server:
            environment = {"BENCH_REDIS_URL": server.url, "BENCH_RECEIVER": receiver.url, "PYTHONPATH": str(ROOT)}
            module = next(word for word in self.worker if word.startswith(PACKAGE)).split(":")[0]

            def fill(count: int) -> None:
                command = [str(binaries / "python"), "-m", module.removesuffix(".WorkerSettings"), str(count)]
                subprocess.run(command, check=True, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL)

            @contextlib.contextmanager
            def worker() -> Iterator[int]:
                command = [str(binaries / self.worker[0]), *self.worker[1:]]
                with running(command, environment, SERVER_CORE, ROOT) as child:
                    yield child.pid

            yield lambda: drained(fill, worker, server, receiver, count)


PEERS: Mapping[str, Peer] = {
    "faststream": Peer("bench", ("faststream", "run", f"{PACKAGE}.faststream_peer:app"), 5, 8),
    "taskiq": Peer(
        "bench",
        ("taskiq", "worker", f"{PACKAGE}.taskiq_peer:broker", "--workers", "1", "--max-async-tasks", "64"),
        6,
        10,
    ),
    "dramatiq": Peer("bench", ("dramatiq", f"{PACKAGE}.dramatiq_peer", "--processes", "1", "--threads", "8"), 7, 12),
    "arq": Peer("bench-arq", ("arq", f"{PACKAGE}.arq_peer.WorkerSettings"), 10, 16),
    "celery": Peer("bench", ("celery", "-A", f"{PACKAGE}.celery_peer", "worker", "--concurrency", "2"), 18, 30),
}


def rows(effort: Effort, only: str = "") -> Iterator[Row]:
    """All; with `only` those it names."""
    peers = {name: peer for name, peer in PEERS.items() if f"deliverer-{name}".startswith(only)}
    with contextlib.ExitStack() as stack:
        caller, receiver = stack.enter_context(load()), stack.enter_context(sink())
        sides = {"deliverer": stack.enter_context(ours(caller, receiver, effort))}
        if "deliverer-minimal".startswith(only):
            sides["minimal"] = stack.enter_context(minimal(caller, receiver, effort))
        sides |= {name: stack.enter_context(peer.rounds(receiver, effort.peers)) for name, peer in peers.items()}
        found = medians(sides, effort.rounds)
    what, rate = "deliverer, delivered in a core-second", 1 / found["deliverer"].own
    if "minimal" in found:
        base = 1 / found["minimal"].own
        against = "minimal loop, same HTTP client, batch Lua"
        yield Row("deliverer-minimal", what, rate, against, base, "/s", rate / base, 0.75, 0.85, more=True)
    for name, peer in peers.items():
        base = 1 / found[name].own
        against = f"{name}, recording nothing"
        yield Row(f"deliverer-{name}", what, rate, against, base, "/s", rate / base, peer.least, peer.aim, more=True)
