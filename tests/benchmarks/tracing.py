"""What traces cost: both services with every span recorded, with none of them, and with traces off.

A sink takes the spans, in a process of its own. That traces which are off cost nothing can't be seen here, where there
is nothing to compare with; docs/traces.md says how it was measured against the commit before there were any.
"""

from collections.abc import Iterator

from tests.benchmarks import accepting, delivering
from tests.benchmarks.load import load
from tests.benchmarks.rounds import Effort, medians
from tests.benchmarks.sink import sink
from tests.benchmarks.table import Row


def rows(effort: Effort, _: str = "") -> Iterator[Row]:
    """Of both."""
    with sink() as collector, sink() as receiver, load() as caller:
        everything = {"ANGARIUM_TRACES_ENDPOINT": collector.url}
        nothing = everything | {"ANGARIUM_TRACES_RATIO": "0"}
        with (
            accepting.ours(caller, effort) as off,
            accepting.ours(caller, effort, everything) as all_,
            accepting.ours(caller, effort, nothing) as none,
        ):
            found = medians({"off": off, "all": all_, "none": none}, effort.rounds)
        yield from _rows("gateway, accepted in a core-second", "gateway", {n: 1 / s.own for n, s in found.items()})
        with (
            delivering.ours(caller, receiver, effort) as off,
            delivering.ours(caller, receiver, effort, everything) as all_,
            delivering.ours(caller, receiver, effort, nothing) as none,
        ):
            found = medians({"off": off, "all": all_, "none": none}, effort.rounds)
        yield from _rows("deliverer, delivered in a core-second", "deliverer", {n: 1 / s.own for n, s in found.items()})


def _rows(what: str, service: str, rates: dict[str, float]) -> Iterator[Row]:
    for name, against, least, aim in (("all", "traces off", 0.4, 0.6), ("none", "traces off", 0.6, 0.8)):
        yield Row(
            f"traces-{service}-{name}", f"{what}, {name} recorded", rates[name], against, rates["off"], "/s",
            rates[name] / rates["off"], least, aim, more=True,
        )  # fmt: skip
