"""kill -9 of a container, from a pod that sees the node's processes: no container can do that to its own first process.

    slay.py CONTAINER

The container's id stands in the cgroup of each of its processes. The first of them takes the others with it.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path


def first_process(container: str) -> int:
    """The one that is number 1 to itself."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if container in (folder / "cgroup").read_text() and _number(folder) == "1":
                return int(folder.name)
    sys.exit(f"no process of {container} on this node")


def _number(folder: Path) -> str:
    """By which it knows itself."""
    lines = (folder / "status").read_text().splitlines()
    return next(line for line in lines if line.startswith("NSpid:")).split()[-1]


if __name__ == "__main__":
    os.kill(first_process(sys.argv[1]), signal.SIGKILL)
