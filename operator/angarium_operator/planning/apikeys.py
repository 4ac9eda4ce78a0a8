"""The life of an API key: issued, given out in a Secret, rotated with an overlap, retired.

Who is believed: a key in the Secret counts if we know its hash, from the status or from the published record. A key
that we don't know was put there by hand, and is replaced; so is one that is gone. In a rotation gateways learn the new
key's hash first, and only when each of them has it the key goes into the Secret.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from angarium import apikeys
from angarium.apikeys import ApiKey
from angarium.records import KeyRecord
from angarium.resources import Credential, Rotation
from angarium.tokens import token_key
from angarium_operator.planning.actions import Announcement

MOST_RETIRING = 8


@dataclass(frozen=True)
class KeyFacts:
    """All that a decision on an API key looks at. `applied`: each gateway knows the pending key."""

    credentials: tuple[Credential, ...]
    held: str = field(repr=False)  # in the Secret now; empty where there is none
    published: tuple[KeyRecord, ...] = ()
    pending: str = field(default="", repr=False)
    applied: bool = False
    rotation: Rotation = field(default_factory=Rotation)
    requested: str = ""
    answered: str = ""


@dataclass(frozen=True)
class KeyPlan:
    """What follows: the key that the Secret must hold, those that are valid, and one that is being made known."""

    text: str = field(repr=False)
    credentials: tuple[Credential, ...]
    announced: str = field(default="", repr=False)
    pending: str = field(default="", repr=False)
    answered: str = ""
    announcements: tuple[Announcement, ...] = ()
    look_again: datetime | None = None

    def records(self) -> tuple[KeyRecord, ...]:
        """What gateways must know: the valid keys, and the one to come."""
        known = [
            KeyRecord(id=c.key_id, sha256=c.sha256, expires_ms=_ms(c.expires_at), public_key=c.public_key or "")
            for c in self.credentials
        ]
        if (text := self.announced) != "":
            public = token_key(text).public
            known.insert(1, KeyRecord(id=apikeys.key_id(text) or "", sha256=apikeys.digest(text), public_key=public))
        return tuple(known)


def plan_api_key(facts: KeyFacts, now: datetime, mint: Callable[[], ApiKey] = apikeys.mint) -> KeyPlan:
    """Decide; `now` in whole seconds."""
    active = next((c for c in facts.credentials if c.state == "Active"), None)
    if not _trusted(facts, active):
        return _finish(_new_key(facts, active, now, mint), facts, now)
    if active is None or active.sha256 != apikeys.digest(facts.held):
        return _finish(_adopt(facts, active, now), facts, now)
    if not rotation_due(active, facts.rotation, facts.requested, facts.answered, now):
        return _finish(KeyPlan(facts.held, facts.credentials, answered=facts.answered), facts, now)
    if facts.pending and facts.pending != facts.held and facts.applied:
        return _finish(_rotate(facts, active, now), facts, now)
    coming = facts.pending if facts.pending and facts.pending != facts.held else mint().text
    waiting = KeyPlan(facts.held, facts.credentials, announced=coming, pending=coming, answered=facts.answered)
    return _finish(waiting, facts, now)


def rotation_due(active: Credential, rotation: Rotation, requested: str, answered: str, now: datetime) -> bool:
    """By a new value of the annotation, or by age."""
    old = rotation.interval is not None and active.created_at + rotation.interval <= now
    return old or bool(requested and requested != answered)


def _trusted(facts: KeyFacts, active: Credential | None) -> bool:
    if apikeys.key_id(facts.held) is None:
        return False
    sha256 = apikeys.digest(facts.held)
    if active is not None and active.sha256 == sha256:
        return True
    if any(c.sha256 == sha256 for c in facts.credentials):  # one that is retiring was put back by hand
        return False
    if facts.held == facts.pending or any(key.sha256 == sha256 for key in facts.published):
        return True
    return not facts.credentials and not facts.published  # all else was lost: what workloads hold must go on


def _new_key(facts: KeyFacts, active: Credential | None, now: datetime, mint: Callable[[], ApiKey]) -> KeyPlan:
    text = facts.pending or mint().text
    said = Announcement("Normal", "CredentialsIssued", f"API key {apikeys.key_id(text)} was made")
    if active is not None:
        said = Announcement(
            "Warning", "SecretRepaired", f"the API key was gone or edited; {apikeys.key_id(text)} takes its place"
        )
    credentials = (_active(text, now), *_retired(facts, active, now))
    return KeyPlan(text, credentials, pending=text, answered=facts.requested, announcements=(said,))


def _adopt(facts: KeyFacts, active: Credential | None, now: datetime) -> KeyPlan:
    """The Secret is ahead of the status: we were stopped between writing the two."""
    credentials = (_active(facts.held, now), *_retired(facts, active, now))
    said = (_rotated(facts.held, facts.rotation.overlap),) if active is not None else ()
    return KeyPlan(facts.held, credentials, answered=facts.requested, announcements=said)


def _rotate(facts: KeyFacts, active: Credential, now: datetime) -> KeyPlan:
    credentials = (_active(facts.pending, now), *_retired(facts, active, now))
    said = _rotated(facts.pending, facts.rotation.overlap)
    return KeyPlan(facts.pending, credentials, pending=facts.pending, answered=facts.requested, announcements=(said,))


def _rotated(text: str, overlap: timedelta) -> Announcement:
    note = f"API key {apikeys.key_id(text)} is in its Secret; the former stays valid for {overlap}"
    return Announcement("Normal", "KeyRotated", note)


def _active(text: str, now: datetime) -> Credential:
    return _with_public_key(
        Credential(key_id=apikeys.key_id(text) or "", sha256=apikeys.digest(text), state="Active", created_at=now), text
    )


def _with_public_key(credential: Credential, text: str) -> Credential:
    """A key that an operator made which knew no tokens gets its public half when it is next seen."""
    if credential.public_key is not None or credential.sha256 != apikeys.digest(text):
        return credential
    return credential.model_copy(update={"public_key": token_key(text).public})


def _retired(facts: KeyFacts, active: Credential | None, now: datetime) -> tuple[Credential, ...]:
    return retired(facts.credentials, active, now + facts.rotation.overlap)


def retired(credentials: tuple[Credential, ...], active: Credential | None, until: datetime) -> tuple[Credential, ...]:
    """Those that retire already, with the one that was active; the latest few of them."""
    retiring = [c for c in credentials if c.state == "Retiring"]
    if active is not None:
        retiring.insert(0, active.model_copy(update={"state": "Retiring", "expires_at": until}))
    return tuple(retiring[:MOST_RETIRING])


def _finish(plan: KeyPlan, facts: KeyFacts, now: datetime) -> KeyPlan:
    """Drop what has expired, and say when the next thing is due."""
    left, announcements = expire(plan.credentials, now)
    times = [c.expires_at for c in left if c.expires_at is not None]
    if facts.rotation.interval is not None and not plan.announced:
        times += [c.created_at + facts.rotation.interval for c in left if c.state == "Active"]
    return replace(
        plan,
        credentials=tuple(_with_public_key(each, plan.text) for each in left),
        announcements=plan.announcements + announcements,
        look_again=min(times, default=None),
    )


def expire(
    credentials: tuple[Credential, ...], now: datetime
) -> tuple[tuple[Credential, ...], tuple[Announcement, ...]]:
    """What is still valid, and what to say of the rest."""
    gone = [c for c in credentials if c.expires_at is not None and c.expires_at <= now]
    left = tuple(c for c in credentials if c not in gone)
    return left, tuple(Announcement("Normal", "KeyRetired", f"key {c.key_id} is no longer valid") for c in gone)


def _ms(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1000)
