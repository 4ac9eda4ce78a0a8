"""What a page or a message leads to is there, and diagrams are drawn: nobody looks for it at three in the morning."""

import re
from pathlib import Path

import pytest
import yaml
from tests.docs.pages import PAGES, ROOT, anchors, headings, links, sequences

NAMED = re.compile(r"(?<![\w./])docs/[\w/-]+\.md\b")
FOLDERS = ("core", "gateway", "deliverer", "operator", "cli", "crds", "helm", "tests", "docs", "examples")
SUFFIXES = {".py", ".yaml", ".json", ".txt", ".lua", ".tpl", ".md"}
ALERTS = ROOT / "helm/angarium/files/alerts/alerts.yaml"
relative = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def broken(page: Path, link: str) -> bool:
    """Whether file or heading is missing."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.exists() or (bool(anchor) and anchor not in anchors(target))


@relative
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    assert [link for link in links(page) if broken(page, link)] == []


@relative
def test_every_page_has_one_title_and_no_heading_twice(page: Path) -> None:
    found = headings(page)
    assert [level for level, _ in found].count(1) == 1
    under = [text for level, text in found if level == 2]
    assert len(under) == len(set(under))


@relative
def test_no_line_of_a_sequence_diagram_holds_what_ends_a_line(page: Path) -> None:
    assert [line for line in sequences(page) if ";" in line or "#" in line] == []


def test_every_page_that_code_or_chart_names_is_there() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.suffix in SUFFIXES]
    named = {name for file in files for name in NAMED.findall(file.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_every_alert_leads_to_its_page() -> None:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    urls = [rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert len(urls) > 10
    missing = [url for url in urls if not (ROOT / f"{url.removeprefix('https://angarium.dev/')}.md").is_file()]
    assert missing == []


def test_readme_leads_to_every_page() -> None:
    seen, new = set[Path](), {ROOT / "README.md"}
    while new:
        seen |= new
        there = [(page.parent / link.partition("#")[0]).resolve() for page in new for link in links(page)]
        new = {*there, *(folder / "README.md" for folder in there)} & set(PAGES) - seen
    assert sorted(str(page.relative_to(ROOT)) for page in set(PAGES) - seen) == []
