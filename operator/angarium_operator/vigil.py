"""Whether the watches are alive. One that is silent while the API server answers otherwise is a reason to restart."""

import asyncio
import logging
import time

from angarium.telemetry.metrics import WATCHES_HEARD
from angarium_operator.api import Api, ApiRefused
from angarium_operator.informer import Informer
from angarium_operator.kinds import CALLBACK

log = logging.getLogger(__name__)
EVERY = 15.0  # s
PATIENCE = 3.0  # times the silence after which kopf itself opens a watch again; the server says something each minute


class Vigil:
    """Feeds the probes; `run` asks the API server for a sign of life only while a watch is silent."""

    def __init__(self, api: Api, informer: Informer, namespace: str, idle_seconds: float) -> None:
        self._api, self._informer = api, informer
        self._namespace = namespace
        self._stale_after = idle_seconds * PATIENCE
        self._idle = idle_seconds
        self._answers = False

    def stale(self) -> str | None:
        """For liveness: what only a restart would mend."""
        silent = self._silent(self._stale_after)
        return f"{silent}: silent, though the API server answers" if silent and self._answers else None

    def unready(self) -> str | None:
        """For readiness."""
        if not self._informer.established.is_set():
            return "not all watches are established"
        silent = self._silent(self._stale_after)
        return f"{silent}: silent" if silent else None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            WATCHES_HEARD.set(time.time() - max(self._informer.silence().values(), default=0.0))
            await asyncio.sleep(min(EVERY, self._idle / 4))
            self._answers = bool(self._silent(self._idle * 1.2)) and await self._answered()

    def _silent(self, seconds: float) -> str:
        found = [path for path, age in self._informer.silence().items() if age > seconds]
        return found[0] if found else ""

    async def _answered(self) -> bool:
        try:
            await self._api.first(CALLBACK, self._namespace)
        except ApiRefused:
            return False
        return True
