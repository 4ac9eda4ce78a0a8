"""What is known of a delivery when somebody asks why it was not delivered, and what is found."""

from dataclasses import dataclass, field
from enum import StrEnum

from angarium.notifications import Delivery, Notification
from angarium.queue import Whereabouts


class Kind(StrEnum):
    """What a delivery is for."""

    CALLBACK = "callback"
    CHANNEL = "channel"
    GROUP = "group"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Carrier:
    """A provider that carries the channel. `wait_s`: seconds until its own rate lets one more go."""

    name: str
    suspended: bool = False
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Outlet:
    """What the config says of where a delivery leaves by."""

    kind: Kind
    name: str  # as the tenant calls it
    resource: str = ""  # of a callback: `<name> -n <namespace>`, for kubectl
    known: bool = True  # a callback whose record is gone is not
    api_made: bool = False
    suspended: bool = False
    disabled: str = ""  # why
    rejected_by: tuple[str, ...] = ()  # deliverers that can't use its record
    behind: tuple[str, ...] = ()  # deliverers that have not heard of it as it is now
    carriers: tuple[Carrier, ...] = ()  # of a channel, the first to be tried first
    timeout_s: float = 15.0
    attempts: int = 10  # in all


@dataclass(frozen=True, slots=True)
class Around:
    """What is the same for all deliveries of a notification."""

    now_ms: int
    deliverers: frozenset[str]  # that live
    current: bool = True  # whether this gateway knows as new a config as the one that chose the targets
    full: bool = False  # storage takes nothing new
    suspended: str = ""  # whose spec.suspend holds up all of the tenant's deliveries


@dataclass(frozen=True, slots=True)
class Last:
    """The last thing that the timeline tells of a delivery."""

    at_ms: int
    detail: str = ""
    status: int | None = None  # that was answered


@dataclass(frozen=True, slots=True)
class Facts:
    """All that one delivery is judged by. `due_ms` is the notification's deliverAt."""

    notification: Notification
    delivery: Delivery
    outlet: Outlet
    whereabouts: Whereabouts
    around: Around
    last: Last | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """`state` is a stable word; `because` and `do` are for people. `at_ms` 0: no time can be told."""

    state: str
    because: str
    next: str = ""  # what happens by itself; empty: nothing does
    at_ms: int = 0
    do: tuple[str, ...] = field(default=())
