"""A clock that is wrong, for a child process that has this folder on its PYTHONPATH.

Python imports `sitecustomize` at its start. `time.time` and `time.time_ns` then run by as many seconds apart from the
machine's as the file CHAOS_CLOCK says, which is read again ten times a second; monotonic clocks are left alone, as NTP
leaves them.
"""

import os
import time
from pathlib import Path

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


if path:
    _clock = WrongClock(Path(path))
    time.time, time.time_ns = _clock.time, _clock.time_ns
