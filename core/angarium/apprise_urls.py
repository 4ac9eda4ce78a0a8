"""The URLs by which Apprise is told where to send: which schemas may be used, and how a Secret holds them.

The schemas are those of Apprise's plugins that speak HTTP alone and need nothing of this machine. Left out are what has
a channel of its own here, what posts to any URL (json, xml, form: that is what Callbacks are for), what talks to the
desktop or the log of the machine, and what reads a file that its URL names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

SCHEMAS = (
    "bark", "barks", "dingtalk", "discord", "feishu", "gchat", "gotify", "gotifys", "groupme", "ifttt", "ilert",
    "incidentio", "lark", "line", "mmost", "mmosts", "nctalk", "nctalks", "notifiarr", "ntfy", "ntfys", "opsgenie",
    "pagerduty", "pagertree", "pbul", "pover", "prowl", "pushy", "rocket", "rockets", "ryver", "signl4", "spike",
    "splunk", "squadcast", "threema", "twist", "viber", "victorops", "webex", "wecombot", "wxteams", "zoom", "zulip",
)  # fmt: skip
NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,62}"

_LINE = re.compile(rf"(?:({NAME})=)?(([A-Za-z][A-Za-z0-9+.-]*)://.+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class NamedUrl:
    """`name`: what messages are addressed to; without one in the Secret, the schema."""

    line: int
    name: str
    schema: str
    url: str = field(repr=False)


def read_urls(text: str) -> Iterator[NamedUrl]:
    """Each line that is not empty: `ops=discord://…`, or the URL alone. Raises ValueError, without any of it."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        read = _LINE.fullmatch(line.strip())
        if read is None:
            raise ValueError(f"line {number} is no URL")
        name, url, schema = read[1], read[2], read[3].lower()
        if _names_template(url):
            raise ValueError(f"line {number} names a template, which would be read from the deliverer's own files")
        yield NamedUrl(number, name or schema, schema, url)


def _names_template(url: str) -> bool:
    """Some plugins would read that file. However it is written: what they decode how often is their affair."""
    before = ""
    while before != url:
        before, url = url, unquote(url)
    return re.search(r"template\s*=", url, re.IGNORECASE) is not None
