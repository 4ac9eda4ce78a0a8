"""Identifiers that carry what their readers need, so that no look-up table is kept.

`not_<26 characters>` is a ULID (48 bits of milliseconds, 70 random bits) whose last two characters name the shard that
stores it; ids of one shard sort by time. `dlv_<the same 26 characters>_<n>` is the n-th delivery of that notification.
A group's recipients are in parts, notifications whose ids derive from that of the one which was posted.
`usr_<26 characters>` is a plain ULID: users sort by the time at which they were made.
`prd_`, `org_`, `cbk_`, `prv_` and `tpc_` ids are derived from the object's Kubernetes uid: they need no storage and so
survive a lost status, a restart and a renamed display name.
"""

import hashlib
import os
import re
import time
from dataclasses import dataclass
from functools import lru_cache

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32, which sorts as the numbers do
MAX_SHARDS = 1024
BODY_LENGTH = 26
_BODY = re.compile(f"[{ALPHABET}]{{{BODY_LENGTH}}}")
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_DRAWN = (ALPHABET * 8).encode()  # a random byte's character: each stands for eight of the 256


class InvalidIdentifier(ValueError):
    """The text is not an identifier of the expected kind."""


def _encode(number: int, length: int) -> str:
    if length % 2:
        return ALPHABET[(number >> (5 * (length - 1))) & 31] + _encode(number, length - 1)
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(5 * (length - 2), -1, -10)])


def notification_id(shard: int, now_ms: int | None = None) -> str:
    """A new id for a notification stored in `shard` (0..1023); `now_ms` are milliseconds since the epoch."""
    ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return _beginning(ms) + os.urandom(14).translate(_DRAWN).decode() + _PAIRS[shard]


def user_id(now_ms: int | None = None) -> str:
    """A new id for a user; `now_ms` are milliseconds since the epoch."""
    ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return "usr_" + _beginning(ms)[4:] + os.urandom(16).translate(_DRAWN).decode()


def is_user_id(text: str) -> bool:
    """Whether it looks like one."""
    return text.startswith("usr_") and _BODY.fullmatch(text, 4) is not None


@lru_cache(maxsize=64)
def _beginning(ms: int) -> str:
    return "not_" + _encode(ms, 10)


def id_bound(now_ms: int) -> str:
    """The smallest notification id of that millisecond: a bound for time ranges over sorted ids."""
    return _beginning(now_ms) + "0" * 16


def _body(text: str, prefix: str) -> str:
    body = text[len(prefix) :]
    if not text.startswith(prefix) or _BODY.fullmatch(body) is None:
        raise InvalidIdentifier(f"{text[:60]!r} is not an id like {prefix}01K…")
    return body


def shard_of(notification: str) -> int:
    """The shard that an id of a notification names."""
    body = _body(notification, "not_")
    return _VALUES[body[-2]] * 32 + _VALUES[body[-1]]


def created_ms(notification: str) -> int:
    """Milliseconds since the epoch at which a notification's id was made."""
    ms = 0
    for character in _body(notification, "not_")[:10]:
        ms = ms * 32 + _VALUES[character]
    return ms


def part_id(notification: str, index: int, number: int) -> str:
    """The id of the `number`-th part of what its `index`-th delivery, a group's, is expanded to; in the same shard."""
    digest = hashlib.blake2b(f"{notification} {index} {number}".encode(), digest_size=9).digest()
    return notification[:14] + _encode(int.from_bytes(digest, "big") >> 2, 14) + notification[-2:]


def announcement_id(notification: str, at_ms: int) -> str:
    """The id of the notification that tells of another's end at that time; in the same shard."""
    digest = hashlib.blake2b(f"{notification} ended {at_ms}".encode(), digest_size=9).digest()
    return _beginning(at_ms) + _encode(int.from_bytes(digest, "big") >> 2, 14) + notification[-2:]


def trial_id(uid: str, ms: int) -> str:
    """The id of the notification by which the CallbackTest of that uid goes out; in shard 0, which there always is."""
    digest = hashlib.blake2b(f"test {uid}".encode(), digest_size=9).digest()
    return _beginning(ms) + _encode(int.from_bytes(digest, "big") >> 2, 14) + _PAIRS[0]


def delivery_id(notification: str, index: int) -> str:
    """The id of a notification's `index`-th delivery, counted from 0."""
    return f"dlv_{notification[4:]}_{index}"


@dataclass(frozen=True, slots=True)
class DeliveryReference:
    """What a delivery's id says: which notification, and which of its deliveries (from 0)."""

    notification: str
    index: int


def parse_delivery_id(text: str) -> DeliveryReference:
    """Read a delivery's id back; raises InvalidIdentifier."""
    head, _, index = text.rpartition("_")
    body = _body(head, "dlv_")
    if not (index.isascii() and index.isdigit() and len(index) <= 5):
        raise InvalidIdentifier(f"{text[:60]!r} is not an id like dlv_01K…_0")
    return DeliveryReference("not_" + body, int(index))


def resource_id(prefix: str, uid: str) -> str:
    """The stable id of a custom resource: `prefix` is prd, org, cbk, prv, tpc, rpl or cbt, `uid` its metadata.uid."""
    digest = hashlib.sha256(f"{prefix}:{uid}".encode()).digest()
    return f"{prefix}_{_encode(int.from_bytes(digest[:17], 'big') >> 6, BODY_LENGTH)}"


@lru_cache(maxsize=65_536)
def route_id(tenant: str, channel: str, provider: str = "") -> str:
    """The stable id of a tenant's route: by which providers its messages of a channel go; or by this one
    (`namespace/name`) alone."""
    return resource_id("rte", f"{tenant}/{channel}/{provider}" if provider else f"{tenant}/{channel}")
