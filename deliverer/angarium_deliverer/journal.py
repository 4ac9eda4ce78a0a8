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
_STATUSES = {f"http_{status.value}" for status in HTTPStatus} | {"http_3xx"}


def timeline_entry(attempt: Attempt, decision: Decision, outcome: Outcome, took: float) -> bytes:
    """JSON without times: the script that stores it knows them."""
    entry: dict[str, object] = {
        "type": "attempt",
        "delivery": attempt.delivery,
        "number": attempt.number,
        "outcome": decision.move.value,
        "reason": decision.reason,
        "durationMs": round(took * 1000),
    }
    if outcome.detail:
        entry["detail"] = outcome.detail
    if outcome.response:
        entry["response"] = outcome.response
    if attempt.recoveries:
        entry["recoveries"] = attempt.recoveries
    return orjson.dumps(entry)


def refusal_entry(attempt: Attempt, reason: str, detail: str) -> bytes:
    """The same, of a delivery that was refused without an attempt."""
    return orjson.dumps({"type": "refused", "delivery": attempt.delivery, "reason": reason, "detail": detail})


def attempt_made(channel: str, attempt: Attempt, decision: Decision, took: float, due: float | None) -> None:
    """One log line and the metrics.

    `due` is when the next attempt is, in epoch seconds. 0: there is none; None: another deliverer had taken the
    delivery over meanwhile, and what becomes of it is told there.
    """
    line = _line(attempt) | {
        "attempt": attempt.number, "outcome": decision.move.value, "reason": decision.reason, "ms": round(took * 1000),
    }  # fmt: skip
    if due:
        line["next"] = datetime.fromtimestamp(due, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if due is None:
        line["stale"] = True
        metrics.STALE.inc()
    log.info("attempt", extra=line)
    product = attempt.notification.product
    metrics.ATTEMPTS.labels(product, channel, decision.move.value, bounded(decision.reason)).inc()
    metrics.ATTEMPT_DURATION.labels(channel).observe(took)
    if due is not None and decision.move is not Move.RETRY:
        _settled(channel, attempt, decision.move)


def refused(channel: str, attempt: Attempt, reason: str) -> None:
    """One log line and the metrics of a delivery that was refused without an attempt."""
    log.info("refused", extra=_line(attempt) | {"reason": reason})
    _settled(channel, attempt, Move.REFUSED)


def _line(attempt: Attempt) -> dict[str, object]:
    return {
        "notification": attempt.notification.id, "delivery": attempt.delivery, "callback": attempt.target.name,
    }  # fmt: skip


def _settled(channel: str, attempt: Attempt, move: Move) -> None:
    notification = attempt.notification
    metrics.SETTLED.labels(notification.product, channel, move.value).inc()
    if move is Move.DELIVERED:
        since = max(notification.created_ms, notification.due_ms) / 1000
        metrics.DELIVERY_LATENCY.labels(notification.priority.value).observe(max(0.0, time.time() - since))


def bounded(reason: str) -> str:
    """A label value: receivers may answer any number, but only known statuses become labels of their own."""
    return reason if not reason.startswith("http_") or reason in _STATUSES else "http_other"
