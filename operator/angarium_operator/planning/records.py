"""The config records of objects: what the data plane needs to know, and nothing else."""

import hashlib
from collections.abc import Mapping

import orjson

from angarium.edits import API, MADE_BY
from angarium.identifiers import resource_id
from angarium.records import (
    CallbackRecord,
    IssuerRecord,
    KeyRecord,
    OrganizationRecord,
    ProductRecord,
    ProviderRecord,
)
from angarium.resources import Callback, Organization, Product, Provider
from angarium.sealing import SealError
from angarium_operator.planning.references import Resolved
from angarium_operator.planning.snapshot import Policy


def product_record(product: Product, keys: tuple[KeyRecord, ...]) -> ProductRecord:
    """Of a Product."""
    meta, spec = product.metadata, product.spec
    return ProductRecord(
        namespace=meta.namespace,
        name=meta.name,
        generation=meta.generation,
        id=resource_id("prd", meta.uid),
        keys=keys,
        requests_per_second=spec.quotas.requests_per_second,
        backlog=spec.quotas.backlog,
        retention_s=int(spec.delivery.retention.total_seconds()),
        replicated=spec.delivery.durability == "Replicated",
        jwt=_issuer(product),
        suspended=spec.suspend,
    )


def _issuer(product: Product) -> IssuerRecord | None:
    said = product.spec.jwt
    return None if said is None else IssuerRecord(**said.model_dump(exclude_none=True))


def organization_record(
    organization: Organization, product: Product, keys: tuple[KeyRecord, ...]
) -> OrganizationRecord:
    """Of an Organization; how its notifications are kept, and how safely, is the product's affair."""
    meta, spec = organization.metadata, organization.spec
    return OrganizationRecord(
        namespace=meta.namespace,
        name=meta.name,
        generation=meta.generation,
        id=resource_id("org", meta.uid),
        product_id=resource_id("prd", product.metadata.uid),
        product=f"{product.metadata.namespace}/{product.metadata.name}",
        keys=keys,
        requests_per_second=spec.quotas.requests_per_second,
        backlog=spec.quotas.backlog,
        retention_s=int(product.spec.delivery.retention.total_seconds()),
        replicated=product.spec.delivery.durability == "Replicated",
        weight=spec.weight,
        suspended=spec.suspend or product.spec.suspend,
    )


def callback_record(
    callback: Callback, resolved: Resolved, product: Product, sealed: str, disabled: str
) -> CallbackRecord:
    """Of a Callback. What it leaves open follows its product."""
    meta, spec = callback.metadata, callback.spec
    ours, theirs = spec.delivery, product.spec.delivery
    product_id = resource_id("prd", product.metadata.uid)
    owners_rest = product.spec.suspend or (resolved.organization is not None and resolved.organization.spec.suspend)
    tenant = resource_id("org", resolved.organization.metadata.uid) if resolved.organization else product_id
    schedule = ours.retry.schedule if ours.retry.schedule is not None else theirs.retry.schedule
    statuses = ours.retry.non_retryable_statuses
    if statuses is None:
        statuses = theirs.retry.non_retryable_statuses
    rate = ours.rate_limit
    return CallbackRecord(
        namespace=meta.namespace,
        name=meta.name,
        generation=meta.generation,
        id=resource_id("cbk", meta.uid),
        tenant=tenant,
        product_id=product_id,
        events=spec.events,
        url=callback_url(callback),
        in_cluster=spec.service_ref is not None,
        sealed_signing_keys=sealed,
        headers=tuple(sorted(spec.headers.items())),
        timeout_s=(ours.timeout or theirs.timeout).total_seconds(),
        retry_schedule_s=None if schedule is None else tuple(wait.total_seconds() for wait in schedule),
        non_retryable_statuses=statuses or (),
        max_in_flight=ours.max_in_flight or theirs.max_in_flight,
        rate_requests=rate.requests if rate else None,
        rate_period_s=rate.period.total_seconds() if rate else 1.0,
        suspended=spec.suspend or owners_rest,
        endpoint=endpoint_token(callback),
        api_made=callback.metadata.labels.get(MADE_BY) == API,
        disabled=disabled,
    )


def provider_record(provider: Provider, product: Product, sealed: str) -> ProviderRecord:
    """Of a Provider. What it leaves open follows its product."""
    meta, spec, theirs = provider.metadata, provider.spec, product.spec.delivery
    schedule = spec.retry.schedule if spec.retry.schedule is not None else theirs.retry.schedule
    rate = spec.rate_limit
    return ProviderRecord(
        namespace=meta.namespace,
        name=meta.name,
        generation=meta.generation,
        id=resource_id("prv", meta.uid),
        product_id=resource_id("prd", product.metadata.uid),
        type=spec.type,
        channels=spec.channels,
        settings=spec.block.model_dump(mode="json", by_alias=True, exclude_none=True),
        sealed_credentials=sealed,
        priority=spec.priority,
        timeout_s=(spec.timeout or theirs.timeout).total_seconds(),
        retry_schedule_s=None if schedule is None else tuple(wait.total_seconds() for wait in schedule),
        max_in_flight=spec.max_in_flight or theirs.max_in_flight,
        rate_requests=rate.requests if rate else None,
        rate_period_s=rate.period.total_seconds() if rate else 1.0,
        suspended=spec.suspend or product.spec.suspend,
    )


def callback_url(callback: Callback) -> str:
    """Where its requests go."""
    if callback.spec.service_ref is not None:
        return callback.spec.service_ref.url(callback.metadata.namespace)
    return callback.spec.url or ""


def endpoint_token(callback: Callback) -> str:
    """Names the endpoint as it is now; another url, or enabling it by hand, makes another one."""
    enabled = callback.enable_request or ""
    return hashlib.sha256(f"{callback_url(callback)}\n{enabled}".encode()).hexdigest()[:12]


def sealed_keys(policy: Policy, keys: tuple[str, ...], before: str) -> str:
    """Signing keys, the current one first."""
    return _sealed(policy, orjson.dumps(keys), before)


def sealed_credentials(policy: Policy, credentials: Mapping[str, str], before: str) -> str:
    """What a provider's Secret holds, by its keys."""
    return _sealed(policy, orjson.dumps(credentials, option=orjson.OPT_SORT_KEYS), before)


def _sealed(policy: Policy, plain: bytes, before: str) -> str:
    """Sealed: the very text that is published, as long as it says the same and the current key sealed it."""
    try:
        if before and policy.resealer.open(before) == plain:
            return before
    except SealError:
        pass  # sealed with a former key: seal it anew
    return policy.sealer.seal(plain)


def opened_keys(policy: Policy, sealed: str) -> tuple[str, ...]:
    """The keys in a published record; none where it can't be opened."""
    try:
        return tuple(orjson.loads(policy.sealer.open(sealed))) if sealed else ()
    except SealError:
        return ()
