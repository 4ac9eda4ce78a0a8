"""Whether an account takes its credentials: when to ask, and what the last answer means. Asking is somebody else's."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson

from angarium.resources import Provider
from angarium_operator.planning.verdicts import PENDING, Verdict

CHECKING = Verdict("Unknown", PENDING, "the credentials are being checked")
WAITING = Verdict("Unknown", PENDING, "waits for Accepted and ResolvedRefs")


@dataclass(frozen=True)
class Probe:
    """What is asked, and with what. The token names all of it, so that an answer is never taken for another's."""

    type: str
    settings: Mapping[str, Any]
    credentials: Mapping[str, str] = field(repr=False)

    @cached_property
    def token(self) -> str:
        """Kept in memory alone."""
        text = orjson.dumps([self.type, self.settings, self.credentials], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()


@dataclass(frozen=True, slots=True)
class Finding:
    """What an account answered to the probe of this token, and when to ask again."""

    token: str
    verdict: Verdict
    again: datetime


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What follows: the condition Authenticated, the probe that is due, and when the next one is."""

    verdict: Verdict
    probe: Probe | None = None
    look_again: datetime | None = None


def plan_probe(provider: Provider, probe: Probe, known: Finding | None, now: datetime) -> ProbePlan:
    """Decide; `known` is the last answer, about whatever it was asked."""
    if reason := unprobeable(probe):
        return ProbePlan(Verdict("Unknown", "NotProbeable", reason))
    if known is None:
        return ProbePlan(_as_before(provider) or CHECKING, probe)
    if known.token != probe.token:
        return ProbePlan(CHECKING, probe)
    if now >= known.again:
        return ProbePlan(known.verdict, probe)
    return ProbePlan(known.verdict, look_again=known.again)


def unprobeable(probe: Probe) -> str:
    """Why nothing short of a message would tell, or nothing."""
    if probe.type == "apprise":
        return "the services behind Apprise can't be asked without sending a message"
    if probe.type == "slack" and "bot-token" not in probe.credentials:
        return "an incoming webhook can't be asked without sending a message"
    return ""


def _as_before(provider: Provider) -> Verdict | None:
    """After a start of ours the status holds until there is an answer; another spec has another generation."""
    before = next((each for each in provider.status.conditions if each.type == "Authenticated"), None)
    if before is None or before.observed_generation != provider.metadata.generation:
        return None
    return Verdict(before.status, before.reason, before.message)
