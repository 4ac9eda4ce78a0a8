"""Following: a pod's own copy of the config, kept current by the log of changes.

What can't be read leaves the last good record in place, for that object alone. When Redis is away, or has lost the
records, the copy stays as it is until the operator has published them again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pydantic import ValidationError

from angarium.config.presence import Applied
from angarium.config.store import split_record
from angarium.errors import StorageRefused, StorageUnavailable
from angarium.keys import ConfigKeys
from angarium.link import Link
from angarium.records import RECORD, AnyRecord
from angarium.settings import RedisSettings

log = logging.getLogger(__name__)
BLOCK_MS = 2000
Accept = Callable[[AnyRecord], None]
Listener = Callable[[dict[str, AnyRecord | None]], None]


class ConfigTail:
    """`records` by key. Listeners hear what changed: the new record, or None where it was deleted."""

    def __init__(self, redis: RedisSettings, accept: Accept | None = None, prefix: str = "ang") -> None:
        """`accept` may refuse a record by raising ValueError: it is then rejected, like one that can't be read."""
        self._accept = accept
        self._link = Link(redis, timeout=BLOCK_MS / 1000 + redis.timeout)
        self._keys = ConfigKeys(prefix)
        self._listeners: list[Listener] = []
        self._applied_listeners: list[Callable[[], None]] = []
        self._rejected: set[str] = set()
        self._last_id = "0-0"
        self._current = False  # whether the log alone tells what is new
        self._again = False  # whether what was rejected is to be read again
        self.records: dict[str, AnyRecord] = {}
        self.epoch = ""
        self.revision = 0
        self.loaded = asyncio.Event()  # set once the records were read for the first time, be they none

    def listen(self, listener: Listener) -> None:
        """Call `listener` with each set of changes, and now with all there are."""
        self._listeners.append(listener)
        if self.records:
            listener(dict(self.records))

    def retry(self) -> None:
        """Read again what was rejected: it may be accepted now."""
        self._again = True

    @property
    def applied(self) -> Applied:
        """What this pod works with."""
        return Applied(self.epoch, self.revision, tuple(sorted(self._rejected)))

    async def run(self) -> None:
        """Follow until cancelled; survives Redis being away."""
        async with self._link:
            while True:
                try:
                    await self._follow()
                except StorageUnavailable:
                    self._current = False
                except StorageRefused:
                    log.exception("config can't be read")
                    self._current = False
                    await asyncio.sleep(1)

    async def _follow(self) -> None:
        if not self._current:
            await self._load()
            return
        if self._again:
            self._again = False
            if self._rejected:
                await self._apply(self._rejected, self.revision)
        reply = await self._link.call(
            "XREAD", "COUNT", 500, "BLOCK", BLOCK_MS, "STREAMS", self._keys.changes, self._last_id
        )
        changes = _changes(reply)
        if not changes:
            epoch = await self._link.call("HGET", self._keys.state, "epoch")
            self._current = epoch is not None and epoch.decode() == self.epoch
        elif changes[0].revision != self.revision + 1 or any(change.epoch != self.epoch for change in changes):
            self._current = False  # the log was cut, or begun anew
        else:
            self._last_id = changes[-1].id
            await self._apply(dict.fromkeys(change.key for change in changes), changes[-1].revision)

    async def _load(self) -> None:
        """Read all records. In another epoch nothing of the old one is kept, but an empty store changes nothing."""
        last, (epoch, revision), stored = await self._link.call_many(
            [
                ("XREVRANGE", self._keys.changes, "+", "-", "COUNT", 1),
                ("HMGET", self._keys.state, "epoch", "revision"),
                ("HGETALL", self._keys.records),
            ]
        )
        if epoch is None:
            self.loaded.set()
            await asyncio.sleep(0.5)
            return
        texts = stored if isinstance(stored, dict) else dict(zip(stored[::2], stored[1::2], strict=True))
        found = {key.decode(): text for key, text in texts.items()}
        gone = [key for key in self.records if key not in found]
        self._last_id = last[0][0].decode() if last else "0-0"
        self.epoch = epoch.decode()
        self._take({key: found.get(key) for key in [*found, *gone]}, int(revision))
        self._current = True
        self.loaded.set()

    async def _apply(self, keys: Iterable[str], revision: int) -> None:
        names = list(keys)
        texts = await self._link.call("HMGET", self._keys.records, *names)
        self._take(dict(zip(names, texts, strict=True)), revision)

    def _take(self, texts: dict[str, bytes | None], revision: int) -> None:
        changed: dict[str, AnyRecord | None] = {}
        for key, text in texts.items():
            record = self._read(key, text)
            if record is None and text is not None:
                continue  # the last good one stays
            if record != self.records.get(key):
                changed[key] = record
            if record is None:
                self.records.pop(key, None)
            else:
                self.records[key] = record
        self.revision = revision
        if changed:
            for listener in self._listeners:
                listener(changed)
        for notify in self._applied_listeners:
            notify()

    def _read(self, key: str, text: bytes | None) -> AnyRecord | None:
        self._rejected.discard(key)
        if text is None:
            return None
        try:
            revision, json = split_record(text)
            record = RECORD.validate_json(json).model_copy(update={"revision": revision})
            if self._accept:
                self._accept(record)
        except ValueError as error:
            self._rejected.add(key)
            problem = _without_input(error) if isinstance(error, ValidationError) else str(error)
            log.error(  # noqa: TRY400 - a trace would show the record's values
                "a config record can't be used; its last good one stays", extra={"record": key, "problem": problem}
            )
            return None
        return record

    def on_applied(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a revision was applied (for Presence.hurry)."""
        self._applied_listeners.append(listener)


def _without_input(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))


class _Change(NamedTuple):
    id: str
    key: str
    revision: int
    epoch: str


def _changes(reply: Any) -> list[_Change]:
    """What XREAD brought, in the shapes of RESP2 and RESP3."""
    if not reply:
        return []
    entries = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    if entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], list):
        entries = entries[0]
    return [_Change(id_.decode(), f[1].decode(), int(f[3]), f[5].decode()) for id_, f in entries]
