"""The simulation that docs/scaling.md rests on: the same seed, the same run; and nothing gets lost in its books."""

from dataclasses import replace

import pytest
from tests.benchmarks.costs import DAY, Costs, memory, size
from tests.benchmarks.simulation import Plan, Simulation

SMALL = Plan(
    deliverers=6, gateways=2, masters=2, shards=4, rate=2000.0, seconds=2.0, tenants=50, slots=64, timeout=3.0,
    silent=0.1, deaths=2, failover_at=0.5, failover=0.5, answers=0.02, seed=3,
)  # fmt: skip


def test_the_same_seed_gives_the_same_run_and_another_another() -> None:
    first, again, other = (Simulation(plan).run() for plan in (SMALL, SMALL, replace(SMALL, seed=4)))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "plan",
    [
        SMALL,
        replace(SMALL, placed=False, deaths=5, seed=8),
        replace(SMALL, shards=1, masters=1, failover=8.0, drain=60.0),
        replace(SMALL, posting=False, backlog=3000),
        replace(SMALL, in_flight=8, slots=16, drain=0.0),
    ],
)
def test_what_was_accepted_is_delivered_or_waits(plan: Plan) -> None:
    simulation = Simulation(plan)
    figures = simulation.run()
    assert figures["accepted"] == figures["delivered"] + figures["waiting"]
    assert figures["accepted"] > 0
    if plan.drain and plan.posting:
        assert figures["delivered"] + figures["hopeless"] == figures["accepted"]
        assert figures["recovered"] > 0
        assert figures["drained_after_s"] >= 0
    for pod in simulation.pods:
        if pod.alive:
            assert pod.free + len(pod.held) == plan.slots


def test_a_master_that_is_away_for_longer_than_gateways_wait_is_told_to_callers() -> None:
    figures = Simulation(replace(SMALL, shards=1, masters=1, failover=8.0, drain=60.0)).run()
    assert figures["unavailable"] > 0


def test_sizes_grow_with_the_rate_and_memory_with_what_is_kept() -> None:
    costs = Costs()
    few, many = size(1000, costs), size(1e9 / DAY, costs)
    assert (few.masters, few.shards) == (1, 1)
    assert few.gateways <= many.gateways
    assert few.masters < many.masters
    assert memory(1000, costs, DAY, 0) == 1000 * DAY * (costs.finished_bytes + costs.key_bytes)
