"""How a callback's endpoint fares, for people: never a reason for the callback not to be Ready."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from angarium.identifiers import resource_id
from angarium.queue.census import CallbackHealth
from angarium.resources import Callback
from angarium.resources.meta import ENABLE
from angarium_operator.planning.records import callback_url, endpoint_token
from angarium_operator.planning.snapshot import Snapshot
from angarium_operator.planning.verdicts import Verdict, no, yes

Health = Literal["Healthy", "Failing", "Disabled", "Unknown"]
FAILING_ROW = 3  # failures in a row after which an endpoint fails,
FAILING_AFTER = timedelta(seconds=30)  # or so long after the first of them


def health_of(known: CallbackHealth, *, disabled: str, now: datetime) -> Health:
    """In one word."""
    if disabled:
        return "Disabled"
    long = known.failing_since_ms and now - _time(known.failing_since_ms) >= FAILING_AFTER
    if known.failures >= FAILING_ROW or (known.failures and long):
        return "Failing"
    return "Healthy" if known.delivered_ms else "Unknown"


def endpoint_verdict(health: Health, known: CallbackHealth) -> Verdict:
    """The condition EndpointHealthy."""
    match health:
        case "Disabled":
            return no(
                "Gone",
                f"the receiver answered 410 Gone: nothing is sent until spec.url or the annotation {ENABLE} changes",
            )
        case "Failing":
            return no("Failing", f'{known.failures} attempts in a row failed, the last with "{known.reason}"')
        case "Healthy":
            return yes("Delivering", "the endpoint takes what is sent")
        case "Unknown":
            return Verdict("Unknown", "NoTraffic", "nothing was delivered yet")


def next_look(known: CallbackHealth, health: Health) -> datetime | None:
    """When time alone makes it Failing."""
    if health in ("Failing", "Disabled") or not known.failures:
        return None
    return _time(known.failing_since_ms) + FAILING_AFTER + timedelta(seconds=1)


def counts(known: CallbackHealth) -> dict[str, Any]:
    """The part of a status that merely counts, as model fields."""
    found: dict[str, Any] = {"backlog": known.backlog}
    if known.delivered_ms:
        found["last_delivered_time"] = _time(known.delivered_ms)
    if known.failed_ms:
        found["last_failure"] = {"time": _time(known.failed_ms), "reason": known.reason or "failed"}
    return found


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC)


def disabled(snapshot: Snapshot, callback: Callback) -> str:
    """Why deliverers must leave it alone: the receiver said 410 Gone at the very endpoint that it has now."""
    known = known_health(snapshot, callback)
    return "gone" if known.gone and known.gone == endpoint_token(callback) else ""


def known_health(snapshot: Snapshot, callback: Callback) -> CallbackHealth:
    """What the queue knows of its endpoint."""
    return snapshot.health.get(resource_id("cbk", callback.metadata.uid), CallbackHealth())


def add_health(
    snapshot: Snapshot,
    callback: Callback,
    verdicts: dict[str, Verdict],
    fields: dict[str, Any],
    now: datetime,
) -> Health:
    """Add condition and fields of an endpoint's health to what the status will say."""
    known = known_health(snapshot, callback)
    health = health_of(known, disabled=disabled(snapshot, callback), now=now)
    verdicts["EndpointHealthy"] = endpoint_verdict(health, known)
    fields |= {"url": callback_url(callback), "health": health, **counts(known)}
    if not snapshot.stored:  # nothing is known now: what was known stays
        status = callback.status
        fields |= {name: getattr(status, name) for name in ("health", "backlog", "last_delivered_time", "last_failure")}
        del verdicts["EndpointHealthy"]
        verdicts |= {
            c.type: Verdict(c.status, c.reason, c.message) for c in status.conditions if c.type == "EndpointHealthy"
        }
    return health
