"""The plan for one object: gather what it stands on, check, and say what is due."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from angarium.identifiers import resource_id
from angarium.resources import Binding, Callback, CallbackTest, Product, Provider, Replay, Resource, Topic
from angarium_operator.planning import programmed
from angarium_operator.planning.actions import Plan
from angarium_operator.planning.addresses import refusal
from angarium_operator.planning.callback_tests import plan_test
from angarium_operator.planning.health import plan_health
from angarium_operator.planning.issuers import issuer_verdict
from angarium_operator.planning.issuing import Keys, issue
from angarium_operator.planning.providers import plan_provider
from angarium_operator.planning.references import Resolved, resolve
from angarium_operator.planning.repairs import repairs
from angarium_operator.planning.replays import plan_replay
from angarium_operator.planning.snapshot import Key, Snapshot, secret_name
from angarium_operator.planning.status import issued_status_of, spare_counts, status_of, with_status
from angarium_operator.planning.topics import plan_topic
from angarium_operator.planning.verdicts import OURS, PROGRESS, Verdict, no, ready, yes

ACCEPTED = yes("Accepted", "the spec can be used")
ID_FIELDS = {
    "product": ("prd", "product_id"),
    "organization": ("org", "organization_id"),
    "callback": ("cbk", "callback_id"),
}


def plan(snapshot: Snapshot, key: Key, now: datetime) -> Plan:
    """What is due for the object; for one that is gone, that its record goes too."""
    planned = _plan(snapshot, key, now.replace(microsecond=0))
    told = repairs(snapshot, key, planned)
    return replace(planned, announcements=(*told, *planned.announcements)) if told else planned


def _plan(snapshot: Snapshot, key: Key, now: datetime) -> Plan:
    if key in snapshot.broken:
        return _plan_broken(snapshot, key, now)
    resource = snapshot.objects.get(key)
    if resource is None or resource.metadata.deletion_timestamp is not None:
        return Plan(withdraw=snapshot.stored and key in snapshot.published)
    if isinstance(resource, Provider):
        return plan_provider(snapshot, key, resource, now)
    if isinstance(resource, Topic):
        return plan_topic(snapshot, key, resource, now)
    if isinstance(resource, Replay):
        return plan_replay(snapshot, key, resource, now)
    if isinstance(resource, CallbackTest):
        return plan_test(snapshot, key, resource, now)
    resolved = resolve(snapshot, key, resource)
    accepted = _accepted(snapshot, resource)
    keys = issue(snapshot, key, resource, resolved, accepted, now)
    return _compose(snapshot, key, resource, resolved, accepted, keys, now)


def _plan_broken(snapshot: Snapshot, key: Key, now: datetime) -> Plan:
    """Say why it can't be read; its last good record stays."""
    broken = snapshot.broken[key]
    refused = no("Invalid", broken.problem)
    verdicts = {"Accepted": refused, "Ready": refused}
    kept = {
        c.type: Verdict(c.status, c.reason, c.message) for c in broken.status.conditions if c.type in OURS - PROGRESS
    }
    return with_status(broken.status, {}, kept | verdicts, broken.metadata.generation, now)


def _accepted(snapshot: Snapshot, resource: Resource) -> Verdict:
    if isinstance(resource, Callback) and resource.spec.url is not None:
        policy = snapshot.policy
        refused = refusal(resource.spec.url, policy.allowed, policy.denied, allow_private=policy.allow_private)
        if refused is not None:
            return no("AddressRefused", refused)
    if isinstance(resource, Product):
        return issuer_verdict(snapshot, resource) or ACCEPTED
    return ACCEPTED


def _compose(
    snapshot: Snapshot, key: Key, resource: Resource, resolved: Resolved, accepted: Verdict, keys: Keys, now: datetime
) -> Plan:
    published = snapshot.published.get(key)
    settled = keys.record is None or (published is not None and keys.record == published.record)
    verdicts = {"Accepted": accepted, "ResolvedRefs": resolved.verdict, "CredentialsReady": keys.verdict}
    if isinstance(resource, Product):
        del verdicts["ResolvedRefs"]
    verdicts["Programmed"] = applied = programmed.judge(snapshot, key, resource, keys.record, now, settled=settled)
    verdicts["Ready"] = ready(verdicts)
    written = _status(snapshot, key, resource, resolved, keys, verdicts, now)
    looks = [look for look in (*keys.look_again, written.look_again) if look is not None]
    return replace(
        written,
        record=None if settled else keys.record,
        withdraw=snapshot.stored and published is not None and _unusable(resource, resolved, keys),
        secret=keys.secret,
        announcements=keys.announcements + written.announcements,
        look_again=min(looks, default=None),
        recheck=secret_name(resource).name if keys.verdict.reason == "SecretConflict" else "",
        pending=keys.pending,
        ready=verdicts["Ready"].good,
        programmed=applied.good,
    )


def _unusable(resource: Resource, resolved: Resolved, keys: Keys) -> bool:
    """Whether a published record must go: what it refers to is gone, or nothing could be signed."""
    unsigned = isinstance(resource, Callback) and keys.record is None and not keys.credentials
    return unsigned or not resolved.verdict.good


def _status(
    snapshot: Snapshot,
    key: Key,
    resource: Resource,
    resolved: Resolved,
    keys: Keys,
    verdicts: Mapping[str, Verdict],
    now: datetime,
) -> Plan:
    """The status to write, what to say of it, and when time alone changes it."""
    before, generation = status_of(resource), resource.metadata.generation
    fields = _fields(key, resource, keys)
    if not isinstance(resource, Callback):
        return with_status(before, fields, verdicts, generation, now)
    health = plan_health(snapshot, resource, resolved.product, now)
    written = with_status(before, {**fields, **health.fields}, {**verdicts, **health.verdicts}, generation, now)
    written = replace(written, announcements=written.announcements + health.announcements, look_again=health.look_again)
    return written if written.status is None else spare_counts(snapshot, key, resource, written, now)


def _fields(key: Key, resource: Resource, keys: Keys) -> dict[str, Any]:
    """What the status of each kind has, as model fields."""
    prefix, id_field = ID_FIELDS[key.kind]
    answered = issued_status_of(resource).last_rotation_request if keys.answered is None else keys.answered
    return {
        id_field: resource_id(prefix, resource.metadata.uid),
        "credentials": keys.credentials,
        "binding": Binding(name=secret_name(resource).name) if keys.credentials else None,
        "last_rotation_request": answered or None,
    }
