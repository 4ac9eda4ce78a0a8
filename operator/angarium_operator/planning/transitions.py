"""From conditions before and after to Events: said once, when something passes from one state into another."""

from angarium.resources import Condition
from angarium_operator.planning.actions import Announcement
from angarium_operator.planning.verdicts import PENDING, Truth

ENDPOINT = {"True": "EndpointRecovered", "False": "EndpointFailing"}
SILENT = frozenset({"Ready"})  # says nothing that the others don't


def transitions(before: tuple[Condition, ...], after: tuple[Condition, ...]) -> tuple[Announcement, ...]:
    """What is worth an Event."""
    old = {condition.type: condition for condition in before}
    return tuple(
        said
        for condition in after
        if condition.type not in SILENT and (said := _transition(old.get(condition.type), condition)) is not None
    )


def _transition(old: Condition | None, new: Condition) -> Announcement | None:
    was: Truth = old.status if old is not None else "Unknown"
    was_waiting = old is None or old.reason == PENDING
    if new.status == "False" and new.reason != PENDING and (was != "False" or (old and old.reason != new.reason)):
        reason = "AutoDisabled" if new.reason == "Gone" else ENDPOINT["False"]
        return Announcement("Warning", reason if new.type == "EndpointHealthy" else new.reason, new.message)
    if new.status != "True" or was == "True":
        return None
    if new.type == "EndpointHealthy":
        return Announcement("Normal", ENDPOINT["True"], new.message) if was == "False" else None
    if new.type == "Programmed":
        return Announcement("Normal", "Programmed", new.message)
    return None if was_waiting else Announcement("Normal", new.type, new.message)
