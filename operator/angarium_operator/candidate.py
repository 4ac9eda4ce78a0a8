"""Standing for election: reading, taking, renewing and giving up the Lease, by a client of its own.

Nothing else waits in that client's connections, so a flood of writes delays no renewal.
"""

import asyncio
import contextlib
import logging
import math
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from angarium.loops import forever
from angarium_operator import election
from angarium_operator.api import Api, ApiRefused
from angarium_operator.election import Durations, Lease, Sight
from angarium_operator.kinds import LEASE
from angarium_operator.mandate import Mandate, now
from angarium_operator.settings import OperatorSettings

log = logging.getLogger(__name__)
SHORTEST = 0.05  # s between two tries


class Candidate:
    """`step` in a loop. Until `warm` is set the Lease is looked at and left to others: we could not act at once."""

    def __init__(self, api: Api, settings: OperatorSettings, mandate: Mandate, warm: asyncio.Event) -> None:
        self._api, self._mandate, self._warm = api, mandate, warm
        self._namespace, self._name = settings.operator_lease_namespace, settings.operator_lease
        self._durations = Durations(
            settings.operator_lease_seconds, settings.operator_lease_deadline, settings.operator_lease_retry
        )
        self._sight: Sight | None = None
        self._held: Lease | None = None
        self._busy = asyncio.Lock()
        self.identity = f"{settings.pod}_{uuid.uuid4()}"
        self._problem: str | None = None

    def unready(self) -> str | None:
        """What keeps us from ever being elected."""
        return self._problem

    async def step(self) -> float:
        """One look, and what follows from it; seconds to the next."""
        async with self._busy:
            try:
                async with asyncio.timeout(self._durations.deadline / 2):
                    await self._try()
                self._problem = None
            except (ApiRefused, TimeoutError) as error:
                self._failed(error)
        if not self._warm.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._durations.retry):
                    await self._warm.wait()
                return 0.0
        return self._pause()

    async def release(self) -> None:
        """Let the next have it at once; nothing may be written any more."""
        async with self._busy:  # else a renewal under way makes another version of it
            held, self._held = self._held, None
        if held is None:
            return
        try:
            async with asyncio.timeout(self._durations.deadline / 2):
                await self._replace(election.given_up(held))
        except (ApiRefused, TimeoutError) as error:
            log.warning("the lease could not be given up; it will run out", extra={"error": str(error)})
        else:
            log.info("gave up the lease", extra={"lease": self._name})

    async def _try(self) -> None:
        if self._mandate.closed:
            return
        if self._held is not None and not self._mandate.begun.is_set():
            self._held = None  # it ran out: what became of the Lease must be seen first
        if self._held is None:
            await self._seek()
        else:
            await self._renew(self._held)

    async def _seek(self) -> None:
        found = await self._look()
        free = found is None or found.holder == self.identity or (self._sight and now() >= self._sight.free_at)
        if free and self._warm.is_set():
            await self._take(found)

    async def _renew(self, held: Lease) -> None:
        try:
            await self._take(held)
        except ApiRefused as refused:
            if refused.status not in (404, 409):
                raise
            found = await self._look()
            if found is not None and found.holder != self.identity:
                self._held = None
                self._mandate.end()
                log.warning("the lease was taken from us", extra={"holder": found.holder})
                return
            await self._take(found)  # somebody else wrote something into it, or deleted it

    async def _look(self) -> Lease | None:
        try:
            found = election.read(await self._api.get(LEASE, self._namespace, self._name))
        except ApiRefused as refused:
            if refused.status != 404:
                raise
            return None
        self._sight = election.seen(self._sight, found, now())
        return found

    async def _take(self, found: Lease | None) -> None:
        wanted = election.taken(found or Lease(), self.identity, self._durations, datetime.now(UTC))
        began = now()
        self._held = await self._replace(wanted)
        if not self._mandate.begun.is_set():
            said = {"lease": self._name, "identity": self.identity, "transitions": wanted.transitions}
            log.info("leading", extra=said)
        self._mandate.extend(began + self._durations.deadline, began + self._durations.lease)

    async def _replace(self, lease: Lease) -> Lease:
        body = election.manifest(lease, self._namespace, self._name)
        if lease.version:
            return election.read(await self._api.replace(LEASE, self._namespace, self._name, body))
        return election.read(await self._api.create(LEASE, self._namespace, body))

    def _failed(self, error: ApiRefused | TimeoutError) -> None:
        status = error.status if isinstance(error, ApiRefused) else 0
        if status == 409:
            return  # another one was faster
        said = {"lease": self._name, "error": str(error) or "no answer in time"}
        log.warning("the lease can't be read or written", extra=said)
        if 400 <= status < 500 and status != 429:
            self._problem = str(error)

    def _pause(self) -> float:
        """A holder renews, another looks, but not later than the Lease may be free."""
        if self._held is not None or self._sight is None:
            return self._durations.retry
        return min(self._durations.retry, max(self._sight.free_at - now(), SHORTEST))


@contextlib.asynccontextmanager
async def campaign(
    settings: OperatorSettings, mandate: Mandate, warm: asyncio.Event
) -> AsyncIterator[Callable[[], str | None]]:
    """Stand for election while the body runs, and give up the Lease once it has ended; a check for readiness.

    Without a Lease there is no election, and the mandate no end.
    """
    if not settings.operator_lease:
        mandate.extend(math.inf, math.inf)
        yield lambda: None
        return
    async with Api(settings.kubeconfig) as api:
        candidate = Candidate(api, settings, mandate, warm)
        standing = asyncio.create_task(forever("lease", candidate.step))
        try:
            yield candidate.unready
        finally:
            mandate.close()
            await candidate.release()
            standing.cancel()
            await asyncio.gather(standing, return_exceptions=True)
