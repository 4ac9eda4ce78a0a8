"""`angarium-deliverer`: the process."""

from functools import partial

import uvloop

from angarium.process import until_signalled
from angarium.settings import load
from angarium.telemetry import logs
from angarium_deliverer.service import run
from angarium_deliverer.settings import DelivererSettings


def main() -> None:
    """Read settings, deliver until SIGTERM or SIGINT, drain."""
    settings = load(DelivererSettings)
    logs.configure(settings.log_level)
    uvloop.run(until_signalled(partial(run, settings)))


if __name__ == "__main__":
    main()
