"""The status to write: whole, and only where it differs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from angarium.resources import Callback, Report, Resource, Status
from angarium_operator.planning.actions import Plan
from angarium_operator.planning.progress import progress
from angarium_operator.planning.snapshot import Key, Snapshot
from angarium_operator.planning.transitions import transitions
from angarium_operator.planning.verdicts import OURS, Verdict, conditions

COUNTS = {"backlog": "backlog", "last_delivered_time": "lastDeliveredTime", "last_failure": "lastFailure"}


def status_of(resource: Resource) -> Report:
    """The status of any kind."""
    status = getattr(resource, "status", None)
    if not isinstance(status, Report):
        raise TypeError(f"{type(resource).__name__} has no status")
    return status


def issued_status_of(resource: Resource) -> Status:
    """The status of a kind that keys are made for."""
    status = status_of(resource)
    if not isinstance(status, Status):
        raise TypeError(f"no keys are made for a {type(resource).__name__}")
    return status


def with_status(
    before: Report, fields: Mapping[str, Any], verdicts: Mapping[str, Verdict], generation: int, now: datetime
) -> Plan:
    """The status to write if it differs, and what to say of it."""
    verdicts = {**verdicts, **progress(verdicts)}
    after_conditions = conditions(before.conditions, verdicts, generation, now)
    wanted = {
        **{name: getattr(before, name) for name in type(before).model_fields if name not in COUNTS},
        **fields,
        "observed_generation": generation,
        "conditions": after_conditions,
    }
    after = type(before).model_validate(wanted)
    old, new = _json(before), _json(after)
    return Plan(
        status=None if old == new else _ordered(after),
        announcements=transitions(before.conditions, after_conditions),
    )


def fingerprint(status: Report) -> int:
    """Of all in it that is ours: to see whether anybody else has changed it."""
    return hash(orjson.dumps(_json(status), option=orjson.OPT_SORT_KEYS))


def edited(snapshot: Snapshot, key: Key, status: Report) -> bool:
    """Whether it is another one than we wrote last, as far as we remember."""
    return key in snapshot.written and snapshot.written[key] != fingerprint(status)


def _ordered(status: Report) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def _json(status: Report) -> dict[str, Any]:
    """For comparing: conditions and credentials by name, and only our conditions."""
    found = _ordered(status)
    found["conditions"] = {c["type"]: c for c in found.get("conditions", ()) if c["type"] in OURS}
    found["credentials"] = {c["keyID"]: c for c in found.get("credentials", ())}
    return found


def spare_counts(snapshot: Snapshot, key: Key, callback: Callback, written: Plan, now: datetime) -> Plan:
    """Leave a status alone for a while where nothing but counts would change."""
    before, after = _without_counts(_ordered(callback.status)), _without_counts(dict(written.status or {}))
    due = snapshot.counted.get(key, now - snapshot.policy.count_every) + snapshot.policy.count_every
    if before != after or due <= now or edited(snapshot, key, callback.status):
        return written
    look = due if written.look_again is None else min(due, written.look_again)
    return replace(written, status=None, announcements=(), look_again=look)


def _without_counts(status: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in status.items() if name not in COUNTS.values()}
    kept["conditions"] = {
        c["type"]: {name: value for name, value in c.items() if c["type"] != "EndpointHealthy" or name != "message"}
        for c in status.get("conditions", ())
        if c["type"] in OURS
    }
    kept["credentials"] = {c["keyID"]: c for c in status.get("credentials", ())}
    return kept
