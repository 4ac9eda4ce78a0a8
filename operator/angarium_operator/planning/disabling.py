"""Whether an endpoint is left alone: it is gone, or there was nothing but failure for too long.

What the queue knows of an endpoint goes on changing after that (an attempt that was in flight ends well), so the
verdict itself is remembered: in the published record, and in the status, which outlives Redis. Both name the endpoint
by its token, and another token is the only way back.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

from angarium.identifiers import resource_id
from angarium.queue.census import CallbackHealth
from angarium.records import CallbackRecord
from angarium.resources import Callback, Disabled, Product
from angarium_operator.planning.records import endpoint_token
from angarium_operator.planning.snapshot import Key, Snapshot

Reason = Literal["gone", "auto_disabled"]
REASONS: tuple[Reason, ...] = ("gone", "auto_disabled")


def disabled(snapshot: Snapshot, callback: Callback, product: Product | None) -> Reason | None:
    """Why nothing may be sent to the endpoint that the callback has now, or None."""
    return _remembered(snapshot, callback) or _judged(known_health(snapshot, callback), callback, product)


def known_health(snapshot: Snapshot, callback: Callback) -> CallbackHealth:
    """What the queue knows of the callback, be it about this endpoint or a former one."""
    return snapshot.health.get(resource_id("cbk", callback.metadata.uid), CallbackHealth())


def _remembered(snapshot: Snapshot, callback: Callback) -> Reason | None:
    token, status = endpoint_token(callback), callback.status.disabled
    if status is not None and status.endpoint == token:
        return status.reason
    published = snapshot.published.get(Key.of(callback))
    record = published.record if published else None
    if not isinstance(record, CallbackRecord) or record.endpoint != token:
        return None
    if record.id != resource_id("cbk", callback.metadata.uid):  # of a former object of this name
        return None
    return next((reason for reason in REASONS if reason == record.disabled), None)


def _judged(known: CallbackHealth, callback: Callback, product: Product | None) -> Reason | None:
    token = endpoint_token(callback)
    if known.gone and known.gone == token:
        return "gone"
    patience = patience_with(callback, product)
    if known.endpoint == token and patience is not None and failing_for(known) >= patience:
        return "auto_disabled"
    return None


def patience_with(callback: Callback, product: Product | None) -> timedelta | None:
    """How long its endpoint may fail; None: for ever, and where there is no product to ask."""
    if product is None:
        return None
    return callback.spec.delivery.auto_disable.patience(product.spec.delivery.auto_disable)


def failing_since(known: CallbackHealth) -> datetime | None:
    """The beginning of nothing but failure. Shards know of different attempts: a delivery in one ends it in all."""
    if not known.failing_since_ms:
        return None
    return time_of(max(known.failing_since_ms, known.delivered_ms))


def failing_for(known: CallbackHealth) -> timedelta:
    """Up to the last failure: an endpoint that nothing is sent to is not judged."""
    since = failing_since(known)
    return max(time_of(known.failed_ms) - since, timedelta()) if since else timedelta()


def remember(callback: Callback, reason: Reason | None, known: CallbackHealth, now: datetime) -> Disabled | None:
    """What the status says of it."""
    before, token = callback.status.disabled, endpoint_token(callback)
    if reason is None or (before is not None and before.endpoint == token):
        return before if reason else None
    since = failing_since(known) if reason == "auto_disabled" else None
    return Disabled(reason=reason, endpoint=token, time=now, failing_since=since)


def time_of(ms: int) -> datetime:
    """In whole seconds, as a status has it."""
    return datetime.fromtimestamp(ms // 1000, UTC)
