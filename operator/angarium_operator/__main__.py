"""`angarium-operator`: the process."""

import asyncio
import logging
import signal

from angarium.settings import load
from angarium.telemetry import logs
from angarium_operator.service import run
from angarium_operator.settings import OperatorSettings


def main() -> None:
    """Read settings, reconcile until SIGTERM or SIGINT."""
    settings = load(OperatorSettings)
    logs.configure(settings.log_level)
    logging.getLogger("kopf").setLevel(logging.ERROR)  # it warns of signals, which are ours to handle
    asyncio.run(_until_signalled(settings))


async def _until_signalled(settings: OperatorSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, stop)


if __name__ == "__main__":
    main()
