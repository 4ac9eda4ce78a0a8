"""What people, registry and groups share: the connection, the limits, and the scripts."""

from typing import Any

from angarium.keys import PeopleKeys
from angarium.link import Argument, Link
from angarium.lua import Script
from angarium.people.limits import Limits


class Store:
    """`prefix` is that of all keys."""

    def __init__(self, link: Link, limits: Limits | None = None, prefix: str = "ang") -> None:
        self._link = link
        self._prefix = prefix
        self.limits = limits or Limits()

    async def _run(self, script: Script, tenant: str, *arguments: Argument) -> Any:
        """A script's result; raises StorageUnavailable, StorageFull, StorageRefused."""
        return await script.run(self._link, [PeopleKeys(tenant, self._prefix).users], list(arguments))


def script(name: str) -> Script:
    """A script of this package."""
    return Script("angarium.people", name, prelude="people")
