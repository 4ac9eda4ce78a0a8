"""Finding a tenant's callbacks by the names it calls them."""

from angarium.records import CallbackRecord
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
