"""A short run of `make chaos`: real processes under a seeded schedule of faults. No time is judged here."""

from pathlib import Path

import pytest
from tests.chaos.plan import Kind
from tests.chaos.run import Options, run

CLOCKS = (Kind.CLOCK, Kind.REDIS_CLOCK)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [4])
async def test_every_promise_is_kept_under_attack(tmp_path: Path, seed: int) -> None:
    report = await run(Options(notifications=800, seed=seed, drills=False, quiet_in=60.0, longest=150.0), tmp_path)
    broken = [verdict for verdict in report.verdicts if not verdict.kept]
    assert not broken, "\n".join([*map(str, broken), *map(str, report.faults), *report.notes])
    assert len(report.faults) == 8


@pytest.mark.timeout(300)
async def test_clocks_that_jump_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Deliverers' clocks are two minutes apart from the start; no deliverer dies, so that no duplicate is allowed.

    This seed puts Redis's clock back by 50 s and forward again, so that nobody has to wait for it to get there.
    """
    report = await run(Options(notifications=1500, seed=3, kinds=CLOCKS, drills=False, longest=150.0), tmp_path)
    broken = [verdict for verdict in report.verdicts if not verdict.kept]
    assert not broken, "\n".join([*map(str, broken), *map(str, report.faults), *report.notes])
