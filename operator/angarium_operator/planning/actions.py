"""What a plan may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from angarium.records import Record
from angarium_operator.planning.orders import Order
from angarium_operator.planning.probes import Probe

MANAGED_BY = "app.kubernetes.io/managed-by"
ANGARIUM = "angarium"
LABELS: Mapping[str, str] = {MANAGED_BY: ANGARIUM}


class OwnerReference(NamedTuple):
    """The object with which a Secret lives and dies."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class SecretContent:
    """A Secret as it should be; `exists` tells whether one of ours stands there already."""

    namespace: str
    name: str
    type: str
    owner: OwnerReference
    data: Mapping[str, str] = field(repr=False)  # in the clear, not in base64
    exists: bool = False
    labels: Mapping[str, str] = field(default_factory=lambda: LABELS)


class Announcement(NamedTuple):
    """An Event on the object: something passed from one state into another."""

    type: Literal["Normal", "Warning"]
    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is due for one object; an empty plan means that the world is as it should be.

    To be carried out in this order: the record (so that no key is given out that gateways don't know), the Secret (a
    callback's or topic's new one first of all), the status, the announcements; where one fails the rest must wait for
    the next plan.
    """

    record: Record | None = None  # to publish
    withdraw: bool = False  # delete the published record
    secret: SecretContent | None = None
    status: Mapping[str, Any] | None = None  # all of it, as JSON; None: it is as it should be
    announcements: tuple[Announcement, ...] = ()
    look_again: datetime | None = None
    read: str = ""  # name of a Secret that is referred to: read it, and plan anew; nothing else is due before that
    probe: Probe | None = None  # to be asked of an account, beside all this
    order: Order | None = None  # a replay or a test that is to go on, beside all this; None: it is to stop
    delete: bool = False  # the object itself, whose time is over
    recheck: str = ""  # name of a Secret that was not ours: see whether it still is there
    pending: str = field(default="", repr=False)  # a new key to remember until it is in its Secret
    ready: bool = False
    programmed: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is to be written."""
        written = self.record or self.withdraw or self.secret or self.status is not None or self.announcements
        return not (written or self.delete)
