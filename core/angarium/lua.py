"""Lua scripts are files, one for each transition, read once; this runs them.

A script is named by its SHA-1 (EVALSHA); a server that has forgotten it (restart, failover) gets the text once more.
What several scripts do alike stands in files of their own, preludes, which go between a script's first line (`#!lua`,
with its flags) and the rest.
"""

import hashlib
from importlib.resources import files
from typing import Any

from angarium.errors import NoScript
from angarium.link import Argument, Link


class Script:
    """One file of Lua: its head tells KEYS, ARGV, result and invariant."""

    def __init__(self, package: str, name: str, prelude: str = "") -> None:
        """`prelude`: names of files, with spaces between; the second may use what the first has."""
        folder = files(package).joinpath("scripts")
        self.name = name
        self.text = folder.joinpath(f"{name}.lua").read_text(encoding="utf-8")
        if prelude:
            first, rest = self.text.split("\n", 1)
            shared = [folder.joinpath(f"{each}.lua").read_text(encoding="utf-8") for each in prelude.split()]
            self.text = f"{first}\n{''.join(shared)}{rest}"
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, link: Link, keys: tuple[str, ...] | list[str], arguments: list[Argument]) -> Any:
        """The script's result; raises what Link.call raises."""
        try:
            return await link.call("EVALSHA", self.sha, len(keys), *keys, *arguments)
        except NoScript:
            return await link.call("EVAL", self.text, len(keys), *keys, *arguments)
