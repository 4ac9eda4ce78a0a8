"""What an accept costs: our gateway against a bare handler, and against the same written idiomatically."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from tests.benchmarks.bed import Bare, Relay, Shape, Spent, Valkey, meter, valkey
from tests.benchmarks.load import Load, Target, load
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.rounds import Effort, medians
from tests.benchmarks.table import Row

NOWHERE = "http://127.0.0.1:9/"  # nobody delivers
CONNECTIONS = 64


def accepts(caller: Load, target: Target, pid: int, server: Valkey, seconds: float) -> Spent:
    """A round: as many as it takes."""
    spent = meter(lambda: cpu_seconds(pid), server)
    done = caller(target, connections=CONNECTIONS, seconds=seconds)
    return spent(done.answered, done.took)


@contextlib.contextmanager
def ours(caller: Load, effort: Effort, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[Callable[[], Spent]]:
    """Rounds of our gateway; `more` is environment of its own."""
    with valkey() as server:
        relay = Relay(server, Shape(), NOWHERE, more)
        with relay.gateway() as pid:
            accepts(caller, relay.target, pid, server, effort.seconds / 2)
            yield lambda: accepts(caller, relay.target, pid, server, effort.seconds)


@contextlib.contextmanager
def baseline(caller: Load, effort: Effort, module: str) -> Iterator[Callable[[], Spent]]:
    """Rounds of one of `baselines`."""
    with valkey() as server:
        bare = Bare(server, NOWHERE)
        with bare.gateway(module=module) as pid:
            accepts(caller, bare.target, pid, server, effort.seconds / 2)
            yield lambda: accepts(caller, bare.target, pid, server, effort.seconds)


def rows(effort: Effort, _: str = "") -> Iterator[Row]:
    """Both."""
    with (
        load() as caller,
        ours(caller, effort) as gateway,
        baseline(caller, effort, "bare_gateway") as bare,
        baseline(caller, effort, "idiomatic_gateway") as idiomatic,
    ):
        found = medians({"gateway": gateway, "bare": bare, "idiomatic": idiomatic}, effort.rounds)
    what, rate = "gateway, accepted in a core-second", 1 / found["gateway"].own
    for name, against, least, aim in (
        ("bare", "bare aiohttp and uvloop, one Lua call", 0.65, 0.8),
        ("idiomatic", "the same written idiomatically", 4, 5),
    ):
        base = 1 / found[name].own
        yield Row(f"gateway-{name}", what, rate, against, base, "/s", rate / base, least, aim, more=True)
