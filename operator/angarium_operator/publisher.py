"""The published records: kept in the snapshot as they stand in the store, and published again when it lost them."""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from angarium.config import ConfigStore, RecordsLost, Superseded
from angarium.errors import StorageFull, StorageUnavailable
from angarium.records import (
    RECORD,
    CallbackRecord,
    OrganizationRecord,
    ProductRecord,
    ProviderRecord,
    Record,
    TopicRecord,
)
from angarium.telemetry.metrics import CONFIG_REVISION
from angarium_operator.mandate import Permit, unlimited
from angarium_operator.planning import Key, Plan, Published, Snapshot, plan

KNOWN = (ProductRecord, OrganizationRecord, CallbackRecord, ProviderRecord, TopicRecord)
log = logging.getLogger(__name__)


class Publisher:
    """The operator's only way to the store. `concern` hears whose records turned out to be other than was thought."""

    def __init__(
        self,
        store: ConfigStore,
        snapshot: Snapshot,
        concern: Callable[[Iterable[Key]], None],
        doubt: timedelta,
        permit: Permit = unlimited,
    ) -> None:
        self._store = store
        self._permit = permit
        self._claimed = permit() == math.inf  # who is alone needs no term
        self._snapshot = snapshot
        self._concern = concern
        self._doubt = doubt
        self._lock = asyncio.Lock()
        self._loaded = False
        snapshot.stored = False

    @property
    def epoch(self) -> str:
        """Of the store, as we know it."""
        return self._store.epoch

    async def publish(self, record: Record) -> None:
        """Publish; raises StorageUnavailable, StorageFull, or RecordsLost where all must be planned anew."""
        async with self._writing():
            revisions = await self._store.publish([record])
        self._note(record, revisions[record.key])

    async def withdraw(self, key: Key) -> None:
        """Delete a record."""
        async with self._writing():
            revisions = await self._store.publish([], [str(key)])
        self._snapshot.published.pop(key, None)
        CONFIG_REVISION.set(revisions[str(key)])

    async def check(self) -> bool:
        """See whether the store is there and still the one we know; mend it if not. Whether it can be used."""
        async with self._lock:
            try:
                await self._claim()
                state = await self._store.state()
                known = self._loaded and state.epoch == self._store.epoch != ""
                # Less: a failover lost the last ones. More: another wrote, of a version before terms, in a rollout.
                moved = state.revision != self._store.revision
                if not known or moved or state.records != len(self._snapshot.published):
                    await self._recover()
            except RecordsLost:  # somebody began it just now: the next look takes it as it is
                self._loaded = False
                return False
            except Superseded:
                self._superseded()
                return False
            except (StorageUnavailable, StorageFull) as error:
                if self._snapshot.stored:
                    log.warning("records can't be published now", extra={"error": str(error)})
                self._snapshot.stored = False
                return False
        return True

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        async with self._lock:
            if not self._snapshot.stored:
                raise StorageUnavailable("the store can't be read")
            self._ask()
            try:
                try:
                    yield
                except RecordsLost:
                    await self._recover()
                    raise
            except Superseded:
                self._superseded()
                raise StorageUnavailable("another operator writes the records") from None

    def _ask(self) -> None:
        if self._permit() <= 0:
            raise StorageUnavailable("another operator leads, or may lead by now")

    async def _claim(self) -> None:
        """Once in our time, and again where somebody else claims it though we still have the mandate."""
        self._ask()
        if not self._claimed:
            await self._store.claim()
            self._claimed = True

    def _superseded(self) -> None:
        log.warning("another operator has claimed the records")
        self._claimed = self._loaded = self._snapshot.stored = False

    async def _recover(self) -> None:
        """Take the store as it is; where it is empty, give it all records at once."""
        snapshot = self._snapshot
        found = await self._store.adopt()
        if self._store.epoch:
            before, snapshot.published = snapshot.published, _parsed(found)
            CONFIG_REVISION.set(max((revision for revision, _ in found.values()), default=0))
            if before:
                log.warning("the store holds other records than were published; comparing")
        else:
            await self._begin()
        self._loaded = True
        snapshot.plane = replace(snapshot.plane, doubted_until=datetime.now(UTC) + self._doubt)
        self._concern([*snapshot.everything(), *snapshot.published])

    async def _begin(self) -> None:
        wanted = {key: each for key, each in self._snapshot.published.items() if isinstance(each.record, KNOWN)}
        if wanted:
            log.warning("redis has lost the records; publishing all of them", extra={"records": len(wanted)})
            self._snapshot.restored |= {key for key in wanted if key.kind == "product"}
        else:
            wanted = self._planned()
        self._ask()
        revisions = await self._store.begin(each.record for each in wanted.values())
        self._snapshot.published = {key: each.at(revisions[str(key)]) for key, each in wanted.items()}
        CONFIG_REVISION.set(max(revisions.values(), default=0))

    def _planned(self) -> dict[Key, Published]:
        """All records as they should be, when none is known: a gateway must not see a part of them."""
        snapshot = self._snapshot
        wanted: dict[Key, Published] = {}
        snapshot.stored = True
        try:
            for key in snapshot.everything():
                planned = _tried(snapshot, key)
                if planned.pending:
                    snapshot.pending[key] = planned.pending
                if planned.record is not None:
                    wanted[key] = Published.of(0, planned.record)
        finally:
            snapshot.stored = False
        return wanted

    def _note(self, record: Record, revision: int) -> None:
        plain = record.model_copy(update={"revision": 0})
        key = Key.parse(record.key)
        self._snapshot.published[key] = Published.of(revision, plain, self._snapshot.published.get(key))
        CONFIG_REVISION.set(revision)


def _tried(snapshot: Snapshot, key: Key) -> Plan:
    """The plan, or an empty one where it can't be made: one object must not keep the others' records back."""
    try:
        return plan(snapshot, key, datetime.now(UTC))
    except Exception:
        log.exception("a plan could not be made", extra={"object": str(key)})
        return Plan()


def _parsed(found: dict[str, tuple[int, str]]) -> dict[Key, Published]:
    """What can be read; the rest will be published anew, or is nobody's and withdrawn."""
    parsed: dict[Key, Published] = {}
    for text, (revision, json) in found.items():
        key = Key.parse(text)
        try:
            parsed[key] = Published.of(revision, RECORD.validate_json(json))
        except ValidationError:
            log.warning("a published record can't be read; it is published anew", extra={"record": text})
            parsed[key] = Published.of(revision, Record(namespace=key.namespace, name=key.name))
    return parsed
