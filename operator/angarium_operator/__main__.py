"""`angarium-operator`: the process, and `angarium-operator doctor`."""

import asyncio
import logging
import sys
from functools import partial

from angarium.process import until_signalled
from angarium.settings import load
from angarium.telemetry import logs
from angarium_operator.service import run
from angarium_operator.settings import OperatorSettings


def main() -> None:
    """Read settings, reconcile until SIGTERM or SIGINT; or look at what the installation stands on."""
    if sys.argv[1:2] == ["doctor"]:
        from angarium_operator.doctor.command import main as doctor  # the operator itself needs none of it

        raise SystemExit(doctor(sys.argv[2:]))
    settings = load(OperatorSettings)
    logs.configure(settings.log_level)
    logging.getLogger("kopf").setLevel(logging.ERROR)  # it warns of signals, which are ours to handle
    asyncio.run(until_signalled(partial(run, settings)))


if __name__ == "__main__":
    main()
