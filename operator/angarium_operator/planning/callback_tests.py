"""The plan for a CallbackTest: whether it can be sent now, and what its outcome says of the way to the receiver.

It is sent once, under an id that follows from its uid. Until its deadline it waits for what stands in its way; what no
deliverer has begun by then expires.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from angarium.identifiers import resource_id, trial_id
from angarium.notifications import Notification, Priority, Target
from angarium.payload import TEST_DATA, TEST_EVENT, payload
from angarium.records import CallbackRecord
from angarium.resources import Callback, CallbackTest, Phases
from angarium_operator.planning.actions import Plan
from angarium_operator.planning.orders import TrialOrder, TrialProgress
from angarium_operator.planning.references import RESOLVED, Resolved, resolve
from angarium_operator.planning.replays import expiry
from angarium_operator.planning.snapshot import Key, Snapshot, references
from angarium_operator.planning.status import with_status
from angarium_operator.planning.trial_steps import BODY_SHOWN, camel, steps
from angarium_operator.planning.verdicts import PENDING, STEPS, Verdict, no, yes

ACCEPTED = yes("Accepted", "the spec can be used")
LOOK = timedelta(seconds=1)
GRACE = timedelta(seconds=10)  # beyond the callback's time-out, for what a deliverer has begun
RETENTION_S = 86_400
NOT_REACHED = Verdict("Unknown", "NotReached", "")


def plan_test(snapshot: Snapshot, key: Key, test: CallbackTest, now: datetime) -> Plan:
    """What is due."""
    id_ = resource_id("cbt", test.metadata.uid)
    if test.status.test_id == id_ and test.status.completion_time is not None:
        return expiry(test.spec.ttl, test.status.completion_time, now)
    created = test.metadata.creation_timestamp or now
    deadline = created + test.spec.deadline
    target = references(key, test)[0]
    resolved = _callback(snapshot, target)
    record = _record(snapshot, target)
    obstacle = _obstacle(snapshot, resolved, record)
    order = None
    if obstacle is None and record is not None:
        order = TrialOrder(id_, _notification(snapshot, key, test, target, record, created, deadline))
    progress = snapshot.progress.get(key)
    if not isinstance(progress, TrialProgress) or progress.id != id_:
        progress = None
    given_up = deadline + timedelta(seconds=record.timeout_s if record else 0) + GRACE
    succeeded = _succeeded(snapshot, test, obstacle, progress, now, deadline, given_up)
    over = succeeded.status != "Unknown"
    fields = _fields(id_, order, record, progress) | {"completion_time": now if over else None}
    verdicts = {"Accepted": ACCEPTED, "ResolvedRefs": resolved.verdict}
    verdicts |= _steps(progress) | {"Succeeded": succeeded}
    written = with_status(test.status, fields, verdicts, test.metadata.generation, now)
    look = None if over else now + LOOK  # no object tells that its record is published, or that a deliverer lives
    return replace(written, order=None if over else order, look_again=look, ready=succeeded.good, programmed=True)


def _callback(snapshot: Snapshot, target: Key) -> Resolved:
    callback = snapshot.objects.get(target)
    if not isinstance(callback, Callback) or callback.metadata.deletion_timestamp is not None:
        words = f'callback "{target.name}" does not exist in namespace "{target.namespace}"'
        return Resolved(no("CallbackNotFound", words))
    found = resolve(snapshot, target, callback)
    return found if not found.verdict.good else found._replace(verdict=RESOLVED)


def _record(snapshot: Snapshot, target: Key) -> CallbackRecord | None:
    published = snapshot.published.get(target)
    return published.record if published and isinstance(published.record, CallbackRecord) else None


def _obstacle(snapshot: Snapshot, resolved: Resolved, record: CallbackRecord | None) -> Verdict | None:
    """Why it can't be sent now."""
    if not resolved.verdict.good:
        return Verdict("Unknown", PENDING, "waits for ResolvedRefs")
    if not snapshot.stored:
        return Verdict("Unknown", PENDING, "waits for Redis")
    if record is None:
        return Verdict("Unknown", "CallbackNotReady", "the callback is not published; see its conditions")
    if record.disabled:
        words = f"it is disabled ({record.disabled}); change spec.url or annotate angarium.dev/enable-requested-at"
        return Verdict("Unknown", "CallbackDisabled", words)
    if record.suspended:
        return Verdict("Unknown", "CallbackSuspended", "set spec.suspend of the callback to false")
    return None


