"""What was checked, how it is, and what to mend."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARNING = "warning"  # it works, and may not for long
    PROBLEM = "problem"
    UNKNOWN = "unknown"  # it could not be checked from here


@dataclass(frozen=True, slots=True)
class Item:
    """One check; `do` says what to mend, or how to have it checked."""

    check: str
    level: Level
    found: str
    do: str = ""


def ok(check: str, found: str) -> Item:
    """Nothing to mend."""
    return Item(check, Level.OK, found)


def warning(check: str, found: str, do: str) -> Item:
    """To be mended when there is time."""
    return Item(check, Level.WARNING, found, do)


def problem(check: str, found: str, do: str) -> Item:
    """To be mended now."""
    return Item(check, Level.PROBLEM, found, do)


def unknown(check: str, found: str, do: str = "") -> Item:
    """It could not be checked."""
    return Item(check, Level.UNKNOWN, found, do)


def exit_code(items: Sequence[Item]) -> int:
    """1 where there is a problem, or where nothing at all could be checked."""
    levels = {item.level for item in items}
    return 1 if Level.PROBLEM in levels or levels <= {Level.UNKNOWN} else 0


def as_text(items: Sequence[Item]) -> str:
    """A line for each, with what to do below; the sum at the end."""
    lines = []
    for item in items:
        lines.append(f"{item.level.value:<8} {item.check:<22} {item.found}")
        lines += [f"{'':<31} → {item.do}"] * bool(item.do)
    return "\n".join([*lines, _sum(items)])


def as_json(items: Sequence[Item]) -> str:
    """For scripts."""
    document = {"ok": exit_code(items) == 0, "checks": [asdict(item) for item in items]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def some(names: Iterable[str]) -> str:
    """The first five, and how many there are beyond."""
    known = list(names)
    return ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")


def _sum(items: Iterable[Item]) -> str:
    levels = [item.level for item in items]
    counts = [f"{levels.count(level)} {level.value}" for level in Level if level in levels]
    return ", ".join(counts)
