"""The tool that measures speed: rows come out whole. No test asserts a speed."""

import math
import subprocess
import sys

import orjson
import pytest
from tests.benchmarks.table import Row, console, markdown

ROWS = {
    "gateway": ["gateway-bare", "gateway-idiomatic"],
    "deliverer-minimal": ["deliverer-minimal"],
    "latency": ["latency-idle", "latency-half"],
    "growth-backlog": ["growth-backlog-accept", "growth-backlog-delivery"],
}


@pytest.mark.parametrize("only", ROWS)
def test_rows_come_out_whole(only: str) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--effort", "least", "--only", only, "--json"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr.decode()
    rows = orjson.loads(done.stdout)
    assert [row["row"] for row in rows] == ROWS[only]
    for row in rows:
        assert row["measured"] >= 0
        assert row["baseline"] >= 0
        assert row["ratio"] >= 0
        assert math.isfinite(row["ratio"])
        assert row["reached"] in {"aim", "yes", "no"}


def test_a_row_that_is_unknown_is_said_so() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--only", "nonsense"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert b"no row begins with nonsense" in done.stderr


@pytest.mark.parametrize(
    ("ratio", "more", "reached"),
    [
        (0.5, True, "no"),
        (0.7, True, "yes"),
        (0.8, True, "aim"),
        (0.9, False, "no"),
        (0.8, False, "no"),
        (0.65, False, "yes"),
    ],
)
def test_a_ratio_is_held_against_its_bounds(ratio: float, more: bool, reached: str) -> None:
    aim = 0.8 if more else 0.6
    assert Row("x", "what", ratio, "against", 1, "s", ratio, 0.65, aim, more).reached == reached


def test_tables_show_each_row_with_its_bounds() -> None:
    row = Row("x", "gateway", 12_345.6, "bare", 20_000, "/s", 0.617, 0.65, 0.8, more=True)
    assert markdown([row]).splitlines()[-1] == (
        "| gateway | 12,346 /s | bare | 20,000 /s | 0.62 × | ≥ 0.65 × | ≥ 0.8 × | no |"
    )
    assert console([row]).splitlines()[-1].split() == markdown([row]).splitlines()[-1].replace("|", "").split()
