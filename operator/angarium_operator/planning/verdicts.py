"""Verdicts of checks, and how they become conditions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from angarium.resources import Condition

Truth = Literal["True", "False", "Unknown"]
FEEDS_READY = ("Accepted", "ResolvedRefs", "CredentialsReady", "Programmed")
PROGRESS = frozenset({"Reconciling", "Stalled"})
STEPS = ("Resolved", "Connected", "Secured", "Signed", "Answered")  # of a test, as it goes
OURS = frozenset(
    {*FEEDS_READY, *PROGRESS, "Ready", "EndpointHealthy", "Authenticated", "Complete", "Succeeded", *STEPS}
)
PENDING = "Pending"


class Verdict(NamedTuple):
    """What a check found: the status, reason and message of a condition."""

    status: Truth
    reason: str
    message: str = ""

    @property
    def good(self) -> bool:
        """Whether the condition holds."""
        return self.status == "True"


def yes(reason: str, message: str = "") -> Verdict:
    """It holds."""
    return Verdict("True", reason, message)


def no(reason: str, message: str) -> Verdict:
    """It doesn't."""
    return Verdict("False", reason, message)


def ready(verdicts: Mapping[str, Verdict]) -> Verdict:
    """The and of all that feed it, in the words of the first that doesn't hold; what waits for another comes last."""
    failing = [verdicts[name] for name in FEEDS_READY if name in verdicts and not verdicts[name].good]
    failing.sort(key=lambda verdict: verdict.reason == PENDING)
    return failing[0] if failing else yes("Ready", "the live gateways and deliverers use this very spec")


def conditions(
    before: tuple[Condition, ...], verdicts: Mapping[str, Verdict], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """The conditions to write; a time of transition moves only with its status."""
    old = {condition.type: condition for condition in before}
    return tuple(
        Condition(
            type=name,
            status=verdict.status,
            reason=verdict.reason,
            message=verdict.message,
            last_transition_time=old[name].last_transition_time
            if name in old and old[name].status == verdict.status
            else now,
            observed_generation=generation,
        )
        for name, verdict in verdicts.items()
    )
