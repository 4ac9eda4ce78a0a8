"""Reading the URLs of a Secret for Apprise, and that what is said of its schemas is so."""

from pathlib import Path

import pytest

from angarium.apprise_urls import SCHEMAS, NamedUrl, read_urls

ROOT = Path(__file__).parents[2]


def test_lines_have_names_or_go_by_their_schema() -> None:
    text = "ops=discord://a/b?x=y\n\n  Ntfy://host/topic \r\n"
    assert list(read_urls(text)) == [
        NamedUrl(1, "ops", "discord", "discord://a/b?x=y"),
        NamedUrl(3, "ntfy", "ntfy", "Ntfy://host/topic"),
    ]


@pytest.mark.parametrize(
    "line", ["discord", "a b=discord://x/y", "=discord://x", "discord://", "://x", "-a=discord://x"]
)
def test_what_is_no_url_is_not_repeated(line: str) -> None:
    with pytest.raises(ValueError, match=r"^line 2 is no URL$"):
        list(read_urls(f"discord://a/b\n{line}"))


@pytest.mark.parametrize("name", ["template", "TEMPLATE", "%74emplate", "%2574emplate", "+template", "template%3D"])
def test_no_file_is_named_however_it_is_written(name: str) -> None:
    with pytest.raises(ValueError, match="line 1 names a template"):
        list(read_urls(f"discord://a/b?x=y&{name}=/etc/passwd"))


def test_a_url_is_not_shown() -> None:
    assert "s3cret" not in repr(next(read_urls("ops=discord://s3cret/s3cret")))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_apprise_knows_each_schema() -> None:
    manager = pytest.importorskip("apprise.manager_plugins").NotificationManager()
    assert set(SCHEMAS) - set(manager.schemas()) == set()


def test_its_page_lists_them_all() -> None:
    page = (ROOT / "docs" / "apprise.md").read_text()
    assert [schema for schema in SCHEMAS if f"`{schema}`" not in page] == []
