"""Who else may sign a product's tokens: an OpenID Connect provider, by its published keys."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints

from angarium.resources.endpoints import Url
from angarium.resources.rules import Rule, SpecModel

_LOOPBACK = r"^http://(localhost|127\.0\.0\.1|\[::1\])(:|/|$)"
_AUDIENCE = "^[!-~]([ -~]*[!-~])?$"


def is_trustworthy_url(url: str) -> bool:
    """Whether keys may be fetched there: https, or this very machine, which only `angarium dev` may dial."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    safe = parts.scheme == "https" or re.match(_LOOPBACK, url) is not None
    return safe and bool(parts.hostname) and parts.username is None and len(url) <= 2048


IssuerUrl = Annotated[
    Url,
    Rule(
        cel=f'!self.startsWith("http:") || self.matches(r"{_LOOPBACK}")',
        message="must be an https URL",
        check=lambda url: not url.startswith("http:") or re.match(_LOOPBACK, url) is not None,
    ),
]


class Jwt(SpecModel):
    """An issuer whose tokens (RS256, ES256) are taken for this product, with the scopes that they say."""

    issuer: IssuerUrl = Field(description="What its tokens have as iss; an https URL.")
    jwks_uri: IssuerUrl | None = Field(
        default=None, description="Where its keys are. Default: as <issuer>/.well-known/openid-configuration says."
    )
    audience: Annotated[
        str,
        StringConstraints(min_length=1, max_length=256),
        Rule(
            cel=f"self.matches('{_AUDIENCE}')",
            message="must be printable ASCII, with no space at either end",
            check=lambda text: re.fullmatch(_AUDIENCE, text) is not None,
        ),
    ] = Field(description="What its tokens for this product have as aud; of one issuer, each product has its own.")
