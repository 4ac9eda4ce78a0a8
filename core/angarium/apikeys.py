"""API keys: `ang_<key id>_<secret>_<checksum>`.

The prefix and the checksum let secret scanners and typing errors be told without a look-up; the secret has 256 random
bits, so a plain SHA-256 is all that the data plane needs to keep (no slow hash for what can't be guessed).
"""

import base64
import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field

PREFIX = "ang"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"ang_([a-z2-7]{8})_([0-9A-Za-z]{43})_([0-9A-Za-z]{6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in the clear; only the operator and the Secret it writes ever hold one."""

    id: str
    text: str = field(repr=False)

    @property
    def sha256(self) -> str:
        """What leaves the operator."""
        return digest(self.text)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


def _checksum(head: str) -> str:
    return _base62(zlib.crc32(head.encode("ascii")), 6)


def mint() -> ApiKey:
    """A new key."""
    key_id = base64.b32encode(secrets.token_bytes(5)).decode("ascii").lower()
    head = f"{PREFIX}_{key_id}_{_base62(secrets.randbits(256), 43)}"
    return ApiKey(key_id, f"{head}_{_checksum(head)}")


def key_id(text: str) -> str | None:
    """The id that a key's text names, or None where this can't be a key (shape or checksum is wrong)."""
    shape = _SHAPE.fullmatch(text)
    if shape is None or _checksum(text[:-7]) != shape[3]:
        return None
    return shape[1]


def digest(text: str) -> str:
    """SHA-256 of a key, in hex."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()
