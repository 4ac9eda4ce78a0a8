"""Nothing is silent: what each attempt leaves in the timeline, the log and the metrics."""

import logging
import time
from functools import lru_cache

import orjson
from prometheus_client import Counter, Histogram

from angarium.notifications import Attempt, Notification, Outcome, Priority, Target
from angarium.retries import Decision, Move
from angarium.telemetry import logs, metrics
from angarium_deliverer.reasons import bounded

log = logging.getLogger(__name__)


def timeline_entry(attempt: Attempt, decision: Decision, outcome: Outcome, took: float) -> bytes:
    """JSON without times: the script that stores it knows them."""
    entry: dict[str, object] = {
        "type": "attempt",
        "delivery": attempt.delivery,
        "number": attempt.number,
        "outcome": decision.move,
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
    line: dict[str, object] = {
        "notification": attempt.notification.id,
        "delivery": attempt.delivery,
        "channel" if attempt.target.to else "callback": attempt.target.name,
        "attempt": attempt.number,
        "outcome": decision.move,
        "reason": decision.reason,
        "ms": round(took * 1000),
    }
    if due:
        line["next"] = logs.moment(due)
    if due is None:
        line["stale"] = True
        metrics.STALE.inc()
    logs.info(log, "attempt", line)
    if attempt.notification.test:  # somebody tries out an endpoint: nothing by which the service is judged
        channel = "test"
    _attempts(attempt.notification.product, channel, decision.move, bounded(decision.reason)).inc()
    _duration(channel).observe(took)
    if due is not None and decision.move not in {Move.RETRY, Move.SENT} and not attempt.notification.test:
        _settled(channel, attempt.notification, decision.move)


def delivered_when_due(priority: Priority, due_ms: int) -> None:
    """What the objective counts: how long after it was due a callback got what nothing but us could hold up."""
    _delay(priority).observe(max(0.0, time.time() - due_ms / 1000))


def refused(channel: str, attempt: Attempt, reason: str) -> None:
    """One log line and the metrics of a delivery that was refused without an attempt."""
    line: dict[str, object] = {
        "notification": attempt.notification.id, "delivery": attempt.delivery,
        "channel" if attempt.target.to else "callback": attempt.target.name, "reason": reason,
    }  # fmt: skip
    logs.info(log, "refused", line)
    if not attempt.notification.test:
        _settled(channel, attempt.notification, Move.REFUSED)


def report_entry(delivery: str, move: Move, outcome: Outcome) -> bytes:
    """What a carrier told, for the timeline."""
    entry: dict[str, object] = {"type": "reported", "delivery": delivery, "outcome": move, "response": outcome.response}
    if outcome.reason:
        entry |= {"reason": outcome.reason, "detail": outcome.detail}
    return orjson.dumps(entry)


def reported(notification: Notification, target: Target, delivery: str, move: Move, reason: str) -> None:
    """One log line and the metrics of a delivery that ended as its carrier told."""
    line: dict[str, object] = {
        "notification": notification.id, "delivery": delivery, "channel": target.name, "outcome": move,
        "reason": reason,
    }  # fmt: skip
    logs.info(log, "reported", line)
    _settled(target.name, notification, move)


def _settled(channel: str, notification: Notification, move: Move) -> None:
    _ends(notification.product, channel, move).inc()
    if move is Move.DELIVERED:
        since = max(notification.created_ms, notification.due_ms) / 1000
        _latency(notification.priority).observe(max(0.0, time.time() - since))


# What `labels` finds costs 1 µs each time, and there are four for each attempt.


@lru_cache(maxsize=65_536)
def _attempts(product: str, channel: str, move: Move, reason: str) -> Counter:
    return metrics.ATTEMPTS.labels(product, channel, move.value, reason)


@lru_cache(maxsize=65_536)
def _ends(product: str, channel: str, move: Move) -> Counter:
    return metrics.SETTLED.labels(product, channel, move.value)


@lru_cache
def _duration(channel: str) -> Histogram:
    return metrics.ATTEMPT_DURATION.labels(channel)


@lru_cache
def _latency(priority: Priority) -> Histogram:
    return metrics.DELIVERY_LATENCY.labels(priority.value)


@lru_cache
def _delay(priority: Priority) -> Histogram:
    return metrics.DELIVERY_DELAY.labels(priority.value)
