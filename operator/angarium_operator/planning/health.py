"""How a callback's endpoint fares, for people: never a reason for the callback not to be Ready."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from angarium.health import FAILING_AFTER_MS, at_endpoint, fails, word
from angarium.queue.census import CallbackHealth
from angarium.resources import Callback, Disabled, Health, Product
from angarium.resources.durations import format_duration
from angarium.resources.meta import ENABLE
from angarium_operator.planning.actions import Announcement
from angarium_operator.planning.disabling import (
    disabled,
    failing_for,
    failing_since,
    known_health,
    patience_with,
    remember,
    time_of,
)
from angarium_operator.planning.records import callback_url, endpoint_token
from angarium_operator.planning.snapshot import Snapshot
from angarium_operator.planning.verdicts import Verdict, no, yes

FAILING_AFTER = timedelta(milliseconds=FAILING_AFTER_MS)
KEPT_WHILE_AWAY = ("health", "backlog", "last_delivered_time", "last_failure")


@dataclass(frozen=True, slots=True)
class HealthPlan:
    """What follows for the status: verdicts and model fields, what is to be said, and when time alone changes it."""

    verdicts: Mapping[str, Verdict]
    fields: Mapping[str, Any]
    announcements: tuple[Announcement, ...] = ()
    look_again: datetime | None = None


def plan_health(snapshot: Snapshot, callback: Callback, product: Product | None, now: datetime) -> HealthPlan:
    """Decide; `now` in whole seconds."""
    if not snapshot.stored:
        return _as_before(callback)
    found = known_health(snapshot, callback)
    known = at_endpoint(endpoint_token(callback), found)
    off = remember(callback, disabled(snapshot, callback, product), found, now)
    health = word(known, disabled=off is not None, now_ms=int(now.timestamp() * 1000))
    end = None if off else _end(known, patience_with(callback, product))
    near = end if end and failing_for(known) * 2 >= end.patience else None
    fields = {
        "url": callback_url(callback),
        "health": health,
        "auto_disable_time": near and near.time,
        "disabled": off,
    }
    return HealthPlan(
        {"EndpointHealthy": _verdict(health, known, off, end)},
        fields | _counts(known, found.delivered_ms),
        (_warning(known, near),) if near and callback.status.auto_disable_time is None else (),
        _next_look(known, health),
    )


def _as_before(callback: Callback) -> HealthPlan:
    """Nothing is known now: what was known stays."""
    status = callback.status
    conditions = [condition for condition in status.conditions if condition.type == "EndpointHealthy"]
    return HealthPlan(
        {each.type: Verdict(each.status, each.reason, each.message) for each in conditions},
        {"url": callback_url(callback)} | {name: getattr(status, name) for name in KEPT_WHILE_AWAY},
    )


@dataclass(frozen=True, slots=True)
class _End:
    """When an endpoint that goes on failing as it does will be disabled."""

    since: datetime
    patience: timedelta

    @property
    def time(self) -> datetime:
        return self.since + self.patience

    def __str__(self) -> str:
        return f"; disabled after {format_duration(self.patience)} of this (at {_minute(self.time)})"


def _end(known: CallbackHealth, patience: timedelta | None) -> _End | None:
    since = failing_since(known)
    return None if since is None or patience is None else _End(since, patience)


def _verdict(health: Health, known: CallbackHealth, off: Disabled | None, end: _End | None) -> Verdict:
    """The condition EndpointHealthy. Times of probes are left out: a status isn't rewritten for them."""
    if off is not None:
        return _off(off)
    match health:
        case "CircuitOpen":
            return no("CircuitOpen", f"{_failures(known)}; only probes are sent until one succeeds{end or ''}")
        case "Failing":
            return no("Failing", f"{_in_a_row(known)}{end or ''}")
        case "Healthy":
            return yes("Delivering", "the endpoint takes what is sent")
        case _:
            return Verdict("Unknown", "NoTraffic", "nothing was delivered yet")


def _off(off: Disabled) -> Verdict:
    way_back = f"nothing is sent until spec.url or the annotation {ENABLE} changes"
    if off.reason == "gone":
        return no("Gone", f"the receiver answered 410 Gone: {way_back}")
    since = f" since {_minute(off.failing_since)}" if off.failing_since else ""
    return no("AutoDisabled", f"nothing but failures{since}, given up at {_minute(off.time)}: {way_back}")


def _failures(known: CallbackHealth) -> str:
    if not known.recent_failed:
        return _in_a_row(known)
    return f'{known.recent_failed} of the last {known.recent} attempts failed, the last with "{known.reason}"'


def _in_a_row(known: CallbackHealth) -> str:
    return f'{known.failures} attempts in a row failed, the last with "{known.reason}"'


def _warning(known: CallbackHealth, end: _End) -> Announcement:
    note = (
        f'nothing but failures since {_minute(end.since)}, the last with "{known.reason}":'
        f" disabled at {_minute(end.time)} unless an attempt succeeds"
    )
    return Announcement("Warning", "AutoDisablePending", note)


def _next_look(known: CallbackHealth, health: Health) -> datetime | None:
    """When time alone makes it Failing."""
    if health not in ("Healthy", "Unknown") or not fails(known):
        return None
    return time_of(known.failing_since_ms) + FAILING_AFTER + timedelta(seconds=1)


def _counts(known: CallbackHealth, delivered_ms: int) -> dict[str, Any]:
    """The part of a status that merely counts, as model fields; the last delivery may be another endpoint's."""
    found: dict[str, Any] = {"backlog": known.backlog}
    if delivered_ms:
        found["last_delivered_time"] = time_of(delivered_ms)
    if known.failed_ms:
        found["last_failure"] = {"time": time_of(known.failed_ms), "reason": known.reason or "failed"}
    return found


def _minute(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ")
