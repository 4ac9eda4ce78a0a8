"""What travels: notification → delivery → attempt → outcome. Plain data, no behaviour, no I/O.

What is made for each notification or attempt is not frozen, though nothing ever changes it: freezing costs 0.2 µs a
field at each creation, together a tenth of a delivery.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Priority(StrEnum):
    """Which lane a notification's deliveries wait in, unless it is a test."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


LANES = ("test", "high", "normal", "low")  # test-sends have a lane of their own: a person waits for the outcome


class DeliveryState(StrEnum):
    """Where a delivery is. Accepted = delivered + refused + dead + waiting, at any moment."""

    WAITING = "waiting"  # ready, in flight, scheduled or parked
    DELIVERED = "delivered"
    REFUSED = "refused"  # trying again can't help
    DEAD = "dead"  # its attempts are used up; a person may redrive it


class Status(StrEnum):
    """What callers see of a notification; of a delivery they see the first three."""

    PENDING = "pending"
    DELIVERED = "delivered"
    REFUSED = "refused"
    PARTIAL = "partial"
    UNMATCHED = "unmatched"


CALLER_STATUS = {
    DeliveryState.WAITING: Status.PENDING,
    DeliveryState.DELIVERED: Status.DELIVERED,
    DeliveryState.REFUSED: Status.REFUSED,
    DeliveryState.DEAD: Status.REFUSED,
}


GROUP, NOBODY = "group", "user"  # what is a target's name where it is no channel


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a notification is for: a callback (its cbk_ id; `name` is namespace/name), or a recipient.

    A recipient is reached by a route: `id` is its rte_ id, `name` the channel, `to` the address in it, and `content`
    says which of the notification's contents is meant. Two names are no channels: GROUP, where `to` is the group's name
    and a deliverer finds its members; and NOBODY, where `to` is the id of a user who can't be reached.
    """

    id: str
    name: str
    to: str = ""
    content: int = 0


def is_group(target: Target) -> bool:
    """Whether it stands for all members of a group."""
    return target.name == GROUP and bool(target.to)


@dataclass(slots=True)
class Notification:
    """What a caller posted, as it is stored once and never changed.

    `body` are the very bytes that callbacks get: `{"type": event, "timestamp": …, "data": …}`; of a notification for
    recipients, a JSON list of contents (angarium.contents). Times are milliseconds since the epoch.
    """

    id: str
    tenant: str
    product: str
    event: str
    body: bytes
    priority: Priority
    created_ms: int
    targets: tuple[Target, ...]
    due_ms: int = 0  # 0: at once
    retention_s: int = 30 * 86400  # for how long it is kept after it is finished
    by: str = ""  # who posted it, in words: "key 7f3k…"
    test: bool = False  # a test-send: one attempt, not counted against the endpoint
    expires_ms: int = 0  # what has not been sent by then is refused; 0: never
    config_revision: int = 0  # of the config that chose the targets: tells a deleted callback from one not yet known
    dedup: str = ""  # a recipient gets one of all with the same, of the tenant's, in a day
    part_of: str = ""  # the notification for a group that some of its recipients are in this one of
    trace: str = ""  # the trace that it belongs to, as angarium.telemetry.traces writes it

    @property
    def lane(self) -> str:
        """Where its deliveries wait."""
        return "test" if self.test else self.priority.value


@dataclass(frozen=True, slots=True)
class Recipients:
    """How many of a group's recipients are where; more may come while the group is being expanded."""

    total: int = 0
    delivered: int = 0
    refused: int = 0
    dead: int = 0

    @property
    def pending(self) -> int:
        """Those that wait."""
        return self.total - self.delivered - self.refused - self.dead

    @property
    def statuses(self) -> set[Status]:
        """What callers are told of them, each once."""
        counts = {
            Status.PENDING: self.pending,
            Status.DELIVERED: self.delivered,
            Status.REFUSED: self.refused + self.dead,
        }
        return {status for status, count in counts.items() if count}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification for one target, as it stands. `recipients` are a group's."""

    id: str
    target: Target
    state: DeliveryState
    attempts: int = 0
    due_ms: int = 0  # when its next attempt is due; 0 where there is none to wait for
    changed_ms: int = 0
    reason: str = ""
    recoveries: int = 0
    started: bool = False  # an attempt is in flight
    recipients: Recipients | None = None

    @property
    def statuses(self) -> set[Status]:
        """What callers are told of it; a group that is expanded is as its recipients are."""
        if self.recipients and self.state is DeliveryState.DELIVERED:
            return self.recipients.statuses
        return {CALLER_STATUS[self.state]} | (self.recipients.statuses if self.recipients else set())

    @property
    def status(self) -> Status:
        """The same in one word."""
        return summarize(self.statuses)


@dataclass(frozen=True, slots=True)
class Stored:
    """A notification as it stands in the store, with its deliveries in the order of its targets."""

    notification: Notification
    deliveries: tuple[Delivery, ...]

    @property
    def status(self) -> Status:
        """What the caller is told."""
        return summarize({status for delivery in self.deliveries for status in delivery.statuses})


def summarize(statuses: set[Status]) -> Status:
    """One status for a fan-out: pending while any waits, partial where some were refused."""
    if not statuses:
        return Status.UNMATCHED
    if Status.PENDING in statuses:
        return Status.PENDING
    return next(iter(statuses)) if len(statuses) == 1 else Status.PARTIAL


class Result(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    SENT = "sent"  # handed over; whether it arrived is to be asked, or will be told
    LATER = "later"  # not tried, as it is not its turn: again after `retry_after`, and no attempt is spent
    RETRYABLE = "retryable"
    PERMANENT = "permanent"


@dataclass(slots=True)
class Outcome:
    """What a channel says of one attempt; whether a retry could help is its only judgement.

    `reason` is a stable word ("http_503", "timeout"; empty when delivered); `detail` is for people; `retry_after` in
    seconds as the receiver asked; `response` is what the timeline shows: {status, body, truncated}.
    `gone` says that the receiver wants no more of this callback's deliveries; `blameless` that the failure is the
    recipient's or the content's own, and says nothing of whoever carries it. `reference` is the carrier's name for
    what was sent, or may have been: the next attempt asks for it before it sends again.
    """

    result: Result
    reason: str = ""
    detail: str = ""
    retry_after: float | None = None
    response: dict[str, Any] | None = None
    gone: bool = False
    blameless: bool = False
    reference: str = ""


@dataclass(slots=True)
class Attempt:
    """One try of a delivery, handed to a channel. `number` counts from 1; `reference` as an outcome before gave it."""

    delivery: str
    notification: Notification
    target: Target
    number: int
    recoveries: int = 0
    reference: str = ""
