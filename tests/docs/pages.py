"""All pages of the repository, and what of them is a link, a heading or neither."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "helm/**/*.md") for path in ROOT.glob(pattern)
)
CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z]+:")


def prose(page: Path) -> str:
    """Without blocks of code."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Those that lead to somewhere in the repository."""
    return [link for link in LINK.findall(prose(page)) if not ELSEWHERE.match(link)]


def headings(page: Path) -> list[tuple[int, str]]:
    """Level and text."""
    return [(len(marks), text) for marks, text in HEADING.findall(prose(page))]


@cache
def anchors(page: Path) -> frozenset[str]:
    """As GitHub makes them of headings."""
    texts = (LINK.sub("]", text).lower() for _, text in headings(page))
    return frozenset(re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in texts)


def sequences(page: Path) -> list[str]:
    """The lines of its sequence diagrams."""
    drawn = (block for block in CODE.findall(page.read_text(encoding="utf-8")) if "\nsequenceDiagram\n" in block)
    return [line for block in drawn for line in block.splitlines()]
