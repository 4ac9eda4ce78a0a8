"""A short run of `make chaos`: real processes under a seeded schedule of faults. No time is judged here."""

from pathlib import Path

import pytest
from tests.chaos.run import Options, run


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [4])
async def test_every_promise_is_kept_under_attack(tmp_path: Path, seed: int) -> None:
    report = await run(Options(notifications=800, seed=seed, drills=False, quiet_in=60.0, longest=150.0), tmp_path)
    broken = [verdict for verdict in report.verdicts if not verdict.kept]
    assert not broken, "\n".join([*map(str, broken), *map(str, report.faults), *report.notes])
    assert len(report.faults) == 8
