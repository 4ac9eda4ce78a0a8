"""What commands print: tables for people, JSON for scripts."""

import json
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any


class Format(StrEnum):
    """Of `-o`."""

    TABLE = "table"
    JSON = "json"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns as wide as what is in them, as kubectl prints them."""
    cells = [list(header), *([("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    return "\n".join("   ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def as_json(answer: Any) -> str:
    """Just what the gateway answered."""
    return json.dumps(answer, indent=2, ensure_ascii=False)


def show(answer: Any, form: Format, human: Callable[[Any], str]) -> None:
    """Print it as asked for."""
    print(as_json(answer) if form is Format.JSON else human(answer))
