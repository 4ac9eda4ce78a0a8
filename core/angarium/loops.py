"""How a loop runs: for ever, whatever a round of it meets."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from angarium.errors import StorageFull, StorageUnavailable
from angarium.telemetry.metrics import LOOP_ERRORS

log = logging.getLogger(__name__)
AFTER_ERROR = 1.0  # s


async def forever(name: str, step: Callable[[], Awaitable[float | None]]) -> None:
    """Run `step` again and again until cancelled; it says after how many seconds (one that goes on by itself need not).

    Redis being away is shown by readiness and by angarium_redis_up; anything else is a fault of ours, logged with its
    trace. Both count in angarium_loop_errors_total, and neither ends the loop.
    """
    while True:
        try:
            pause = await step() or 0.0
        except (StorageUnavailable, StorageFull):
            LOOP_ERRORS.labels(name).inc()
            pause = AFTER_ERROR
        except Exception:
            LOOP_ERRORS.labels(name).inc()
            log.exception("a loop failed and goes on", extra={"loop": name})
            pause = AFTER_ERROR
        await asyncio.sleep(pause)
