"""`angarium-deliverer`: the process."""

import asyncio
import signal

import uvloop

from angarium.settings import load
from angarium.telemetry import logs
from angarium_deliverer.service import run
from angarium_deliverer.settings import DelivererSettings


def main() -> None:
    """Read settings, deliver until SIGTERM or SIGINT, drain."""
    settings = load(DelivererSettings)
    logs.configure(settings.log_level)
    uvloop.run(_until_signalled(settings))


async def _until_signalled(settings: DelivererSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, stop)


if __name__ == "__main__":
    main()
