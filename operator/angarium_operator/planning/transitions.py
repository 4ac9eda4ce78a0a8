"""From conditions before and after to Events: said once, when something passes from one state into another."""

from angarium.resources import Condition
from angarium_operator.planning.actions import Announcement
from angarium_operator.planning.verdicts import PENDING, PROGRESS, STEPS, Truth

ENDPOINT_FAILS = {  # by the reason of the condition
    "Failing": "EndpointFailing",
    "CircuitOpen": "CircuitOpen",
    "Gone": "AutoDisabled",
    "AutoDisabled": "AutoDisabled",
}
DISABLED = frozenset({"Gone", "AutoDisabled"})
SILENT = frozenset({"Ready", *PROGRESS, *STEPS})  # say nothing that the others don't


def transitions(before: tuple[Condition, ...], after: tuple[Condition, ...]) -> tuple[Announcement, ...]:
    """What is worth an Event."""
    old = {condition.type: condition for condition in before}
    return tuple(
        said
        for condition in after
        if condition.type not in SILENT and (said := _transition(old.get(condition.type), condition)) is not None
    )


def _transition(old: Condition | None, new: Condition) -> Announcement | None:
    if new.type == "EndpointHealthy":
        return _of_endpoint(old, new)
    was: Truth = old.status if old is not None else "Unknown"
    was_waiting = old is None or old.reason == PENDING
    if new.status == "False" and new.reason != PENDING and (was != "False" or (old and old.reason != new.reason)):
        return Announcement("Warning", new.reason, new.message)
    if new.status != "True" or was == "True":
        return None
    if new.type == "Programmed":
        return Announcement("Normal", "Programmed", new.message)
    return None if was_waiting else Announcement("Normal", new.type, new.message)


def _of_endpoint(old: Condition | None, new: Condition) -> Announcement | None:
    was, reason = (old.status, old.reason) if old is not None else ("Unknown", "")
    if reason == "CircuitOpen" and new.reason not in (reason, *DISABLED):
        return Announcement("Normal", "CircuitClosed", new.message)
    if new.status == "False":
        return None if new.reason == reason else Announcement("Warning", ENDPOINT_FAILS[new.reason], new.message)
    if reason in DISABLED:
        return Announcement("Normal", "EndpointEnabled", "what is sent goes out again")
    return Announcement("Normal", "EndpointRecovered", new.message) if new.status == "True" and was == "False" else None
