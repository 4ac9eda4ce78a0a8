"""A process from its first signal handler to its end."""

import asyncio
import contextlib
import resource
import signal
from collections.abc import Awaitable, Callable


def allow_more_files() -> None:
    """As many open files as the machine grants: each connection is one, and many systems begin with 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS grants less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def until_signalled(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a service; SIGTERM or SIGINT sets the event that asks it to stop."""
    allow_more_files()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(stop)
