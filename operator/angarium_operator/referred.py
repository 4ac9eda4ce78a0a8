"""Hearing of changes in Secrets that providers refer to: people's own, which bear no label of ours.

One watch (for each namespace, where the operator serves only some) tells of all Secrets, but of their metadata alone
and from now on: no Secret is listed, and none is read but those that are referred to, one by one, when the watch
begins and when it names one. It costs one connection and a line for each Secret that changes in the cluster, however
many there are, and no right that the operator hasn't already. A watch for each Secret by field selector, as the
kubelet's, costs a connection each; asking from time to time is either slow or dear; a label would have to be put on by
hand, and be forgotten. There is no watch where nobody refers to a Secret.
"""

import logging
import random
from collections.abc import Callable, Iterable
from contextlib import aclosing

from angarium_operator.api import Api, ApiRefused, Object
from angarium_operator.kinds import SECRET
from angarium_operator.planning import Key, Snapshot
from angarium_operator.planning.snapshot import SecretName

log = logging.getLogger(__name__)
IDLE = 1.0  # s between looks whether somebody refers to a Secret
AGAIN = 1.0  # s after a watch that ended; what changes meanwhile is read when the next one begins


class ReferredSecrets:
    """Keeps in doubt what may have changed; whoever is planned for next has it read."""

    def __init__(
        self, api: Api, snapshot: Snapshot, concern: Callable[[Iterable[Key]], None], idle_seconds: float
    ) -> None:
        """`idle_seconds` of silence end a watch: the server says something at least once a minute."""
        self._api, self._snapshot, self._concern = api, snapshot, concern
        self._idle_seconds = idle_seconds

    async def follow(self, namespace: str) -> float:
        """One watch of a namespace, or of all (""); the seconds until the next."""
        if not self._wanted(namespace):
            return IDLE
        try:
            await self._watch(namespace)
        except ApiRefused as refused:
            said = {"namespace": namespace, "error": str(refused)}
            log.warning("the watch of secrets broke; trying again", extra=said)
            return max(refused.retry_after, _soon())
        return _soon()

    async def _watch(self, namespace: str) -> None:
        version = await self._api.version(SECRET.plain, namespace)
        self._concern(self._snapshot.doubt_referred(*self._wanted(namespace)))  # what changed before is in no event
        async with aclosing(self._api.watch_metadata(SECRET.plain, namespace, version, self._idle_seconds)) as events:
            async for event in events:
                if event["type"] == "ERROR":  # the version is too old: begin anew
                    return
                self._heard(event["object"]["metadata"])

    def _heard(self, metadata: Object) -> None:
        name = SecretName(metadata.get("namespace", ""), metadata.get("name", ""))
        if self._snapshot.secret_readers(name):
            self._concern(self._snapshot.doubt_referred(name))

    def _wanted(self, namespace: str) -> list[SecretName]:
        return [name for name in self._snapshot.referred_secrets() if namespace in ("", name.namespace)]


def _soon() -> float:
    return AGAIN * random.uniform(0.8, 1.2)  # noqa: S311 - it only spreads the load
