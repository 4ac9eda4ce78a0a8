"""A process from its first signal handler to its end."""

import asyncio
import contextlib
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator

EX_CONFIG = 78


class WrongSettingError(Exception):
    """What the settings name can't be used; the message names the variables."""


class CantListenError(WrongSettingError):
    """An address can't be listened at."""


@contextlib.contextmanager
def opening(variables: str, host: str, port: int) -> Iterator[None]:
    """Say in the words of the settings what keeps the body from opening a server."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
        raise CantListenError(f"{variables}: can't listen at {host}:{port}: {reason}") from error


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
    try:
        await run(stop)
    except WrongSettingError as error:
        print(error, file=sys.stderr)  # noqa: T201 - as other wrong settings are told
        raise SystemExit(EX_CONFIG) from None
