"""A group's notification becomes one for each recipient, part by part, each step once whoever dies meanwhile.

What was posted has one delivery for the group. Whoever works on that reads some members and makes a part of them: a
notification of up to some hundred recipients, stored in the same script that notes in the group's own notification how
far it is. So a step that is made again, after a kill or by a deliverer that was thought dead, finds that it was made,
whoever has joined or left the group meanwhile. Parts are in the shard of what they are parts of, and counted there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b

from angarium.identifiers import part_id
from angarium.link import Argument
from angarium.notifications import Notification, Target
from angarium.queue.codec import write_doc, write_target
from angarium.queue.intake import BacklogFull
from angarium.queue.queue import Queue, script

EXPAND = script("expand")
REMEMBERED_S = 24 * 3600
END = "-"  # instead of a cursor


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a group's expansion is: parts made, and where its list goes on (empty: at the beginning)."""

    parts: int = 0
    cursor: str = ""

    @property
    def done(self) -> bool:
        """Whether everybody is in a part."""
        return self.cursor == END

    @property
    def text(self) -> str:
        """As it is kept."""
        return f"{self.parts} {self.cursor}" if self.parts else ""

    def then(self, cursor: str | None) -> "Progress":
        """After another step, at whose end the list goes on at `cursor` (None: nowhere)."""
        return Progress(self.parts + 1, cursor or END)


def read_progress(text: bytes | None) -> Progress:
    """The inverse of `text`."""
    parts, _, cursor = (text or b"").decode("ascii").partition(" ")
    return Progress(int(parts or 0), cursor)


class Expander:
    """What a deliverer writes of groups."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def progress(self, notification: Notification, index: int) -> Progress:
        """How far the expansion of its `index`-th delivery is."""
        key = self._queue.keys_of(notification.id).notification(notification.id)
        return read_progress(await self._queue.link.call("HGET", key, f"g{index}"))

    async def count(self, notification: Notification, index: int) -> int:
        """Recipients that the group has been expanded to."""
        key = self._queue.keys_of(notification.id).notification(notification.id)
        return int(await self._queue.link.call("HGET", key, f"g{index}:all") or 0)

    async def add(
        self,
        notification: Notification,
        index: int,
        step: tuple[Progress, Progress],
        targets: Iterable[tuple[Target, bool]],
        quota: int | None,
    ) -> Progress:
        """Make a part of these, and go from the first of `step` to the second; how far it is then.

        Of each target it is said whether an earlier part may have reached it: then it is left out. Raises BacklogFull,
        StorageFull and StorageUnavailable: nothing was made then, or it will be found to have been.
        """
        at, then = step
        part = replace(
            notification, id=part_id(notification.id, index, at.parts), body=b"", targets=(), part_of=notification.id
        )
        recipients: list[Argument] = [
            value
            for target, may_be_known in targets
            for value in (target.id, write_target(target), _hash(target) if may_be_known else "")
        ]
        answer, said = await EXPAND.run(
            self._queue.link,
            [self._queue.keys_of(notification.id).notification(notification.id)],
            [notification.id, index, at.text, then.text, part.id, at.parts, write_doc(part, "k"), notification.tenant,
             notification.lane, quota or 0, REMEMBERED_S, *recipients],
        )  # fmt: skip
        match answer:
            case b"stored":
                return then
            case b"moved":
                return read_progress(said)
            case _:
                raise BacklogFull(said)


def _hash(target: Target) -> bytes:
    return blake2b(f"{target.name} {target.to}".encode(), digest_size=8).digest()
