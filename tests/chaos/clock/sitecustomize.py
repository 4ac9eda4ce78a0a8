"""A clock that is wrong, for a child process that has this folder on its PYTHONPATH.

Python imports `sitecustomize` at its start. `time.time` and `time.time_ns` then run by as many seconds apart from the
machine's as the file CHAOS_CLOCK says, which is read again ten times a second; monotonic clocks are left alone, as NTP
leaves them.

Where CHAOS_REDIS_CLOCK names a key, Redis's clock is as many seconds wrong as it says, for every script of Angarium:
a server's clock can't be set for one process, but whoever asks for it can be told a lie.
"""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

path = os.environ.get("CHAOS_CLOCK")


class WrongClock:
    """The machine's clock, shifted."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._true, self._true_ns, self._monotonic = time.time, time.time_ns, time.monotonic
        self._read_at = -1.0
        self._shift = 0

    def _nanoseconds(self) -> int:
        now = self._monotonic()
        if now - self._read_at > 0.1:
            self._read_at = now
            self._shift = int(float(self._file.read_text() or 0) * 1e9)
        return self._shift

    def time(self) -> float:
        """As time.time."""
        return self._true() + self._nanoseconds() / 1e9

    def time_ns(self) -> int:
        """As time.time_ns."""
        return self._true_ns() + self._nanoseconds()


def deceive(script: type[Any], key: str) -> None:
    """Let all that is made of this class ask for the wrong time."""
    original: Callable[..., None] = script.__init__
    lie = (
        "local function wrong_time() local t = redis.call('TIME') "
        f"return {{t[1] + tonumber(redis.call('GET', '{key}') or 0), t[2]}} end\n"
    )

    def made(self: Any, *arguments: Any, **more: Any) -> None:
        original(self, *arguments, **more)
        first, rest = self.text.split("\n", 1)
        self.text = first + "\n" + lie + rest.replace("redis.call('TIME')", "wrong_time()")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    setattr(script, "__init__", made)  # noqa: B010 - mypy takes a plain assignment for a mistake


if path:
    _clock = WrongClock(Path(path))
    time.time, time.time_ns = _clock.time, _clock.time_ns
if redis_key := os.environ.get("CHAOS_REDIS_CLOCK"):
    from angarium.lua import Script

    deceive(Script, redis_key)
