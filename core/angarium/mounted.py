"""Files whose content may change while a process runs, as a mounted Secret's does.

Kubernetes brings a change within a minute or two, to each pod at another time. What can't be read then is told once,
and what was read last stays.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
LOOK_EVERY = 5.0  # s, for those who look by themselves


class Mounted(Generic[T]):
    """`value` is what `read` makes of the text in the file; `look` reads it again."""

    def __init__(self, path: Path | None, read: Callable[[str], T], value: T) -> None:
        """`value` is what was read at start; without a path it never changes. `read` may raise ValueError."""
        self._path, self._read = path, read
        self._text: str | None = None
        self.value = value

    def look(self) -> bool:
        """Whether the value is another one now."""
        if self._path is None:
            return False
        try:
            text = self._path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            return self._stays("", type(error).__name__)
        if text == self._text:
            return False
        try:
            value = self._read(text)
        except ValueError as error:
            return self._stays(text, str(error))
        self._text = text
        if value == self.value:
            return False
        self.value = value
        return True

    def _stays(self, text: str, problem: str) -> bool:
        if text != self._text:
            log.warning(
                "a file has changed and can't be used; its last content stays",
                extra={"path": str(self._path), "problem": problem},
            )
        self._text = text
        return False
