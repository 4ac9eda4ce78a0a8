"""Reading users, one by one or a group page by page; and forgetting the devices that are gone."""

from collections.abc import Iterable

from angarium import cursors
from angarium.cursors import InvalidCursor
from angarium.identifiers import is_user_id
from angarium.people.store import Store, script
from angarium.people.user import Page, Reference, User, read_user

FIND = script("find")
PAGE = script("page")
DROP = script("drop")
MEMBERSHIPS = script("memberships")
MOST_AT_ONCE = 1000  # of users in one script: 2 ms of Redis


class NoSuchGroup(Exception):
    """There is none of this name; or it was deleted since the list was begun, and another made."""


class People(Store):
    """What whoever sends needs."""

    async def user(self, tenant: str, reference: Reference | str) -> User | None:
        """One user; a text is an id, phone number, e-mail address or key by its look."""
        [user] = await self.users(tenant, [reference])
        return user

    async def users(self, tenant: str, references: Iterable[Reference | str]) -> list[User | None]:
        """Up to 1,000 users in one round trip, in the order of `references`; None for those that there are not."""
        named = [Reference.of(each) if isinstance(each, str) else each for each in references]
        if len(named) > MOST_AT_ONCE:
            raise ValueError(f"{MOST_AT_ONCE} users at a time, at most")
        found = await self._run(FIND, tenant, *[text for each in named for text in each.arguments])
        return [read_user(*row) if row and row[1] else None for row in found]

    async def page(self, tenant: str, group: str | None, cursor: str | None = None, limit: int = 500) -> Page:
        """Some members of a group (None: of all users), by id; raises NoSuchGroup and InvalidCursor.

        A cursor outlives whoever holds it; it goes on after the last user that was read, also if it has left since.
        """
        bound = cursors.bind(tenant, "members", group)
        if group == "":
            raise NoSuchGroup
        number, after = _position(cursors.read(bound, cursor)) if cursor else ("", "")
        found = await self._run(PAGE, tenant, group or "", number, after, max(1, min(limit, MOST_AT_ONCE)))
        if not found:
            raise NoSuchGroup
        its_number, more, *rest = found
        users = [read_user(id_, doc) for id_, doc in zip(rest[::2], rest[1::2], strict=True) if doc]
        follows = cursors.write(bound, f"{int(its_number)} {rest[-2].decode()}") if more else None
        return Page(users, follows, int(its_number))

    @staticmethod
    def after(tenant: str, group: str, number: int, user: str) -> str:
        """A cursor that goes on after a user of a page, where not all of it was used; `number` is the page's."""
        return cursors.write(cursors.bind(tenant, "members", group), f"{number} {user}")

    async def groups_of(self, tenant: str, user: str) -> list[str]:
        """Names of the groups that a user is in, sorted."""
        return sorted([name.decode() for name in await self._run(MEMBERSHIPS, tenant, user)])

    async def drop_device(self, tenant: str, token: str) -> bool:
        """Forget a device, whosever it is: the push service no longer knows it. Whether there was one."""
        return (await self.drop_devices(tenant, [token])) == [True]

    async def drop_devices(self, tenant: str, tokens: list[str]) -> list[bool]:
        """The same of up to 1,000."""
        return [bool(owner) for owner in await self._run(DROP, tenant, *tokens[:MOST_AT_ONCE])]


def _position(plain: str) -> tuple[str, str]:
    number, _, after = plain.partition(" ")
    if not number.isdecimal() or not is_user_id(after):
        raise InvalidCursor("this is not a cursor")
    return number, after
