"""Mounted files that plans depend on: when one changes, so do the plans."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from angarium.mounted import LOOK_EVERY, Mounted
from angarium.sealing import Sealer
from angarium_operator.planning import Key, Snapshot

log = logging.getLogger(__name__)


class Mounts:
    """`concern` asks for new plans."""

    def __init__(
        self,
        seal_keys: Mounted[Sealer],
        gateway_ca: Mounted[str],
        snapshot: Snapshot,
        concern: Callable[[Iterable[Key]], None],
    ) -> None:
        self._seal_keys, self._gateway_ca = seal_keys, gateway_ca
        self._snapshot, self._concern = snapshot, concern

    async def seal_keys(self, wait: float) -> float:
        """One look; what changed is used after `wait` seconds, when each deliverer has the new keys as well."""
        if self._seal_keys.look():
            log.info("the seal keys have changed", extra={"used_in_s": wait})
            await asyncio.sleep(wait)
            self._seal_keys.look()
            sealer = self._seal_keys.value
            self._snapshot.policy = replace(self._snapshot.policy, sealer=sealer, resealer=sealer.current)
            self._concern(list(self._snapshot.published))
        return LOOK_EVERY

    async def gateway_ca(self) -> float:
        """One look; what changed goes into the Secrets at once."""
        if self._gateway_ca.look():
            log.info("the gateway's authorities have changed")
            self._snapshot.policy = replace(self._snapshot.policy, gateway_ca=self._gateway_ca.value)
            self._concern(list(self._snapshot.everything()))
        return LOOK_EVERY
