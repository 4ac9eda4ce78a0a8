"""Waiting for a notification to end, by looking at it again and again, ever less often.

A look costs Redis some µs. A signal from whoever settles would come sooner by a tenth of a second, and would cost each
settle something, also where nobody waits.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from angarium.notifications import Status, Stored
from angarium_gateway.appkeys import LEDGER, STOP
from angarium_gateway.problems import RATE, Problem

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.25  # s between looks


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


async def ended(
    app: web.Application, notification: str, seconds: float, given_up: Callable[[], bool] = _never
) -> Stored | None:
    """The notification once it has ended, or as it stands when the time is up, the caller has `given_up` or this pod
    goes away; None: there is none."""
    pause, loop = FIRST_PAUSE, asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        stored = await app[LEDGER].get(notification)
        if stored is None or stored.status is not Status.PENDING or loop.time() >= end or app[STOP].is_set():
            return stored
        if given_up():
            return stored
        await asyncio.sleep(min(pause, max(0.0, end - loop.time())))
        pause = min(pause * 1.5, LONGEST_PAUSE)
