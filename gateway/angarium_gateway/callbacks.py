"""A tenant's callbacks: finding them by the names it calls them, and showing them."""

from datetime import timedelta
from typing import Any

from angarium.records import CallbackRecord
from angarium.resources import Health
from angarium.resources.durations import format_duration
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
        "headers": dict(record.headers),
        "delivery": _delivery(record),
        "suspended": record.suspended,
        "state": "pending" if pending else state_of(record),
        "managedBy": "api" if record.api_made else "gitops",
    }
    if record.disabled:
        document["reason"] = record.disabled
    if health is not None:
        document["health"] = health
    return document


def _delivery(record: CallbackRecord) -> dict[str, Any]:
    """As it works, be it the callback's own or its product's."""
    document: dict[str, Any] = {"timeout": _seconds(record.timeout_s), "maxInFlight": record.max_in_flight}
    if record.rate_requests is not None:
        document["rateLimit"] = {"requests": record.rate_requests, "period": _seconds(record.rate_period_s)}
    return document


def _seconds(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))