def _notification(
    snapshot: Snapshot,
    key: Key,
    test: CallbackTest,
    target: Key,
    record: CallbackRecord,
    created: datetime,
    deadline: datetime,
) -> Notification:
    product = resolve(snapshot, target, snapshot.objects[target]).product
    if product is None:
        raise TypeError(f"{target} has no product")
    ms = round(created.timestamp() * 1000)
    return Notification(
        id=trial_id(test.metadata.uid, ms),
        tenant=record.tenant,
        product=f"{product.metadata.namespace}/{product.metadata.name}",
        event=TEST_EVENT,
        body=payload(TEST_EVENT, ms, TEST_DATA),
        priority=Priority.HIGH,
        created_ms=ms,
        targets=(Target(record.id, f"{target.namespace}/{target.name}"),),
        retention_s=RETENTION_S,
        by=f"callbacktest/{key.name}",
        test=True,
        expires_ms=round(deadline.timestamp() * 1000),
        config_revision=snapshot.published[target].revision,
    )


def _succeeded(
    snapshot: Snapshot,
    test: CallbackTest,
    obstacle: Verdict | None,
    progress: TrialProgress | None,
    now: datetime,
    deadline: datetime,
    given_up: datetime,
) -> Verdict:
    if progress is not None and progress.ended is not None:
        return _outcome(progress)
    waits = obstacle or _waits(snapshot, progress)
    begun = progress is not None and progress.started
    if now < (given_up if begun else deadline):
        return waits
    return no("DeadlineExceeded", f"it was not sent within {_seconds(test.spec.deadline)}: {waits.message}")


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():g} s"


def _waits(snapshot: Snapshot, progress: TrialProgress | None) -> Verdict:
    if "deliverer" not in snapshot.plane.floors:
        return Verdict("Unknown", "NoDeliverer", "no deliverer is alive")
    if progress is not None and progress.started:
        return Verdict("Unknown", "Sending", "a deliverer has it, and has told no outcome yet")
    return Verdict("Unknown", PENDING, "it is about to be sent")


def _outcome(progress: TrialProgress) -> Verdict:
    report = progress.report or {}
    said = report.get("detail") or ""
    if progress.delivered:
        response = report.get("response", {})
        return yes("Delivered", f"{response.get('status', 'accepted')} in {report.get('durationMs', 0)} ms")
    if progress.reason == "expired":
        return no("DeadlineExceeded", "no deliverer took it up in time")
    return no(camel(progress.reason), said or progress.reason)


def _steps(progress: TrialProgress | None) -> dict[str, Verdict]:
    """What is known of the way, as soon as it is."""
    if progress is None or progress.ended is None or progress.report is None:
        return dict.fromkeys(STEPS, NOT_REACHED)
    return steps(progress.report)


def _fields(
    id_: str,
    order: TrialOrder | None,
    record: CallbackRecord | None,
    progress: TrialProgress | None,
) -> dict[str, Any]:
    fields: dict[str, Any] = {"test_id": id_}
    if order is not None and record is not None:
        fields |= {"notification": order.notification.id, "url": record.url}
    if progress is None or progress.ended is None:
        return fields
    report = progress.report or {}
    response = report.get("response") or {}
    trace = response.get("trace") or {}
    expires = trace.get("certificateExpiresMs")
    return fields | {
        "reason": None if progress.delivered else progress.reason,
        "http_status": response.get("status"),
        "body": response.get("body", "")[:BODY_SHOWN] or None,
        "deliverer": trace.get("deliverer") or None,
        "address": trace.get("address"),
        "phases": Phases.model_validate(trace | {"totalMs": report.get("durationMs")}) if trace else None,
        "certificate_expires_at": datetime.fromtimestamp(expires / 1000, tz=progress.ended.tzinfo) if expires else None,
    }
