"""`make chaos`: the promises under attack. Prints what was done and what it did; exits with 1 when a promise broke."""

import argparse
import asyncio
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

import uvloop
from tests.chaos import idle, retention
from tests.chaos.run import Options, Report, run


def main() -> int:
    """By the command line."""
    asked = _arguments()
    logging.getLogger("angarium").setLevel(logging.ERROR)  # that Redis is away is meant here
    if asked.idle or asked.retention:
        with tempfile.TemporaryDirectory(prefix="angarium-chaos-") as folder:
            return 1 - asyncio.run(idle.run(Path(folder)) if asked.idle else retention.run(Path(folder), asked.of))
    options = Options(asked.notifications, asked.seed, asked.faults, drills=not asked.no_drills)
    report = uvloop.run(run(options))
    _show(report, options)
    if report.kept:
        shutil.rmtree(report.folder)
    else:
        print(f"\nlogs and Valkey's data are kept in {report.folder}")
    return 0 if report.kept else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--notifications", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=None, help="at most so many; 0 for a calm run")
    parser.add_argument("--no-drills", action="store_true", help="don't measure takeovers at the end")
    parser.add_argument("--idle", action="store_true", help="instead: what an idle system asks of Redis")
    parser.add_argument("--retention", action="store_true", help="instead: whether what is forgotten leaves anything")
    parser.add_argument("--of", type=int, default=1_000_000, help="notifications for --retention")
    return parser.parse_args()


def _show(report: Report, options: Options) -> None:
    print(f"seed {options.seed}, {options.notifications:,} notifications, {len(report.faults)} faults:")
    for at, text in report.faults:
        print(f"  {at:>7,}  {text}")
    print("\n| | promise | measured | |\n|---|---|---|---|")
    for row in report.verdicts:
        print(f"| {row.promise} | {row.text} | {row.measured} | {'kept' if row.kept else '**BROKEN**'} |")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{report.seconds:.0f} s; load average {load} on {os.cpu_count()} cores")
    print("".join(f"{note}\n" for note in report.notes), end="")


if __name__ == "__main__":
    sys.exit(main())
