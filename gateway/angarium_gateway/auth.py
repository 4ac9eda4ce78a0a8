"""Who is asking: an API key as `Authorization: Bearer` or `X-API-Key`, looked up in memory alone; or a token.

A key is looked up by its SHA-256, so a wrong one costs a hash, and the time that takes tells nothing of those that
exist. Only what is no key, and came as Bearer, may be a token: those who send keys pay nothing for it.
"""

import time
from collections.abc import Mapping
from typing import NamedTuple

from angarium import apikeys
from angarium_gateway.directory import Caller, Directory
from angarium_gateway.problems import forbidden, unauthenticated
from angarium_gateway.tokens import Tokens


class Permission(NamedTuple):
    """What an endpoint does, in words, and the scope that a token needs for it; empty: any token will do."""

    scope: str
    act: str


def authenticate(directory: Directory, tokens: Tokens, headers: Mapping[str, str]) -> Caller:
    """The caller; raises the one Problem for all that can be wrong with a key, and others for tokens."""
    text = _presented(headers)
    if not text.isascii():
        raise unauthenticated()
    sha256 = apikeys.digest(text)
    caller = directory.caller(sha256)
    if caller is None and text.count(".") == 2 and "X-API-Key" not in headers:
        caller = tokens.caller(text, sha256)
    if caller is None:
        raise unauthenticated()
    expires_ms = caller.key.expires_ms
    if expires_ms is not None:
        now = time.time()
        if expires_ms <= now * 1000:
            raise unauthenticated()
        directory.note_use(caller, now)
    return caller


def require(scopes: frozenset[str], permission: Permission) -> None:
    """Whether a token may do this; raises a Problem."""
    if permission.scope and permission.scope not in scopes:
        raise forbidden(permission.act, permission.scope)


def _presented(headers: Mapping[str, str]) -> str:
    key = headers.get("X-API-Key")
    if key is not None:
        return key.strip()
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""
