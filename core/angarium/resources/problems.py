"""What is wrong with a manifest, as people read it: the field's path and the message."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

_WORDS = {"extra_forbidden": "unknown field", "missing": "is required"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One field and what is wrong with it; `at` is its path as keys and positions, to find its line in a file."""

    at: tuple[str | int, ...]
    message: str

    @property
    def field(self) -> str:
        """`spec.events[0]`."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.at).removeprefix(".")

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def problems(error: ValidationError) -> Iterator[Problem]:
    """All that validation found."""
    for detail in error.errors(include_url=False):
        below = str(detail.get("ctx", {}).get("at", "")).split(".")
        at = (*detail["loc"], *(part for part in below if part))
        yield Problem(at, _WORDS.get(detail["type"], detail["msg"]))
