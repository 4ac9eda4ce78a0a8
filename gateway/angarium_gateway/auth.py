"""Who is asking: an API key as `Authorization: Bearer` or `X-API-Key`, looked up in memory alone.

A flood of wrong keys costs little: what lacks the shape or the checksum of a key is told without hashing. A key with an
unknown id is compared like a known one, so that the time taken tells nobody which ids exist.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from angarium import apikeys
from angarium_gateway.directory import Directory, Tenant
from angarium_gateway.problems import unauthenticated

NO_KEY = "0" * 64


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant, and the key it came with."""

    tenant: Tenant
    key_id: str

    @property
    def label(self) -> str:
        """Who did it, as timelines show it."""
        return f"key {self.key_id}"


def authenticate(directory: Directory, headers: Mapping[str, str]) -> Caller:
    """The caller; raises the one Problem for all that can be wrong."""
    text = _presented(headers)
    key_id = apikeys.key_id(text) if text else None
    if key_id is None:
        raise unauthenticated()
    known = directory.credential(key_id)
    same = apikeys.same(text, known.key.sha256 if known else NO_KEY)
    if known is None or not same or _expired(known.key.expires_ms):
        raise unauthenticated()
    return Caller(known.tenant, key_id)


def _presented(headers: Mapping[str, str]) -> str:
    key = headers.get("X-API-Key")
    if key is not None:
        return key.strip()
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _expired(expires_ms: int | None) -> bool:
    return expires_ms is not None and expires_ms <= time.time() * 1000
