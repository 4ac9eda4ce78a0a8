"""The Idempotency-Key of a request (draft-ietf-httpapi-idempotency-key-header): 1 to 255 characters, kept 24 hours.

Redis decides what was accepted before, across gateways; this pod only tells who asks twice at the same moment.
"""

import hashlib
import re

from angarium.queue import Idempotency
from angarium_gateway.problems import IN_PROGRESS, INVALID_KEY, Problem

LONGEST = 255
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')  # a String of RFC 9651
_BARE = re.compile(r"[!#-~][!-~]*")  # as Stripe's clients send it
_ESCAPED = re.compile(r"\\(.)")


def parse_key(header: str) -> str:
    """The key that a header's value names; raises a Problem."""
    text = header.strip()
    if _BARE.fullmatch(text):
        key = text
    elif quoted := _QUOTED.fullmatch(text):
        key = _ESCAPED.sub(r"\1", quoted[1])
    else:
        key = ""
    if not 1 <= len(key) <= LONGEST:
        raise Problem(INVALID_KEY, f'it must be 1 to {LONGEST} printable ASCII characters, bare or in ""')
    return key


def idempotency(header: str | None, body: bytes) -> Idempotency | None:
    """What the store compares; None without a key."""
    if header is None:
        return None
    return Idempotency(parse_key(header), hashlib.sha256(body).hexdigest()[:32])


class InProgress:
    """Keys whose first request this pod has not answered yet."""

    def __init__(self) -> None:
        self._held: set[tuple[str, str]] = set()

    def begin(self, tenant: str, key: str) -> None:
        """Until `end`, another request with the key gets a 409."""
        if (tenant, key) in self._held:
            raise Problem(IN_PROGRESS, headers={"Retry-After": "1"})
        self._held.add((tenant, key))

    def end(self, tenant: str, key: str) -> None:
        """It has been answered."""
        self._held.discard((tenant, key))
