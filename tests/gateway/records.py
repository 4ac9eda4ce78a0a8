"""Config records for tests, as the operator would publish them."""

from typing import Any

from angarium.apikeys import ApiKey
from angarium.records import CallbackRecord, KeyRecord, OrganizationRecord, ProductRecord


def key_record(key: ApiKey, expires_ms: int | None = None) -> KeyRecord:
    """What the operator publishes of a key."""
    return KeyRecord(id=key.id, sha256=key.sha256, expires_ms=expires_ms)


def product(key: ApiKey, **more: Any) -> ProductRecord:
    """The shop."""
    fields: dict[str, Any] = {"namespace": "shop", "name": "shop", "id": "prd_shop", "keys": (key_record(key),)}
    return ProductRecord(**fields | more)


def rival(key: ApiKey, **more: Any) -> ProductRecord:
    """Another product, in another namespace."""
    fields: dict[str, Any] = {"namespace": "rival", "name": "rival", "id": "prd_rival", "keys": (key_record(key),)}
    return ProductRecord(**fields | more)


def organization(key: ApiKey, **more: Any) -> OrganizationRecord:
    """A tenant within the shop."""
    fields: dict[str, Any] = {"namespace": "shop", "name": "acme", "id": "org_acme", "product_id": "prd_shop"}
    return OrganizationRecord(**fields | {"product": "shop/shop", "keys": (key_record(key),)} | more)


def callback(name: str = "warehouse", *events: str, **more: Any) -> CallbackRecord:
    """A callback of the shop, for order.* unless said otherwise."""
    fields: dict[str, Any] = {"namespace": "shop", "name": name, "id": f"cbk_{name}", "tenant": "prd_shop"}
    fields |= {"product_id": "prd_shop", "events": events or ("order.*",), "url": "https://example.com/hooks"}
    return CallbackRecord(**fields | more)
