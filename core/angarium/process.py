"""A process from its first signal handler to its end."""

import asyncio
import signal
from collections.abc import Awaitable, Callable


async def until_signalled(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a service; SIGTERM or SIGINT sets the event that asks it to stop."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(stop)
