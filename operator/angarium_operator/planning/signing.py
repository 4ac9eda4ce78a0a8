"""The life of a signing key. Deliverers sign with all live keys.

In a rotation they get the new key first, and only when each of them signs with it too it goes into the Secret: so a
receiver that knows the new one alone, be it ever so quick, can verify whatever comes. The old key signs on until
the overlap is over; where the Secret has lost it, it is taken from the published record.
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from angarium.resources import Credential, Signing
from angarium.signing import HMAC_PREFIX, PRIVATE_PREFIX, PUBLIC_PREFIX, generate_ed25519_key, generate_hmac_key
from angarium_operator.planning.actions import Announcement
from angarium_operator.planning.apikeys import expire, retired, rotation_due

PREFIXES = {"HMAC": HMAC_PREFIX, "Ed25519": PRIVATE_PREFIX}


def mint(kind: str) -> str:
    """A new key."""
    return generate_hmac_key() if kind == "HMAC" else generate_ed25519_key().private


@dataclass(frozen=True)
class SigningFacts:
    """All that a decision on a signing key looks at.

    `published` are the keys in the record; `applied`: each deliverer signs with the pending one.
    """

    credentials: tuple[Credential, ...]
    held: str = field(repr=False)
    held_previous: str = field(default="", repr=False)
    published: tuple[str, ...] = field(default=(), repr=False)
    pending: str = field(default="", repr=False)
    applied: bool = False
    signing: Signing = field(default_factory=Signing)
    requested: str = ""
    answered: str = ""


@dataclass(frozen=True)
class SigningPlan:
    """What follows: all live keys, the current one first, and one that is being made known to deliverers."""

    keys: tuple[str, ...] = field(repr=False)
    credentials: tuple[Credential, ...]
    announced: str = field(default="", repr=False)
    pending: str = field(default="", repr=False)
    answered: str = ""
    announcements: tuple[Announcement, ...] = ()
    look_again: datetime | None = None

    @property
    def signs(self) -> tuple[str, ...]:
        """What deliverers sign with."""
        return (*self.keys, self.announced) if self.announced else self.keys

    def data(self) -> dict[str, str]:
        """What the Secret holds."""
        data = {"signing-key": self.keys[0]}
        if self.keys[0].startswith(PRIVATE_PREFIX):
            data["public-key"] = public_key(self.keys[0])
        if len(self.keys) > 1:
            data["previous-signing-key"] = self.keys[1]
        return data


def plan_signing_key(facts: SigningFacts, now: datetime, mint: Callable[[str], str] = mint) -> SigningPlan:
    """Decide; `now` in whole seconds."""
    active = next((c for c in facts.credentials if c.state == "Active"), None)
    trusted = _trusted(facts, active)
    current = facts.held
    answered = facts.answered
    credentials = facts.credentials
    announced = ""
    said: tuple[Announcement, ...] = ()
    if not trusted or (active is not None and _due(facts, active, now)):
        coming = facts.pending if _usable(facts) else mint(facts.signing.type)
        if trusted and not (facts.applied and coming == facts.pending):
            announced = coming
        else:
            current = coming
            said = (_said(current, active, trusted=trusted),)
    if active is None or active.sha256 != sha256(current):
        until = now + facts.signing.rotation.overlap
        credentials = (_active(current, now), *retired(facts.credentials, active, until))
        answered = facts.requested
    credentials, gone = expire(credentials, now)
    times = [c.expires_at for c in credentials if c.expires_at is not None]
    if facts.signing.rotation.interval is not None and not announced:
        times += [c.created_at + facts.signing.rotation.interval for c in credentials if c.state == "Active"]
    return SigningPlan(
        _texts(credentials, facts, current),
        credentials,
        announced=announced,
        pending=announced or ("" if current == facts.held else current),
        answered=answered,
        announcements=said + gone,
        look_again=min(times, default=None),
    )


def _usable(facts: SigningFacts) -> bool:
    return facts.pending.startswith(PREFIXES[facts.signing.type]) and facts.pending != facts.held


def sha256(text: str) -> str:
    """What the status says of a key."""
    return hashlib.sha256(text.encode()).hexdigest()


def public_key(private: str) -> str:
    """`whpk_…` of a `whsk_…`, whose last 32 bytes it is."""
    return PUBLIC_PREFIX + base64.b64encode(base64.b64decode(private.removeprefix(PRIVATE_PREFIX))[-32:]).decode()


def _trusted(facts: SigningFacts, active: Credential | None) -> bool:
    if not facts.held.startswith(tuple(PREFIXES.values())):
        return False
    known = sha256(facts.held)
    if active is not None and active.sha256 == known:
        return True
    if any(c.sha256 == known for c in facts.credentials):
        return False
    if facts.held == facts.pending or facts.held in facts.published:
        return True
    return not facts.credentials and not facts.published


def _due(facts: SigningFacts, active: Credential, now: datetime) -> bool:
    if active.sha256 != sha256(facts.held):
        return False  # the Secret is ahead of the status
    other_type = not facts.held.startswith(PREFIXES[facts.signing.type])
    return other_type or rotation_due(active, facts.signing.rotation, facts.requested, facts.answered, now)


def _said(text: str, active: Credential | None, *, trusted: bool) -> Announcement:
    name = sha256(text)[:8]
    if active is None:
        return Announcement("Normal", "CredentialsIssued", f"signing key {name} was made")
    if not trusted:
        note = f"the signing key was gone or edited; {name} takes its place"
        return Announcement("Warning", "SecretRepaired", note)
    return Announcement("Normal", "KeyRotated", f"signing key {name} is in its Secret; the former signs on for a while")


def _active(text: str, now: datetime) -> Credential:
    return Credential(key_id=sha256(text)[:8], sha256=sha256(text), state="Active", created_at=now)


def _texts(credentials: tuple[Credential, ...], facts: SigningFacts, current: str) -> tuple[str, ...]:
    """The keys of all live credentials whose text is still at hand."""
    at_hand = {sha256(text): text for text in (*facts.published, facts.held_previous, facts.held, current) if text}
    return tuple(at_hand[c.sha256] for c in credentials if c.sha256 in at_hand)
