"""A token, from what a Secret holds."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import jwt

from angarium import tokens
from angarium_cli.errors import Exit, Failure

NEEDED = (tokens.PRIVATE_KEY, tokens.KEY_ID, tokens.ISSUER)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a token is to say; `subject` is whom timelines name."""

    subject: str
    scopes: Sequence[str]
    ttl: timedelta


def mint(secret: Mapping[str, str], wish: Wish) -> str:
    """The token; `secret` in the clear."""
    lacking = [name for name in NEEDED if not secret.get(name)]
    if lacking:
        raise Failure(f"the Secret holds no {', '.join(lacking)}: is it of a Product or an Organization?", Exit.USAGE)
    now = int(time.time())
    claims = {
        "iss": secret[tokens.ISSUER],
        "aud": tokens.AUDIENCE,
        "sub": wish.subject,
        "iat": now,
        "exp": now + int(wish.ttl.total_seconds()),
        "jti": uuid.uuid4().hex,
        "scope": " ".join(wish.scopes),
    }
    headers = {"kid": secret[tokens.KEY_ID]}
    try:
        return jwt.encode(claims, secret[tokens.PRIVATE_KEY], algorithm=tokens.ALGORITHM, headers=headers)
    except (jwt.InvalidKeyError, ValueError, TypeError):
        raise Failure(f"{tokens.PRIVATE_KEY} in the Secret is no Ed25519 key in PEM", Exit.USAGE) from None
