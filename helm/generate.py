"""Writes what the chart holds of others' knowledge, and tells whether it is fresh.

That is the table of values in its README, from values.yaml; and for the NetworkPolicies what the egress guard closes.

python -m helm.generate --write    python -m helm.generate --check
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from helm.egress_ranges import document
from helm.values_table import rows, table

CHART = Path(__file__).parent / "angarium"
BEGIN, END = "<!-- values: made by `make chart` -->", "<!-- end of values -->"


def files() -> dict[Path, str]:
    """What each should hold."""
    readme = CHART / "README.md"
    before, _, rest = readme.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    values = table(rows((CHART / "values.yaml").read_text("utf-8")))
    return {
        readme: f"{before}{BEGIN}\n{values}\n{END}{after}",
        CHART / "files/egress-ranges.yaml": document(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 1 when something isn't fresh."""
    parser = argparse.ArgumentParser(prog="python -m helm.generate", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true")
    what.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    stale = [path for path, text in files().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if options.write:
            path.write_text(files()[path], encoding="utf-8")
        else:
            sys.stderr.write(f"{path} isn't fresh: make chart\n")
    return int(bool(stale) and options.check)


if __name__ == "__main__":
    raise SystemExit(main())
