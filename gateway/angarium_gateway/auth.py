"""Who is asking: an API key as `Authorization: Bearer` or `X-API-Key`, looked up in memory alone.

It is looked up by its SHA-256, so a wrong one costs a hash, and the time that takes tells nothing of those that exist.
"""

import time
from collections.abc import Mapping

from angarium import apikeys
from angarium_gateway.directory import Caller, Directory
from angarium_gateway.problems import unauthenticated


def authenticate(directory: Directory, headers: Mapping[str, str]) -> Caller:
    """The caller; raises the one Problem for all that can be wrong."""
    text = _presented(headers)
    caller = directory.caller(apikeys.digest(text)) if text.isascii() else None
    if caller is None or _expired(caller.key.expires_ms):
        raise unauthenticated()
    return caller


def _presented(headers: Mapping[str, str]) -> str:
    key = headers.get("X-API-Key")
    if key is not None:
        return key.strip()
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _expired(expires_ms: int | None) -> bool:
    return expires_ms is not None and expires_ms <= time.time() * 1000
