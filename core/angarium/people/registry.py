"""Writing users: many at a time, each wholly or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from angarium.identifiers import user_id
from angarium.people.store import Store, script
from angarium.people.user import Reference, User, read_user

SAVE = script("save")
ERASE = script("erase")
DEVICE = script("device")
BATCH = 50  # rows in one script: 1 ms of Redis, which others wait for

Row = dict[str, Any]


class TooManyDevices(Exception):
    """The user has as many as there may be; `limit` says how many."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class Saved:
    """What became of it. Refused: `field` ('' for the row) and `why` as save.lua has them, `other`: whom it meets."""

    result: Literal["created", "updated", "refused"]
    id: str = ""
    field: str = ""
    why: str = ""
    other: str = ""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was forgotten."""

    user: User
    groups: tuple[str, ...]


class Registry(Store):
    """What the gateway does to users."""

    async def save(self, tenant: str, rows: Sequence[Row], group: int | None = None) -> list[Saved]:
        """Create or change up to `BATCH` users, and make them members of a group; atomically, and safe to repeat.

        A row has what is to be changed: key, name, phone, email, locale, channels, slack, telegram, devices [{token,
        platform}], with None for what is taken away; `id` where an existing user is meant.
        """
        if len(rows) > BATCH:
            raise ValueError(f"{BATCH} rows at a time, at most")
        pairs = [text for row in rows for text in (user_id(), orjson.dumps(_plain(row)))]
        limits = self.limits
        results = await self._run(
            SAVE, tenant, limits.users, limits.devices, "" if group is None else group, limits.members, *pairs
        )
        return [_saved(result) for result in results]

    async def erase(self, tenant: str, user: str) -> Erased | None:
        """Forget a user, by id, with devices, memberships and all that leads there; None: there is none."""
        found = await self._run(ERASE, tenant, user)
        if not found:
            return None
        groups = sorted([name.decode() for name in found[1:]])
        return Erased(read_user(user.encode(), found[0]), tuple(groups))

    async def set_device(
        self, tenant: str, reference: Reference, token: str, platform: str, replaces: str = ""
    ) -> tuple[str, bool] | None:
        """Give a user a device, which is nobody else's then; it takes the place of their device `replaces`.

        Their id, and whether the device is new to them; None: there is no such user. Raises TooManyDevices.
        """
        limit = self.limits.devices
        answer, *rest = await self._run(DEVICE, tenant, *reference.arguments, token, platform, replaces, limit)
        match answer:
            case b"unknown":
                return None
            case b"full":
                raise TooManyDevices(limit)
            case _:
                return rest[0].decode("ascii"), answer == b"added"


def _plain(row: Row) -> Row:
    """Empty lists as None: Lua can't tell them from objects."""
    return {name: None if value in ([], ()) else value for name, value in row.items()}


def _saved(result: list[bytes]) -> Saved:
    answer, *rest = [part.decode() for part in result]
    match answer:
        case "created":
            return Saved("created", rest[0])
        case "updated":
            return Saved("updated", rest[0])
        case _:
            return Saved("refused", field=rest[0], why=rest[1], other=rest[2])
