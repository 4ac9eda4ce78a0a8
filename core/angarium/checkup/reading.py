"""Redis as it is, and what Angarium's pods have left in it: read in few round trips, with nothing changed.

Each part may be refused by itself: what an ACL user may not ask is then unknown, and all else is told.
"""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import orjson

from angarium.config.store import ConfigStore, split_record
from angarium.errors import StorageFull, StorageRefused, StorageUnavailable
from angarium.keys import ConfigKeys
from angarium.link import Argument
from angarium.lua import Script
from angarium.queue import Backlog, Census, Layout, Queue
from angarium.records import RECORD, AnyRecord, CallbackRecord, ProviderRecord
from angarium.sealing import Sealer, SealError
from angarium.settings import RedisSettings

MAY = Script("angarium.checkup", "may")
TRIED: tuple[tuple[Argument, ...], ...] = (  # beyond scripts, on a key that is not there
    ("BLPOP", "ang:doctor", "0.001"),
    ("XREAD", "COUNT", 1, "STREAMS", "ang:doctor", "0"),
)
FORBIDDEN = ("NOPERM", "permission", "ACL failure")


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod that beats, or did within the last hour. `revision` is of the config that it has applied."""

    role: str
    name: str
    silent_ms: int
    revision: int = 0
    rejected: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class SealFacts:
    """How many records the keys at hand open: with the current one, with a former one, not at all."""

    current: int = 0
    former: int = 0
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """`away`: why Redis does not answer; all else is empty then."""

    away: str = ""
    servers: tuple[dict[str, str], ...] = ()  # INFO of each master; none where it is refused
    clock_ahead_ms: float = 0.0
    round_trip_ms: float = 0.0
    refused: tuple[str, ...] = ()  # commands that the ACL refuses
    epoch: str = ""
    revision: int = 0
    records: tuple[AnyRecord, ...] = ()
    unreadable: tuple[str, ...] = ()  # keys of records that this version can't read
    pods: tuple[PodFacts, ...] = ()
    seals: SealFacts | None = None
    oldest_edit_ms: int = 0
    backlog: Backlog | None = None
    notes: tuple[str, ...] = field(default=())  # what could not be read


async def read_store(redis: RedisSettings, sealer: Sealer | None = None) -> StoreFacts:
    """All of it; `sealer` has the seal keys, where they are at hand."""
    why = _Hearing()
    logger = logging.getLogger("angarium.wire")
    logger.addHandler(why)
    try:
        async with Queue(redis) as queue:
            await queue.link.call("TIME")
            return await _Reading(queue, sealer).facts()
    except StorageUnavailable as error:
        return StoreFacts(away=why.last or str(error))
    except (StorageRefused, StorageFull) as error:
        return StoreFacts(away=f"it refuses: {error}")
    finally:
        logger.removeHandler(why)


class _Hearing(logging.Handler):
    """Why connecting fails is told in the log alone."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = str(getattr(record, "error", "")) or self.last


