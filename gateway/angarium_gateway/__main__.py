"""`angarium-gateway`: settings, logs and signals around `service.run`."""

import asyncio
import gc
from functools import partial

import uvloop

from angarium.process import until_signalled
from angarium.settings import load
from angarium.telemetry import logs
from angarium_gateway.service import run
from angarium_gateway.settings import GatewaySettings


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = load(GatewaySettings)
    logs.configure(settings.log_level)
    _spare_the_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signalled(partial(run, settings)))


def _spare_the_collector() -> None:
    """What start-up made lives for ever: looking through it again and again took a tenth of an accept."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


if __name__ == "__main__":
    main()
