"""`python -m angarium.telemetry.dashboards --write|--check DIR`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from angarium.telemetry.dashboards import DASHBOARDS, document


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 names the stale files."""
    parser = argparse.ArgumentParser(description="Write or check the dashboards.")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", type=Path, metavar="DIR", help="write them into the folder")
    action.add_argument("--check", type=Path, metavar="DIR", help="fail when a written one is stale")
    options = parser.parse_args(arguments)
    folder: Path = options.write or options.check
    wanted = {folder / f"{dashboard.uid}.json": document(dashboard) for dashboard in DASHBOARDS}
    if options.write:
        for path, text in wanted.items():
            path.write_text(text)
        return 0
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    stale += [path for path in sorted(folder.glob("*.json")) if path not in wanted]
    for path in stale:
        sys.stderr.write(f"{path} is stale: run `make dashboards`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