class _Reading:
    def __init__(self, queue: Queue, sealer: Sealer | None) -> None:
        self._queue, self._link, self._sealer = queue, queue.link, sealer
        self._keys = ConfigKeys(queue.prefix)
        self._notes: list[str] = []

    async def facts(self) -> StoreFacts:
        """One after the other: a refusal ends nothing but its own part."""
        ahead, trip = await self._clock()
        servers, refused = await self._servers(), await self._refused()
        state = await ConfigStore(self._link, self._queue.prefix).state()
        records, unreadable = await self._records()
        return StoreFacts(
            "", servers, ahead, trip, refused, state.epoch, state.revision, tuple(records), tuple(unreadable),
            await self._pods(), self._seals(records), await self._oldest_edit(), await self._backlog(),
            tuple(self._notes),
        )  # fmt: skip

    async def _clock(self) -> tuple[float, float]:
        began, before = time.time(), time.perf_counter()
        seconds, micros = await self._link.call("TIME")
        trip = time.perf_counter() - before
        return (int(seconds) + int(micros) / 1e6 - began - trip / 2) * 1000, trip * 1000

    async def _servers(self) -> tuple[dict[str, str], ...]:
        try:
            replies = await self._link.call_each("INFO")
        except StorageRefused as error:
            self._notes.append(f"INFO: {error}")
            return ()
        return tuple(dict(line.split(":", 1) for line in raw.decode().splitlines() if ":" in line) for raw in replies)

    async def _refused(self) -> tuple[str, ...]:
        refused = []
        try:
            refused = [name.decode() for name in await MAY.run(self._link, ["ang:doctor"], [])]
        except StorageFull as error:
            self._notes.append(f"the ACL could not be tried: {error}")
        except StorageRefused as error:
            refused.append("EVAL") if _forbidden(error) else self._notes.append(f"scripts: {error}")
        for command in TRIED:
            try:
                await self._link.call(*command)
            except StorageRefused as error:
                refused += [str(command[0])] * _forbidden(error)
        return tuple(refused)

    async def _records(self) -> tuple[list[AnyRecord], list[str]]:
        records, unreadable = [], []
        reply = await self._link.call("HGETALL", self._keys.records)
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        for key, text in pairs:
            try:
                revision, document = split_record(text)
                records.append(RECORD.validate_json(document).model_copy(update={"revision": revision}))
            except ValueError:
                unreadable.append(key.decode())
        return records, unreadable

    async def _pods(self) -> tuple[PodFacts, ...]:
        seconds, _ = await self._link.call("TIME")
        beats = _scored(await self._link.call("ZRANGE", self._keys.beats, 0, -1, "WITHSCORES"))
        if not beats:
            return ()
        texts = await self._link.call("HMGET", self._keys.applied, *beats)
        return tuple(
            _pod(member, max(0, int(seconds) * 1000 - at), orjson.loads(text or b"{}"))
            for (member, at), text in zip(beats.items(), texts, strict=True)
        )

    def _seals(self, records: list[AnyRecord]) -> SealFacts | None:
        if self._sealer is None:
            return None
        current, former, closed = 0, 0, []
        for record in records:
            sealed = _sealed(record)
            if sealed and _opens(self._sealer.current, sealed):
                current += 1
            elif sealed and _opens(self._sealer, sealed):
                former += 1
            elif sealed:
                closed.append(record.key)
        return SealFacts(current, former, tuple(closed))

    async def _oldest_edit(self) -> int:
        seconds, _ = await self._link.call("TIME")
        found = await self._link.call("XRANGE", self._keys.edits, "-", "+", "COUNT", 1)
        return max(0, int(seconds) * 1000 - int(found[0][0].split(b"-")[0])) if found else 0

    async def _backlog(self) -> Backlog | None:
        try:
            await Layout(self._queue).step()
            return await Census(self._queue).backlog()
        except StorageRefused as error:
            self._notes.append(f"backlog: {error}")
            return None


def _forbidden(error: Exception) -> bool:
    return any(word in str(error) for word in FORBIDDEN)


def _scored(reply: Any) -> dict[str, int]:
    """Members and their scores, in the shapes of RESP2 and RESP3."""
    if reply and isinstance(reply[0], list):
        return {member.decode(): int(float(score)) for member, score in reply}
    return {member.decode(): int(float(score)) for member, score in zip(reply[::2], reply[1::2], strict=True)}


def _pod(member: str, silent_ms: int, told: dict[str, Any]) -> PodFacts:
    role, _, name = member.partition(" ")
    return PodFacts(role, name, silent_ms, told.get("r", 0), tuple(told.get("x", ())), told.get("v", ""))


def _sealed(record: AnyRecord) -> str:
    if isinstance(record, CallbackRecord):
        return record.sealed_signing_keys
    return record.sealed_credentials if isinstance(record, ProviderRecord) else ""


def _opens(sealer: Sealer, sealed: str) -> bool:
    try:
        sealer.open(sealed)
    except SealError:
        return False
    return True
