"""The table of values in the chart's README, from the comments of values.yaml, so that each value is explained once.

A comment that begins with `# --` belongs to the key below it, and goes on in the comments between them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import yaml

_KEY = re.compile(r"^( *)([A-Za-z]\w*):")
_COMMENT = re.compile(r"^ *# ?(.*)$")


class Row(NamedTuple):
    """A value: `gateway.replicas`, its default, what it does."""

    path: str
    default: Any
    meaning: str


def rows(text: str) -> Iterator[Row]:
    """Of all keys with a comment of their own, in the order of the file."""
    values = yaml.safe_load(text)
    above: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if told := _COMMENT.match(line):
            words = told[1]
            if words.startswith("-- "):
                comment = [words.removeprefix("-- ")]
            elif comment:
                comment.append(words)
        else:
            if key := _KEY.match(line):
                above = [*above[: len(key[1]) // 2], key[2]]
                if comment:
                    yield Row(".".join(above), _at(values, above), " ".join(comment))
            comment = []


def table(found: Iterable[Row]) -> str:
    """In Markdown."""
    lines = ["| value | default | |", "|---|---|---|"]
    lines += [f"| `{row.path}` | `{_shown(row.default)}` | {_escaped(row.meaning)} |" for row in found]
    return "\n".join(lines)


def _at(values: Any, path: list[str]) -> Any:
    for key in path:
        values = values[key]
    return values


def _shown(default: Any) -> str:
    return json.dumps(default, ensure_ascii=False) if default != "" else '""'


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
