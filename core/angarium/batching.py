"""Several callers' items go out as one batch: while one batch is on its way, the next gathers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """`await submit(item)` gives the item's own result of `run(batch)`; an error of a batch goes to all its items."""

    def __init__(self, run: Callable[[list[T]], Awaitable[list[R]]], largest: int) -> None:
        self._run = run
        self._largest = largest
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    def submit(self, item: T) -> asyncio.Future[R]:
        """What will be the result for this item."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name="batcher")
        return future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._largest]
                self._waiting = self._waiting[self._largest :]
                await self._send(batch)
        finally:
            self._task = None

    async def _send(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._run([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
