"""Comparing everything from time to time, and a kind at once whose watch had to begin anew: no event tells what was
deleted while a watch was broken.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable

from angarium.telemetry.metrics import RESYNCED
from angarium_operator.api import Api, ApiRefused
from angarium_operator.feed import Feed
from angarium_operator.kinds import Kind

log = logging.getLogger(__name__)
SOON = 1.0  # s: several pages of one list make one comparison
AGAIN, LONGEST_AGAIN = 0.25, 10.0  # s after a list that failed


class Resync:
    """Lists by our own client; the snapshot is whole once `everything` has returned."""

    def __init__(
        self,
        api: Api,
        feed: Feed,
        kinds: tuple[Kind, ...],
        namespaces: tuple[str, ...],
        compared: Callable[[], None],
    ) -> None:
        """`compared` is called when all kinds were: then all objects and records should be planned for."""
        self._api, self._feed, self._compared = api, feed, compared
        self._kinds, self._namespaces = kinds, namespaces
        self._asked: dict[str, Kind] = {}
        self._wake = asyncio.Event()

    def ask(self, kind: Kind) -> None:
        """Compare this kind soon."""
        self._asked[kind.name] = kind
        self._wake.set()

    async def everything(self) -> None:
        """Compare all kinds; those that others refer to come first. Tries until it is done."""
        for kind in self._kinds:
            await self._until_listed(kind)
        self._compared()
        RESYNCED.set_to_current_time()

    async def run(self, seconds: float) -> None:
        """Every so many seconds, and when asked, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds * random.uniform(0.8, 1.2)):  # noqa: S311 - it only spreads the load
                    await self._wake.wait()
            if not self._wake.is_set():
                await self.everything()
                continue
            await asyncio.sleep(SOON)
            self._wake.clear()
            asked, self._asked = self._asked, {}
            for kind in asked.values():
                await self._until_listed(kind)

    async def _until_listed(self, kind: Kind) -> None:
        wait = AGAIN
        while True:
            try:
                await self._list(kind)
            except ApiRefused as refused:
                log.warning("a list failed; trying again", extra={"kind": kind.name, "error": str(refused)})
                await asyncio.sleep(max(refused.retry_after, wait * random.uniform(0.8, 1.2)))  # noqa: S311 - likewise
                wait = min(wait * 2, LONGEST_AGAIN)
            else:
                return

    async def _list(self, kind: Kind) -> None:
        for namespace in self._namespaces if self._namespaces and kind.namespaced else ("",):
            comparison = self._feed.comparison(kind, namespace)
            async with contextlib.aclosing(self._api.pages(kind, namespace)) as pages:
                async for items, version in pages:
                    comparison.page(items, version)
            comparison.end()
