"""Storing a notification under its Idempotency-Key: the same for an event, a message, and a post to a topic."""

from functools import lru_cache

from aiohttp import web
from prometheus_client import Counter

from angarium.notifications import Notification
from angarium.queue import Accepted, BacklogFull, Idempotency, IdempotencyConflict
from angarium.telemetry import metrics
from angarium.telemetry.traces import CURRENT
from angarium_gateway.appkeys import IN_PROGRESS, INTAKE, LEDGER
from angarium_gateway.directory import Tenant
from angarium_gateway.problems import BACKLOG, MISMATCH, SPENT, SUSPENDED, Problem


async def store(app: web.Application, tenant: Tenant, notification: Notification, once: Idempotency | None) -> Accepted:
    """Keep it, or learn that it was kept before; raises a Problem. The hot path."""
    if tenant.suspended:
        return await _known(app, tenant, once)
    notification.trace = CURRENT.get()
    if once:
        app[IN_PROGRESS].begin(tenant.id, once.key)
    try:
        return await app[INTAKE].enqueue(notification, once, tenant.backlog, replicated=tenant.replicated)
    except IdempotencyConflict:
        raise Problem(MISMATCH, "this Idempotency-Key was used with another body; use a new key") from None
    except BacklogFull:
        detail = f"this tenant may have {tenant.backlog} deliveries waiting"
        raise Problem(BACKLOG, detail, headers={"Retry-After": "5"}) from None
    finally:
        if once:
            app[IN_PROGRESS].end(tenant.id, once.key)


async def _known(app: web.Application, tenant: Tenant, once: Idempotency | None) -> Accepted:
    """A tenant that is suspended gets the answers of before again, and nothing else; raises a Problem."""
    if once and (known := await app[INTAKE].known(tenant.id, once)):
        return Accepted(known, replay=True)
    raise Problem(SUSPENDED, f"spec.suspend of the {tenant.owner} is true")


async def first_of(app: web.Application, tenant: Tenant, known: str) -> Notification:
    """What the key was used for, unless the tenant's retention is so short that it was forgotten since."""
    first = await app[LEDGER].get(known)
    if first is None:
        raise Problem(SPENT, f"it was used for {known}, which is no longer kept; use a new key", notification=known)
    _replays(tenant.product).inc()
    return first.notification


@lru_cache(maxsize=65_536)
def _replays(product: str) -> Counter:
    return metrics.REPLAYED.labels(product)
