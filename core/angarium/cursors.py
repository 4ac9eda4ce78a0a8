"""Cursors of lists: opaque to callers, and of no use for any list but the one they were given with."""

import base64
import binascii
import hashlib


class InvalidCursor(ValueError):
    """The cursor is damaged, or belongs to a list with other filters."""


def bind(*filters: object) -> str:
    """What ties a cursor to a list: 12 hex digits of whatever narrows it, the tenant among it."""
    return hashlib.blake2b(" ".join(map(repr, filters)).encode(), digest_size=6).hexdigest()


def write(bound: str, last: str) -> str:
    """A cursor that goes on after `last`."""
    return base64.urlsafe_b64encode(f"{bound}{last}".encode()).decode().rstrip("=")


def read(bound: str, cursor: str) -> str:
    """The `last` of a cursor; raises InvalidCursor."""
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidCursor("this is not a cursor") from error
    if plain[:12] != bound:
        raise InvalidCursor("this cursor belongs to a list with other filters")
    return plain[12:]
