"""Nothing is silent: what each attempt leaves in the timeline, the log and the metrics."""

import logging
import time
from datetime import UTC, datetime
from http import HTTPStatus

import orjson

from angarium.notifications import Attempt, Outcome
from angarium.retries import Decision, Move
from angarium.telemetry import metrics

log = logging.getLogger(__name__)
CHANNEL = "webhook"
_STATUSES = {f"http_{status.value}" for status in HTTPStatus} | {"http_3xx"}


def timeline_entry(attempt: Attempt, decision: Decision, outcome: Outcome, took: float) -> bytes:
    """JSON without times: the script that stores it knows them."""
    entry: dict[str, object] = {
        "type": "attempt",
        "delivery": attempt.delivery,
        "callback": attempt.target.name.partition("/")[2],
        "number": attempt.number,
        "outcome": decision.move.value,
        "reason": outcome.reason,
        "durationMs": round(took * 1000),
    }
    if outcome.detail:
        entry["detail"] = outcome.detail
    if outcome.response:
        entry["response"] = outcome.response
    if attempt.recoveries:
        entry["recoveries"] = attempt.recoveries
    return orjson.dumps(entry)


def attempt_made(attempt: Attempt, decision: Decision, outcome: Outcome, took: float, due: float) -> None:
    """One log line and the metrics; `due` is when the next attempt is, in epoch seconds (0: there is none)."""
    notification = attempt.notification
    line = {
        "notification": notification.id,
        "delivery": attempt.delivery,
        "callback": attempt.target.name,
        "attempt": attempt.number,
        "outcome": decision.move.value,
        "reason": outcome.reason,
        "ms": round(took * 1000),
    }
    if due:
        line["next"] = datetime.fromtimestamp(due, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    log.info("attempt", extra=line)
    metrics.ATTEMPTS.labels(notification.product, CHANNEL, decision.move.value, bounded(outcome.reason)).inc()
    metrics.ATTEMPT_DURATION.labels(CHANNEL).observe(took)
    if decision.move is Move.RETRY:
        return
    metrics.SETTLED.labels(notification.product, CHANNEL, decision.move.value).inc()
    if decision.move is Move.DELIVERED:
        since = max(notification.created_ms, notification.due_ms) / 1000
        metrics.DELIVERY_LATENCY.labels(notification.priority.value).observe(max(0.0, time.time() - since))


def bounded(reason: str) -> str:
    """A label value: receivers may answer any number, but only known statuses become labels of their own."""
    return reason if not reason.startswith("http_") or reason in _STATUSES else "http_other"
