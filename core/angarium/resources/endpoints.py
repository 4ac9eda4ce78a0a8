"""Where a callback's requests go: a URL or a Service, and the headers they carry."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints

from angarium.resources.meta import Label
from angarium.resources.rules import Rule, SpecModel

HOP_BY_HOP = (
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
OURS = ("host", "user-agent")
OUR_PREFIXES = ("content-", "webhook-")

_TOKEN = r"^[A-Za-z0-9!#$%&*+.^_`|~-]{1,64}$"  # noqa: S105 - RFC 9110's "token", less the apostrophe that CEL would need escaped
_IN_URL = r"([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*"
_URL = (  # stricter than Go's and Python's parsers, which differ where attackers look: \, tabs, several @
    r"^https?://([A-Za-z0-9._~:-]*@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
    rf"([/?#]{_IN_URL}(#{_IN_URL})?)?$"
)
_VALUE = r"^([!-~]([ -~]*[!-~])?)?$"


def _is_http(url: str) -> bool:
    if not re.fullmatch(_URL, url):
        return False
    try:
        port = urlsplit(url).port  # raises for a port or an IPv6 address that can't be
    except ValueError:
        return False
    return port != 0


Url = Annotated[
    str,
    StringConstraints(max_length=2048),
    Rule(
        cel=f'self.matches(r"{_URL}") && isURL(self)'
        " && (url(self).getPort() == '' || (int(url(self).getPort()) > 0 && int(url(self).getPort()) < 65536))",
        message="must be an http or https URL, like https://example.com/hooks",
        check=_is_http,
    ),
    Rule(
        cel="!self.matches('[@#]') || self.matches('^https?://[^/?#@]*([/?][^#]*)?$')",
        message="must not hold credentials or a fragment",
        check=lambda url: re.fullmatch("https?://[^/?#@]*([/?][^#]*)?", url) is not None,
    ),
]
Path = Annotated[
    str,
    StringConstraints(max_length=1024),
    Rule(
        cel=f'self.matches(r"^/{_IN_URL}$")',
        message="must begin with / and hold only what may stand in a URL, and no fragment",
        check=lambda path: re.fullmatch(f"/{_IN_URL}", path) is not None,
    ),
]
HeaderValue = Annotated[
    str,
    StringConstraints(max_length=1024),
    Rule(
        cel=f"self.matches('{_VALUE}')",
        message="must be printable ASCII, with no space at either end",
        check=lambda value: re.fullmatch(_VALUE.strip("^$"), value) is not None,
    ),
]


def _is_ours(name: str) -> bool:
    lower = name.lower()
    return lower in (*HOP_BY_HOP, *OURS) or lower.startswith(OUR_PREFIXES)


HEADER_RULES = (
    Rule(
        cel=f"self.all(name, name.matches('{_TOKEN}'))",
        message="names are letters, digits and !#$%&*+.^_`|~-, 64 characters at most",
        check=lambda headers: all(re.fullmatch(_TOKEN.strip("^$"), name) for name in headers),
    ),
    Rule(
        cel=f"self.all(name, !name.matches('^(?i)({'|'.join((*HOP_BY_HOP, *OURS))}|({'|'.join(OUR_PREFIXES)}).*)$'))",
        message="connection headers, host, user-agent, content-* and webhook-* are set by angarium",
        check=lambda headers: not any(_is_ours(name) for name in headers),
    ),
)


class ServiceRef(SpecModel):
    """A Service of the same namespace. Its address may be private: that is what it is for."""

    name: Label = Field(description="Name of the Service.")
    port: int = Field(strict=True, ge=1, le=65535, description="Port of the Service.")
    path: Path = Field(default="/", description="Path, with a query if need be.")
    scheme: Literal["http", "https"] = Field(default="http", description="http or https.")

    def url(self, namespace: str) -> str:
        """The URL in the cluster."""
        return f"{self.scheme}://{self.name}.{namespace}.svc:{self.port}{self.path}"
