"""Ports for servers that tests start: no two workers of a run, and no outgoing connection, are given the same.

The kernel's own choice (bind to 0) comes from the range that outgoing connections use too: between asking and listening
another process may get it.
"""

import itertools
import os
import socket

FIRST, LAST, WORKERS = 17_000, 32_000, 15  # below what Linux and macOS use for outgoing connections
EACH = (LAST - FIRST) // WORKERS

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
_offsets = itertools.cycle(range(EACH))
_begin = os.getpid() * 37 % EACH  # another run on this machine begins elsewhere


def free_port() -> int:
    """A port that nobody listens on now, nor is likely to soon."""
    for offset in itertools.islice(_offsets, EACH):
        port = FIRST + _worker * EACH + (_begin + offset) % EACH
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"all ports from {FIRST} to {LAST} are taken")
