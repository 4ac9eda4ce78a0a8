"""Lua scripts are files, one for each transition, read once; this runs them.

A script is named by its SHA-1 (EVALSHA); a server that has forgotten it (restart, failover) gets the text once more.
"""

import hashlib
from importlib.resources import files
from typing import Any

from angarium.link import Argument, Link, NoScript


class Script:
    """One file of Lua: its head tells KEYS, ARGV, result and invariant."""

    def __init__(self, package: str, name: str) -> None:
        self.name = name
        self.text = files(package).joinpath("scripts", f"{name}.lua").read_text(encoding="utf-8")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, link: Link, keys: tuple[str, ...] | list[str], arguments: list[Argument]) -> Any:
        """The script's result; raises what Link.call raises."""
        try:
            return await link.call("EVALSHA", self.sha, len(keys), *keys, *arguments)
        except NoScript:
            return await link.call("EVAL", self.text, len(keys), *keys, *arguments)
