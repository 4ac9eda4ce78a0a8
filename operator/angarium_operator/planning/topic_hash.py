"""The topic hash: what a post must have beside its credentials, in a Secret that the operator makes.

The Secret is where it lives: who puts another value there (a long one that callers already have) makes that one count,
and who takes it away gets a new one. Gateways get its SHA-256 alone.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from angarium.resources import Topic
from angarium_operator.planning.actions import Announcement, SecretContent
from angarium_operator.planning.secrets import conflict, content, ours, repaired, repairs
from angarium_operator.planning.snapshot import Key, Snapshot, secret_name
from angarium_operator.planning.verdicts import Verdict, no, yes

TYPE = "angarium.dev/topic-hash"
NAME = "topic-hash"  # in the Secret
SHORTEST = 16  # characters
FOREIGN_AGAIN = timedelta(seconds=15)  # a Secret that isn't ours isn't watched


@dataclass(frozen=True)
class HashPlan:
    """What is due for it; `sha256` is empty where none is asked for, or none can be made yet."""

    verdict: Verdict | None = None
    sha256: str = field(default="", repr=False)
    secret: SecretContent | None = None
    pending: str = field(default="", repr=False)
    announcements: tuple[Announcement, ...] = ()
    look_again: datetime | None = None


def plan_hash(snapshot: Snapshot, key: Key, topic: Topic, now: datetime) -> HashPlan:
    """Of a topic that asks for one."""
    if taken := conflict(snapshot, topic, "topicHash", TYPE):
        return HashPlan(taken, look_again=now + FOREIGN_AGAIN)
    found = ours(snapshot, topic)
    held = found.data.get(NAME, "") if found else ""
    issued = yes("CredentialsIssued", f'the secret "{secret_name(topic).name}" holds the topic hash')
    if _usable(held):
        written = content(snapshot, topic, TYPE, {NAME: held})  # where its label or its owner was taken away
        words = repairs(found, written)
        said = (repaired(written, words),) if written is not None and words else ()
        return HashPlan(issued, _sha256(held), written, announcements=said)
    text = snapshot.pending.get(key) or secrets.token_urlsafe(32)
    if found is None and topic.status.secret_name is None:
        made = Announcement("Normal", "CredentialsIssued", "a topic hash was made")
    else:
        gone = "the topic hash was gone or too short; a new one takes its place"
        made = Announcement("Warning", "SecretRepaired", gone)
    return HashPlan(issued, _sha256(text), content(snapshot, topic, TYPE, {NAME: text}), text, (made,))


def waiting(snapshot: Snapshot) -> HashPlan:
    """Of one that nothing can be made for now."""
    return HashPlan(
        no("Pending", "waits for the other conditions" if snapshot.stored else "waits for Redis, which is away")
    )


def _usable(held: str) -> bool:
    text = held.strip()
    return len(text) >= SHORTEST and text.isascii() and text.isprintable()


def _sha256(text: str) -> str:
    """A line end that `echo` and editors leave is no part of it."""
    return hashlib.sha256(text.strip().encode()).hexdigest()
