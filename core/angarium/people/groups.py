"""Groups: names for lists of users. Their members are read by `People`, and come by `Registry.save`."""

import secrets
from dataclasses import dataclass
from typing import Any

from angarium import cursors
from angarium.people.people import NoSuchGroup
from angarium.people.store import Store, script

CREATE = script("create")
DISBAND = script("disband")
LEAVE = script("leave")
GROUPS = script("groups")


class GroupExists(Exception):
    """There is one of this name."""


class TooManyGroups(Exception):
    """The tenant has as many as there may be; `limit` says how many."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Group:
    """`number` is its own for ever; another group of the same name gets another."""

    name: str
    number: int
    created_ms: int
    members: int


@dataclass(frozen=True, slots=True)
class GroupPage:
    """By name; `cursor` is None at the end."""

    groups: list[Group]
    cursor: str | None


class Groups(Store):
    """What the gateway does to groups."""

    async def create(self, tenant: str, name: str) -> int:
        """A new group's number; raises GroupExists and TooManyGroups. Safe to repeat."""
        answer, number = await self._run(CREATE, tenant, name, self.limits.groups, secrets.token_hex(4))
        match answer:
            case b"created":
                return int(number)
            case b"exists":
                raise GroupExists
            case _:
                raise TooManyGroups(self.limits.groups)

    async def one(self, tenant: str, name: str) -> Group | None:
        """A group by its name."""
        found = await self._run(GROUPS, tenant, f"[{name}", f"[{name}", 1)
        return _group(found[0]) if found else None

    async def page(self, tenant: str, cursor: str | None = None, limit: int = 100) -> GroupPage:
        """Some of the tenant's groups, by name; raises InvalidCursor."""
        bound = cursors.bind(tenant, "groups")
        first = f"({cursors.read(bound, cursor)}" if cursor else "-"
        found = [_group(row) for row in await self._run(GROUPS, tenant, first, "+", limit + 1)]
        page = found[:limit]
        return GroupPage(page, cursors.write(bound, page[-1].name) if len(found) > limit else None)

    async def disband(self, tenant: str, name: str) -> int:
        """Delete a group, and say how many members it had; raises NoSuchGroup. They stay users."""
        return self._there(await self._run(DISBAND, tenant, name))

    async def leave(self, tenant: str, name: str, users: list[str]) -> int:
        """Take users out of a group, by id, up to 1,000; how many were members. Raises NoSuchGroup."""
        return self._there(await self._run(LEAVE, tenant, name, *users))

    @staticmethod
    def _there(count: Any) -> int:
        if count < 0:
            raise NoSuchGroup
        return int(count)


def _group(row: list[Any]) -> Group:
    return Group(row[0].decode(), row[1], row[2], row[3])
