"""The plan for a Replay: whom it is for, what its loop is to do, and how far that is.

It begins once all that it refers to is there, and what it has begun it finishes: its selection can't change, and it is
about what was accepted before it was made.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from angarium.identifiers import resource_id
from angarium.queue.replays import DELIVERED, FAILED, Selection, Wish
from angarium.records import CallbackRecord, OrganizationRecord, ProductRecord
from angarium.resources import Callback, Product, Replay
from angarium_operator.planning.actions import Plan
from angarium_operator.planning.orders import ReplayOrder, ReplayProgress
from angarium_operator.planning.references import RESOLVED, resolve
from angarium_operator.planning.snapshot import Key, Snapshot
from angarium_operator.planning.status import with_status
from angarium_operator.planning.verdicts import PENDING, Verdict, no, yes

ACCEPTED = yes("Accepted", "the spec can be used")
STATES = {"DeadLetters": FAILED, "Delivered": DELIVERED, "All": FAILED | DELIVERED}
REFERENCE_LENGTH = 8
LOOK = timedelta(seconds=1)


def plan_replay(snapshot: Snapshot, key: Key, replay: Replay, now: datetime) -> Plan:
    """What is due."""
    id_ = resource_id("rpl", replay.metadata.uid)
    if (finished := _finished(replay, id_)) is not None:
        return expiry(replay.spec.ttl, finished, now)
    resolved = resolve(snapshot, key, replay)
    refs = resolved.verdict
    order, unpublished = None, _unpublished(snapshot, key, replay)
    if resolved.product is not None:
        refs = _callbacks_verdict(snapshot, key, replay, resolved.product)
        if refs.good and snapshot.stored and not unpublished and not replay.spec.suspend:
            order = _order(snapshot, key, replay, resolved.product, id_, now)
    progress = snapshot.progress.get(key)
    if not isinstance(progress, ReplayProgress) or progress.id != id_:
        progress = None
    complete = _complete(snapshot, replay, refs, progress, unpublished)
    fields = _fields(replay, id_, progress, now, begun=order is not None, complete=complete.good)
    verdicts = {"Accepted": ACCEPTED, "ResolvedRefs": refs, "Complete": complete}
    written = with_status(replay.status, fields, verdicts, replay.metadata.generation, now)
    if unpublished:
        written = replace(written, look_again=now + LOOK)  # no object tells that its record is published
    return replace(written, order=None if complete.good else order, ready=complete.good, programmed=True)


def _finished(replay: Replay, id_: str) -> datetime | None:
    """When it was complete, if it is. The status of another one of its name says nothing of it."""
    if replay.status.replay_id != id_:
        return None
    complete = any(each.type == "Complete" and each.status == "True" for each in replay.status.conditions)
    return replay.status.completion_time if complete else None


def expiry(ttl: Any, finished: datetime, now: datetime) -> Plan:
    """Nothing more of one that is finished, but that it is deleted when its time is over."""
    if ttl is None:
        return Plan(ready=True, programmed=True)
    end = finished + ttl
    return Plan(delete=now >= end, look_again=None if now >= end else end, ready=True, programmed=True)


def _chosen(key: Key, replay: Replay) -> set[Key]:
    """The callbacks that are named."""
    references = replay.spec.select.callback_refs
    return {Key("callback", each.namespace or key.namespace, each.name) for each in references}


def _unpublished(snapshot: Snapshot, key: Key, replay: Replay) -> str:
    """A callback that is named and not published yet, or nothing: its id and tenant are not known before."""
    return next((target.name for target in sorted(_chosen(key, replay)) if target not in snapshot.published), "")


def _callbacks_verdict(snapshot: Snapshot, key: Key, replay: Replay, product: Product) -> Verdict:
    """Whether each Callback that is named is there, is the product's, and may be chosen from here."""
    own = product.metadata.namespace
    for reference in replay.spec.select.callback_refs:
        target = Key("callback", reference.namespace or key.namespace, reference.name)
        named = f'callback "{target.name}" in namespace "{target.namespace}"'
        callback = snapshot.objects.get(target)
        if not isinstance(callback, Callback) or callback.metadata.deletion_timestamp is not None:
            return no("CallbackNotFound", f"{named} does not exist")
        if key.namespace not in (own, target.namespace):
            return no("CallbackNotAllowed", f'{named} can be chosen there, and in the product\'s namespace "{own}"')
        theirs = resolve(snapshot, target, callback).product
        if theirs is None or theirs.metadata.uid != product.metadata.uid:
            return no("CallbackOfAnother", f"{named} is of another product")
    return RESOLVED


