"""Publishing: the operator's side of the config records."""

import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from angarium.keys import ConfigKeys
from angarium.link import Argument, Link
from angarium.lua import Script
from angarium.records import Record

PUBLISH = Script("angarium.config", "publish")
CLAIM = Script("angarium.config", "claim")


@dataclass(frozen=True, slots=True)
class StoreState:
    """Which life of the store this is, and its last revision; `epoch` is empty where there are no records."""

    epoch: str
    revision: int
    records: int


class RecordsLost(Exception):
    """The store is not the one that was written to before; `begin` with all records."""


class Superseded(Exception):
    """Another writer has begun a later term: nothing was written."""


class ConfigStore:
    """Writes records. First `adopt` what is there, or `begin` where nothing is; then `publish` changes.

    One of several writers first begins a term (`claim`).
    """

    def __init__(self, link: Link, prefix: str = "ang") -> None:
        self._link = link
        self._keys = ConfigKeys(prefix)
        self._floor = 0  # revisions rise even when Redis has lost its count
        self._term = 0
        self.epoch = ""
        self.revision = 0  # that the store had when we last read or wrote all of it

    async def state(self) -> StoreState:
        """Which store this is; compare its epoch with our own to see whether records were lost."""
        (epoch, revision), count = await self._link.call_many(
            [("HMGET", self._keys.state, "epoch", "revision"), ("HLEN", self._keys.records)]
        )
        return StoreState((epoch or b"").decode(), int(revision or 0), count)

    async def claim(self) -> None:
        """Begin a term: from now on no other writer's writes count, not even those that are on their way."""
        self._term = await CLAIM.run(self._link, [self._keys.state], [])

    async def adopt(self) -> dict[str, tuple[int, str]]:
        """Go on with the store as it stands: its records, key → (revision, JSON). Empty where it must `begin`."""
        state = await self.state()
        self.epoch, self._floor, self.revision = state.epoch, max(self._floor, state.revision), state.revision
        return await self.read() if state.epoch else {}

    async def begin(self, records: Iterable[Record]) -> Mapping[str, int]:
        """Start a new epoch with all records at once, so that no pod ever sees a part of them; revisions by key.

        It goes on from the time in seconds, so that revisions rise even when nobody remembers the last one.
        """
        self.epoch, self._floor = "", max(self._floor, int(time.time()))
        return await self.publish(records)

    async def publish(self, records: Iterable[Record], deleted: Iterable[str] = ()) -> Mapping[str, int]:
        """Write and delete, all or nothing; revisions by key.

        Raises RecordsLost, Superseded, StorageUnavailable, StorageFull.
        """
        changes = [(record.key, record.model_dump_json(exclude={"revision"})) for record in records]
        changes += [(key, "") for key in deleted]
        arguments: list[Argument] = [self.epoch, secrets.token_hex(8), self._floor, self._term]
        for change in changes:
            arguments += change
        keys = [self._keys.records, self._keys.state, self._keys.changes]
        answer, epoch, *rest = await PUBLISH.run(self._link, keys, arguments)
        if answer == b"superseded":
            raise Superseded
        if answer != b"published":
            raise RecordsLost
        self.epoch, self._floor = epoch.decode(), rest[0]
        self.revision = self._floor
        first = self._floor - len(changes) + 1
        return {key: first + i for i, (key, _) in enumerate(changes)}

    async def lacks(self, key: str, id_: str, revision: int) -> bool:
        """Whether an object that was known at `revision` is deleted for certain: not where the records are lost or
        older than that, nor where a record stands that only we can't read."""
        (epoch, known), text = await self._link.call_many(
            [("HMGET", self._keys.state, "epoch", "revision"), ("HGET", self._keys.records, key)]
        )
        if not epoch or int(known or 0) < revision:
            return False
        return text is None or _id_of(text) not in ("", id_)

    async def read(self) -> dict[str, tuple[int, str]]:
        """All records as they stand: key → (revision, JSON without it)."""
        reply = await self._link.call("HGETALL", self._keys.records)
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        return {key.decode(): split_record(text) for key, text in pairs}


def _id_of(text: bytes) -> str:
    try:
        return str(json.loads(split_record(text)[1])["id"])
    except (ValueError, KeyError, TypeError):
        return ""


def split_record(text: bytes) -> tuple[int, str]:
    """Revision and JSON of a stored record."""
    revision, _, document = text.decode().partition(" ")
    return int(revision), document
