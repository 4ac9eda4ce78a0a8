"""Credentials of one object: what its Secret and its record should hold, from all that is known of its keys."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from angarium.apikeys import digest
from angarium.records import CallbackRecord, OrganizationRecord, ProductRecord, Record
from angarium.resources import Callback, Credential, Organization, Product, Resource
from angarium_operator.planning import records
from angarium_operator.planning.actions import Announcement, SecretContent
from angarium_operator.planning.apikeys import KeyFacts, plan_api_key
from angarium_operator.planning.disabling import disabled
from angarium_operator.planning.references import Resolved
from angarium_operator.planning.secrets import (
    BINDING_TYPE,
    SIGNING_TYPE,
    binding_data,
    conflict,
    content,
    ours,
    repaired,
    repairs,
)
from angarium_operator.planning.signing import SigningFacts, plan_signing_key
from angarium_operator.planning.snapshot import Key, ManagedSecret, Snapshot, secret_name
from angarium_operator.planning.status import issued_status_of
from angarium_operator.planning.verdicts import PENDING, Verdict, no, yes

FOREIGN_AGAIN = timedelta(seconds=15)  # a Secret that isn't ours isn't watched
Tenant = Product | Organization


@dataclass(frozen=True)
class Keys:
    """What is due for an object's credentials; `record` is what the data plane should know then."""

    verdict: Verdict
    credentials: tuple[Credential, ...]
    record: Record | None = None
    secret: SecretContent | None = None
    pending: str = field(default="", repr=False)
    answered: str | None = None
    announcements: tuple[Announcement, ...] = ()
    look_again: tuple[datetime | None, ...] = ()


def issue(
    snapshot: Snapshot, key: Key, resource: Resource, resolved: Resolved, accepted: Verdict, now: datetime
) -> Keys:
    """What is due for the object's credentials; nothing new where the object can't be used or Redis is away."""
    field_, type_ = ("signing", SIGNING_TYPE) if isinstance(resource, Callback) else ("credentials", BINDING_TYPE)
    taken = conflict(snapshot, resource, field_, type_)
    before = issued_status_of(resource).credentials
    if taken is not None:
        return Keys(taken, before, look_again=(now + FOREIGN_AGAIN,))
    if not accepted.good or resolved.product is None or not snapshot.stored:
        return Keys(_unmoved(snapshot, resource), before)
    match resource:
        case Callback():
            return _callback_keys(snapshot, key, resource, resolved, resolved.product, now)
        case Product() | Organization():
            return _tenant_keys(snapshot, key, resource, resolved.product, now)
        case _:
            raise TypeError(f"{key.kind} has no plan")


def _unmoved(snapshot: Snapshot, resource: Resource) -> Verdict:
    """Nothing can be done about credentials now; those that are out stay good."""
    if ours(snapshot, resource) is not None and issued_status_of(resource).credentials:
        return _issued(resource)
    waits_for = "the other conditions" if snapshot.stored else "Redis, which is away"
    return no(PENDING, f"waits for {waits_for}")


def _issued(resource: Resource) -> Verdict:
    return yes("CredentialsIssued", f'the secret "{secret_name(resource).name}" holds the current key')


def _tenant_keys(snapshot: Snapshot, key: Key, tenant: Tenant, product: Product, now: datetime) -> Keys:
    found, published = ours(snapshot, tenant), snapshot.published.get(key)
    record, revision = (published.record, published.revision) if published else (None, 0)
    known = record.keys if isinstance(record, ProductRecord | OrganizationRecord) else ()
    plan = plan_api_key(
        KeyFacts(
            tenant.status.credentials,
            held=found.data.get("api-key", "") if found else "",
            published=known,
            pending=snapshot.pending.get(key, ""),
            applied=_announced(snapshot, key, known) and snapshot.plane.gateways_have(revision),
            rotation=tenant.spec.credentials.rotation,
            requested=tenant.rotation_request or "",
            answered=tenant.status.last_rotation_request or "",
        ),
        now,
    )
    data = binding_data(tenant, product, plan.text, snapshot.policy)
    secret = content(snapshot, tenant, BINDING_TYPE, data)
    same = found is not None and data["api-key"] == found.data.get("api-key")
    return Keys(
        _issued(tenant),
        plan.credentials,
        records.product_record(tenant, plan.records())
        if isinstance(tenant, Product)
        else records.organization_record(tenant, product, plan.records()),
        secret,
        plan.pending,
        plan.answered,
        plan.announcements + (_repaired(found, secret) if same else ()),
        (plan.look_again,),
    )


def _announced(snapshot: Snapshot, key: Key, known: tuple[Any, ...]) -> bool:
    pending = snapshot.pending.get(key, "")
    return bool(pending) and any(k.sha256 == digest(pending) for k in known)


def _callback_keys(
    snapshot: Snapshot, key: Key, callback: Callback, resolved: Resolved, product: Product, now: datetime
) -> Keys:
    found, published = ours(snapshot, callback), snapshot.published.get(key)
    record = published.record if published else None
    sealed = record.sealed_signing_keys if isinstance(record, CallbackRecord) else ""
    signs, pending = records.opened_keys(snapshot.policy, sealed), snapshot.pending.get(key, "")
    plan = plan_signing_key(
        SigningFacts(
            callback.status.credentials,
            held=found.data.get("signing-key", "") if found else "",
            held_previous=found.data.get("previous-signing-key", "") if found else "",
            published=signs,
            pending=pending,
            applied=pending in signs and published is not None and snapshot.plane.deliverers_have(published.revision),
            signing=callback.spec.signing,
            requested=callback.rotation_request or "",
            answered=callback.status.last_rotation_request or "",
        ),
        now,
    )
    secret = content(snapshot, callback, SIGNING_TYPE, plan.data())
    sealed = records.sealed_keys(snapshot.policy, plan.signs, sealed)
    return Keys(
        _issued(callback),
        plan.credentials,
        records.callback_record(callback, resolved, product, sealed, disabled(snapshot, callback, product) or ""),
        secret,
        plan.pending,
        plan.answered,
        plan.announcements or _repaired(found, secret),
        (plan.look_again,),
    )


def _repaired(found: ManagedSecret | None, secret: SecretContent | None) -> tuple[Announcement, ...]:
    words = repairs(found, secret)
    return (repaired(secret, words),) if secret is not None and words else ()
