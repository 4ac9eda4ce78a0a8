"""A tenant's callbacks: finding them by the names it calls them, and showing them."""

from typing import Any

from angarium.records import CallbackRecord
from angarium.resources import Health
from angarium_gateway.directory import Directory, Tenant


def find(directory: Directory, tenant: Tenant, name: str) -> CallbackRecord | None:
    """By `name` in the tenant's own namespace, or by `namespace/name`."""
    full = name if "/" in name else f"{tenant.namespace}/{name}"
    return directory.subscriptions(tenant.id).by_name.get(full)


def state_of(record: CallbackRecord) -> str:
    """active, suspended or disabled."""
    if record.disabled:
        return "disabled"
    return "suspended" if record.suspended else "active"


def view(
    record: CallbackRecord, tenant: Tenant, health: Health | None = None, *, pending: bool = False
) -> dict[str, Any]:
    """As callers see it; `health` where it is known, `pending` until gateways work with it."""
    document: dict[str, Any] = {
        "id": record.id,
        "name": tenant.short(f"{record.namespace}/{record.name}"),
        "events": record.events,
        "url": record.url,
        "suspended": record.suspended,
        "state": "pending" if pending else state_of(record),
        "managedBy": "api" if record.api_made else "gitops",
    }
    if record.disabled:
        document["reason"] = record.disabled
    if health is not None:
        document["health"] = health
    return document
