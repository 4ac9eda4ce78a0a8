"""Where gateways and the operator meet: a stream of the edits that are open, and a reply for each.

An edit stays in the stream until it is answered, so one that a killed operator had begun is begun again by the next.
Nobody may wait there for long: an edit that has not been begun when its caller gives up is void.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from angarium.edits.model import Edit, Reply
from angarium.keys import ConfigKeys
from angarium.link import Link
from angarium.lua import Script

ASK = Script("angarium.edits", "ask")
OPEN = Script("angarium.edits", "open")
ANSWER = Script("angarium.edits", "answer")
LONGEST_LIFE_MS = 120_000  # of an edit; none stays in the stream for longer, whatever becomes of everybody
MOST_OPEN = 256  # edits, of all tenants
AT_ONCE = 64  # edits that an operator reads in one go
REMEMBERED_S = 86_400  # that a success is told again to the same Idempotency-Key
TOLD_S = 60  # that other replies are kept, for those who wait now
BLOCK_MS = 2000


class EditsFull(Exception):
    """So many edits are open that no more are taken."""


class Asked(NamedTuple):
    """`mismatch`: the id was used for another edit. `reply` is there where the edit was answered before."""

    mismatch: bool = False
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class OpenEdit:
    """An edit that waits for the operator; `edit` is None where it can't be read."""

    entry: str
    fingerprint: str
    edit: Edit | None
    void: bool  # it may no longer be begun


class EditStore:
    """The gateway's side (`ask`, `reply`) and the operator's (`wait`, `answer`, `drop`)."""

    def __init__(self, link: Link, prefix: str = "ang") -> None:
        """`wait` needs a link of its own, whose time-out exceeds BLOCK_MS."""
        self._link = link
        self._keys = ConfigKeys(prefix)

    async def ask(self, edit: Edit, fingerprint: str, life_s: float) -> Asked:
        """Have an edit done, unless it was; raises EditsFull. `fingerprint` tells whether it is the same edit again.

        It must have been begun within `life_s` seconds.
        """
        keys = [self._keys.edits, self._keys.edit_reply(edit.id)]
        text = edit.model_dump_json(exclude_defaults=True)
        life_ms = min(int(life_s * 1000), LONGEST_LIFE_MS)
        said, reply = await ASK.run(self._link, keys, [fingerprint, text, life_ms, LONGEST_LIFE_MS, MOST_OPEN])
        if said == b"full":
            raise EditsFull
        return Asked(said == b"mismatch", Reply.model_validate_json(reply) if said == b"answered" else None)

    async def reply(self, id_: str) -> Reply | None:
        """What the operator said, or None as long as it hasn't."""
        text = await self._link.call("GET", self._keys.edit_reply(id_))
        _, _, reply = (text or b"").partition(b" ")
        return Reply.model_validate_json(reply) if reply else None

    async def wait(self) -> list[OpenEdit]:
        """The edits that are open, oldest first, as soon as there are any; none after a while."""
        if not await self._link.call("XREAD", "COUNT", 1, "BLOCK", BLOCK_MS, "STREAMS", self._keys.edits, "0-0"):
            return []
        now_ms, entries = await OPEN.run(self._link, [self._keys.edits], [AT_ONCE])
        return [_open(entry, now_ms) for entry in entries]

    async def answer(self, opened: OpenEdit, reply: Reply) -> None:
        """Reply, and close the edit."""
        if opened.edit is None:
            raise ValueError("nobody can be told")
        keys = [self._keys.edits, self._keys.edit_reply(opened.edit.id)]
        kept = REMEMBERED_S if opened.edit.keyed and not reply.refused else TOLD_S
        text = f"{opened.fingerprint} {reply.model_dump_json(exclude_defaults=True)}"
        await ANSWER.run(self._link, keys, [opened.entry, text, kept * 1000])

    async def drop(self, opened: OpenEdit) -> None:
        """Close an edit that nobody waits for any more."""
        await self._link.call("XDEL", self._keys.edits, opened.entry)


def _open(entry: Any, now_ms: int) -> OpenEdit:
    id_, fields = entry[0].decode(), dict(zip(entry[1][::2], entry[1][1::2], strict=True))
    void = int(id_.partition("-")[0]) + int(fields.get(b"l", 0)) < now_ms
    try:
        edit = Edit.model_validate_json(fields.get(b"e", b""))
    except ValidationError:
        edit = None
    return OpenEdit(id_, fields.get(b"f", b"").decode(), edit, void or edit is None)
