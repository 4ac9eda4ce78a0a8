"""Waiting for a notification to end, or for anything to become of it.

Whoever settles says so (angarium.queue.signals). A signal that got lost costs patience: there is a look now and then.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from angarium.notifications import Status, Stored
from angarium_gateway.appkeys import LEDGER, SIGNALS, STOP
from angarium_gateway.problems import RATE, Problem

LOOK_EVERY = 2.0  # s


def has_ended(stored: Stored) -> bool:
    """Whether nothing of it is pending."""
    return stored.status is not Status.PENDING


def _never() -> bool:
    return False


@contextmanager
def one_more(waiting: Counter[str], tenant: str, most: int, what: str) -> Iterator[None]:
    """While the body runs, one more of the tenant's tests, or whatever it is, waits; a Problem where enough do."""
    if waiting[tenant] >= most:
        raise Problem(RATE, f"at most {most} {what} may wait at a time", headers={"Retry-After": "1"})
    waiting[tenant] += 1
    try:
        yield
    finally:
        waiting[tenant] -= 1
        if not waiting[tenant]:
            del waiting[tenant]


async def awaited(
    app: web.Application,
    notification: str,
    seconds: float,
    enough: Callable[[Stored], bool] = has_ended,
    given_up: Callable[[], bool] = _never,
) -> Stored | None:
    """The notification once there is `enough` of it, or as it stands when the time is up, the caller has `given_up` or
    this pod goes away; None: there is none."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async with app[SIGNALS].of(notification) as signal:
        while True:
            signal.clear()
            left = end - loop.time()
            over = left <= 0 or app[STOP].is_set() or given_up()
            # to read thousands of recipients at each look, for each who waits, would leave nobody else a turn
            if over or enough is not has_ended or not await app[LEDGER].waits(notification):
                stored = await app[LEDGER].get(notification)
                if over or stored is None or enough(stored):
                    return stored
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_EVERY)):
                    await signal.wait()