def _order(snapshot: Snapshot, key: Key, replay: Replay, product: Product, id_: str, now: datetime) -> ReplayOrder:
    product_id = resource_id("prd", product.metadata.uid)
    tenants = dict(_tenants(snapshot, product_id))
    wish = Wish(
        id=id_,
        selection=_selection(snapshot, key, replay, product, now),
        tenants=tuple(sorted(tenants)),
        entry=orjson.dumps({"type": "redrive", "by": f"replay/{key.name}"}),
        reference=_reference(id_) if replay.spec.webhook_id == "New" else "",
        dry_run=replay.spec.dry_run,
    )
    most_waiting = {tenant: max(1, quota // 2) for tenant, quota in tenants.items() if quota}
    return ReplayOrder(wish, replay.spec.deliveries_per_second, most_waiting)


def _reference(id_: str) -> str:
    """What webhook-ids end with: short, and another one for each replay."""
    return "r" + hashlib.sha256(id_.encode()).hexdigest()[:REFERENCE_LENGTH]


def _tenants(snapshot: Snapshot, product_id: str) -> Iterator[tuple[str, int | None]]:
    """The product and its organizations, with their quotas of what may wait."""
    for published in snapshot.published.values():
        match published.record:
            case ProductRecord(id=id_, backlog=backlog) if id_ == product_id:
                yield id_, backlog
            case OrganizationRecord(id=id_, backlog=backlog, product_id=of) if of == product_id:
                yield id_, backlog
            case _:
                pass


def _selection(snapshot: Snapshot, key: Key, replay: Replay, product: Product, now: datetime) -> Selection:
    product_id = resource_id("prd", product.metadata.uid)
    chosen = replay.spec.select
    named = _chosen(key, replay)
    records = {
        target: published.record
        for target, published in snapshot.published.items()
        if isinstance(published.record, CallbackRecord) and published.record.product_id == product_id
    }
    wanted = [
        record
        for target, record in records.items()
        if (target in named if named else key.namespace in (product.metadata.namespace, target.namespace))
    ]
    created = replay.metadata.creation_timestamp
    until = min((each for each in (created, chosen.until) if each is not None), default=now)
    since = chosen.from_ or (created - chosen.since if created and chosen.since else None)
    return Selection(
        callbacks=frozenset(record.id for record in wanted),
        disabled=frozenset(record.id for record in wanted if record.disabled),
        states=STATES[chosen.deliveries],
        events=chosen.events,
        reasons=frozenset(chosen.reasons),
        since_ms=_ms(since) if since else 0,
        until_ms=_ms(until),
    )


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _complete(
    snapshot: Snapshot, replay: Replay, refs: Verdict, progress: ReplayProgress | None, unpublished: str
) -> Verdict:
    if progress is not None and progress.state == "Completed":
        return yes("DryRun" if replay.spec.dry_run else "Completed", _summary(replay, progress))
    if not refs.good:
        return Verdict("Unknown", PENDING, "waits for ResolvedRefs")
    if not snapshot.stored:
        return Verdict("Unknown", PENDING, "waits for Redis")
    if unpublished:
        return Verdict("Unknown", "CallbackNotReady", f'callback "{unpublished}" is not published; see its conditions')
    if replay.spec.suspend:
        return Verdict("Unknown", "Suspended", "set spec.suspend to false and it goes on where it was")
    if progress is None:
        return Verdict("Unknown", PENDING, "it is about to begin")
    return Verdict("Unknown", progress.state, _words(replay, progress))


def _words(replay: Replay, progress: ReplayProgress) -> str:
    done = f"{progress.done} of {progress.matched}"
    match progress.state:
        case "Counting":
            return "deliveries that match are being counted"
        case "BacklogFull":
            return f"{done} are back in line; it goes on when less than half of the tenant's quotas.backlog waits"
        case _:
            return f"{done} are back in line, {replay.spec.deliveries_per_second} more each second"


def _summary(replay: Replay, progress: ReplayProgress) -> str:
    left_out = f"; {progress.left_out} more were left out" if progress.left_out else ""
    if replay.spec.dry_run:
        return f"{progress.matched} deliveries match{left_out}"
    return f"{progress.done} of {progress.matched} deliveries went back in line{left_out}"


def _fields(
    replay: Replay, id_: str, progress: ReplayProgress | None, now: datetime, *, begun: bool, complete: bool
) -> dict[str, Any]:
    same = replay.status.replay_id == id_
    fields: dict[str, Any] = {
        "replay_id": id_,
        "start_time": (replay.status.start_time if same else None) or (now if begun or progress else None),
        "completion_time": now if complete else None,
    }
    if progress is not None:
        fields |= {"matched": progress.matched, "redriven": progress.done, "left_out": progress.left_out}
    elif not same:
        fields |= {"matched": None, "redriven": None, "left_out": None}
    return fields
