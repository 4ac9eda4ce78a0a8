"""Replay: deliveries that have ended start anew, at a person's wish: dead letters, or what was delivered."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from angarium.resources.callback import Pattern
from angarium.resources.durations import Lookback
from angarium.resources.meta import ApiVersion, Identifier, ProductRef, Report, Resource, Time
from angarium.resources.rules import Distinct, Rule, SpecModel
from angarium.resources.topic import CallbackRef

_REASON = "^[a-z0-9_]{1,64}$"
_STAYS = Rule(cel="self == oldSelf", message="can't change, as some of it may be done; create a new replay")
ReasonWord = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Rule(
        cel=f"self.matches('{_REASON}')",
        message="must be a word like http_503: lower case letters, digits and _",
        check=lambda text: re.fullmatch(_REASON, text) is not None and "\n" not in text,
    ),
]
SecondsAfter = Annotated[int, Field(strict=True, ge=0, le=31_536_000)]


class ReplaySelection(SpecModel):
    """Which deliveries; all that is given must hold. Tests and messages to recipients are never among them."""

    rules = (
        Rule(
            cel="!has(self.reasons) || self.reasons.size() == 0 || self.deliveries == 'DeadLetters'",
            message="reasons go with deliveries: DeadLetters only; what was delivered has none",
            check=lambda chosen: not chosen.reasons or chosen.deliveries == "DeadLetters",
            at=".reasons",
        ),
        Rule(
            cel="!has(self.since) || !has(self.from)",
            message="only one of since, from may be set",
            check=lambda chosen: chosen.since is None or chosen.from_ is None,
            at=".since",
        ),
        Rule(
            cel="!has(self.from) || !has(self.until) || self.from < self.until",
            message="until must be after from",
            check=lambda chosen: chosen.from_ is None or chosen.until is None or chosen.from_ < chosen.until,
            at=".until",
        ),
    )

    deliveries: Literal["DeadLetters", "Delivered", "All"] = Field(
        default="DeadLetters",
        description="DeadLetters: those that were refused or whose attempts are used up. Delivered: those that the"
        " receiver took. All: both.",
    )
    callback_refs: Annotated[tuple[CallbackRef, ...], Field(max_length=64)] = Field(
        default=(),
        description="The Callbacks. Default: all of the product; in another namespace than the product's, those of"
        " this one.",
    )
    events: Annotated[tuple[Pattern, ...], Field(max_length=32), Distinct()] = Field(
        default=(), description="Names of events, or patterns: * is one segment, a final ** the rest. Default: all."
    )
    reasons: Annotated[tuple[ReasonWord, ...], Field(max_length=32), Distinct()] = Field(
        default=(), description="Why they failed last, as timelines say it: http_503, timeout. Default: for any reason."
    )
    from_: Time | None = Field(
        default=None,
        alias="from",
        description="Notifications that were accepted at this time or later. Default: all that are kept.",
    )
    since: Lookback | None = Field(
        default=None, description="The same, as a time before the replay was created: 6h. Instead of from."
    )
    until: Time | None = Field(
        default=None,
        description="Notifications that were accepted before this time. Default, and at most: when the replay was"
        " created.",
    )


class ReplaySpec(SpecModel):
    """What is asked for."""

    product_ref: Annotated[ProductRef, _STAYS] = Field(
        description="The Product whose notifications are looked at, and those of its Organizations. Can't change."
    )
    select: Annotated[ReplaySelection, _STAYS] = Field(description="Which deliveries start anew. Can't change.")
    dry_run: Annotated[bool, Field(strict=True), _STAYS] = Field(
        default=False, description="Count only. Can't change: create another replay to do it."
    )
    webhook_id: Annotated[Literal["Same", "New"], _STAYS] = Field(
        default="Same",
        alias="webhookID",
        description="The webhook-id that receivers see. Same: that of the first time, so that a receiver which has"
        " processed it may leave it out. New: another one, so that it processes it again. Can't change.",
    )
    deliveries_per_second: int = Field(
        default=50,
        strict=True,
        ge=1,
        le=10_000,
        description="How many go back into their lines in a second. It may change on the way.",
    )
    suspend: bool = Field(default=False, strict=True, description="Stop for now; it goes on where it was.")
    ttl_seconds_after_finished: SecondsAfter | None = Field(
        default=None, description="Seconds after which a complete one is deleted. Default: it stays."
    )

    @property
    def ttl(self) -> timedelta | None:
        """After which time it is deleted."""
        seconds = self.ttl_seconds_after_finished
        return None if seconds is None else timedelta(seconds=seconds)


Count = Annotated[int, Field(ge=0)]


class ReplayStatus(Report):
    """What the operator reports."""

    replay_id: Identifier | None = Field(
        default=None, alias="replayID", description="Stable identifier, made from metadata.uid."
    )
    matched: Count | None = Field(default=None, description="Deliveries that it is for; complete once all are counted.")
    redriven: Count | None = Field(default=None, description="How many of them are back in their lines, or were sent.")
    left_out: Count | None = Field(
        default=None,
        description="How many match and are left out: their callback is disabled, they are past their expiresAt, or"
        " something else became of them meanwhile.",
    )
    start_time: Time | None = Field(default=None, description="When it began.")
    completion_time: Time | None = Field(default=None, description="When it was complete.")


class Replay(Resource):
    """Deliveries to Callbacks that have ended start anew: dead letters, or what was delivered before."""

    api_version: ApiVersion = "angarium.dev/v1alpha1"
    kind: Literal["Replay"] = "Replay"
    spec: ReplaySpec = Field(description="What is asked for.")
    status: ReplayStatus = Field(default_factory=ReplayStatus, description="What the operator reports.")
