"""What is asked of the loops that replay and test, and what they tell of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from angarium.notifications import Notification
from angarium.queue.replays import Wish


@dataclass(frozen=True, slots=True)
class ReplayOrder:
    """A replay that is to go on; a tenant gets no more waiting deliveries while as many as `most_waiting` says wait."""

    wish: Wish
    per_second: int
    most_waiting: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far the replay of this id is."""

    id: str
    state: Literal["Counting", "Replaying", "BacklogFull", "Completed"]
    matched: int = 0
    done: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class TrialOrder:
    """A test that is to be sent, once, and followed to its end."""

    id: str
    notification: Notification


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """What is known of the test of this id. `report`: the attempt as its timeline has it; None: none has ended yet."""

    id: str
    started: bool = False  # a deliverer has it
    delivered: bool = False
    reason: str = ""  # of a delivery that was refused
    report: Mapping[str, Any] | None = None
    ended: datetime | None = None


Order = ReplayOrder | TrialOrder
Progress = ReplayProgress | TrialProgress
