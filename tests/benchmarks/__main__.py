"""`make bench`: what a notification costs here, as ratios to baselines measured in the same rounds.

Rows: gateway-*, deliverer-*, path, latency-*, memory-*, traces-*, leaving; with --growth those of growth-* instead,
which take longer.
docs/performance.md says how it is measured.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator

from tests.benchmarks import accepting, delivering, footprint, growing, journeys, leaving, tracing
from tests.benchmarks.rounds import EFFORTS, Effort
from tests.benchmarks.table import Row, console, markdown

Group = Callable[[Effort, str], Iterator[Row]]
GROUPS: dict[str, Group] = {
    "gateway": accepting.rows,
    "deliverer": delivering.rows,
    "path": journeys.path,
    "latency": journeys.latency,
    "memory": footprint.rows,
    "traces": tracing.rows,
    "leaving": leaving.rows,
}
GROWTH: dict[str, Group] = {"growth": growing.rows}


def measure(groups: dict[str, Group], effort: Effort, only: str = "") -> list[Row]:
    """The rows whose names begin with `only`."""
    wanted = {name: group for name, group in groups.items() if name.startswith(only) or only.startswith(name)}
    return [row for group in wanted.values() for row in group(effort, only) if row.row.startswith(only)]


def main() -> None:
    """Measure and print; says at the end whether each "at least" was reached."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--effort", choices=EFFORTS, default="full", help="least: to see whether it runs")
    parser.add_argument("--quick", action="store_const", const="quick", dest="effort", help="fewer and shorter rounds")
    parser.add_argument("--only", default="", metavar="ROW", help="rows whose names begin so")
    parser.add_argument("--growth", action="store_true", help="whether size costs, instead of the other rows")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--markdown", action="store_true", help="the table as it stands in docs/performance.md")
    options = parser.parse_args()
    groups = GROWTH if options.growth or options.only.startswith("growth") else GROUPS
    rows = measure(groups, EFFORTS[options.effort], options.only)
    if not rows:
        parser.error(f"no row begins with {options.only}")
    if options.json:
        print(json.dumps([row.as_json() for row in rows], ensure_ascii=False, indent=2))
    else:
        print((markdown if options.markdown else console)(rows))
    short = [row.row for row in rows if row.reached == "no"]
    print(f"falls short: {', '.join(short)}" if short else "each ratio is reached", file=sys.stderr)


if __name__ == "__main__":
    main()
