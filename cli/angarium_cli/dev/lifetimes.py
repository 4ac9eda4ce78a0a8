"""Running things beside each other so that one that fails ends all, and all end in the order that loses nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

Run = Callable[[asyncio.Event, asyncio.Event], Coroutine[Any, Any, None]]


@asynccontextmanager
async def serving(run: Run, over: asyncio.Event) -> AsyncIterator[None]:
    """`run(stop, ready)` while the body runs, drained at its end; sets `over` if it ends sooner."""
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run(stop, ready))
    task.add_done_callback(lambda _: over.set())
    await either(ready.wait(), over.wait())
    try:
        yield
    finally:
        stop.set()
        await task


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], over: asyncio.Event) -> AsyncIterator[None]:
    """A loop while the body runs, cancelled at its end; sets `over` if it fails."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda _: over.set())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def either(first: Awaitable[Any], second: Awaitable[Any]) -> None:
    """Wait until one of two is done; the other is given up."""
    tasks = [asyncio.ensure_future(each) for each in (first, second)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
