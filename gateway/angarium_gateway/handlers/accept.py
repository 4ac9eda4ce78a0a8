"""POST /v1/notifications: validated, routed and stored before it is answered. The hot path."""

from contextlib import nullcontext
from functools import lru_cache

from aiohttp import web
from prometheus_client import Counter

from angarium.notifications import Notification
from angarium.queue import Accepted, BacklogFull, Idempotency, IdempotencyConflict
from angarium.telemetry import metrics
from angarium_gateway import render
from angarium_gateway.appkeys import DIRECTORY, IN_PROGRESS, INTAKE, LEDGER, SETTINGS, TAIL, VITALS
from angarium_gateway.auth import Caller
from angarium_gateway.bodies import read_body, require_json, split
from angarium_gateway.clock import now_ms
from angarium_gateway.idempotency import idempotency
from angarium_gateway.problems import BACKLOG, MISMATCH, SPENT, Problem
from angarium_gateway.requests import NotificationRequest, read_members


async def accept(request: web.Request, caller: Caller) -> web.Response:
    """Answer 202 once Redis has it all."""
    app, tenant = request.app, caller.tenant
    app[VITALS].require_room()
    require_json(request)
    body = await read_body(request, app[SETTINGS].gateway_body_timeout)
    once = idempotency(request.headers.get("Idempotency-Key"), body)
    notification = _compose(request, caller, body, once)
    with app[IN_PROGRESS].hold(tenant.id, once.key) if once else nullcontext():
        stored = await _store(app, caller, notification, once)
        if stored.replay:
            return await _replayed(app, caller, stored.id)
    _count(notification)
    return _answer(notification, caller)


def _compose(request: web.Request, caller: Caller, body: bytes, once: Idempotency | None) -> Notification:
    members, data = split(body)
    if data is not None:
        members["data"] = None
    asked = read_members(NotificationRequest, members)
    app, tenant, now = request.app, caller.tenant, now_ms()
    return Notification(
        id=app[INTAKE].new_id(tenant.id, once, now),
        tenant=tenant.id,
        product=tenant.product,
        event=asked.event,
        body=render.payload(asked.event, now, data or b"null"),
        priority=asked.priority,
        created_ms=now,
        targets=app[DIRECTORY].subscriptions(tenant.id).route(asked.event),
        due_ms=asked.deliver_at if asked.deliver_at and asked.deliver_at > now else 0,
        retention_s=tenant.retention_s,
        by=caller.label,
        config_revision=app[TAIL].revision,
    )


async def _store(
    app: web.Application, caller: Caller, notification: Notification, once: Idempotency | None
) -> Accepted:
    tenant = caller.tenant
    try:
        return await app[INTAKE].enqueue(notification, once, tenant.backlog)
    except IdempotencyConflict:
        raise Problem(MISMATCH, "this Idempotency-Key was used with another body; use a new key") from None
    except BacklogFull:
        detail = f"this tenant may have {tenant.backlog} deliveries waiting"
        raise Problem(BACKLOG, detail, headers={"Retry-After": "5"}) from None


async def _replayed(app: web.Application, caller: Caller, known: str) -> web.Response:
    """The same answer as the first time, unless the tenant's retention is so short that it was forgotten since."""
    first = await app[LEDGER].get(known)
    if first is None:
        raise Problem(SPENT, f"it was used for {known}, which is no longer kept; use a new key", notification=known)
    _replays(caller.tenant.product).inc()
    return _answer(first.notification, caller, {"Idempotency-Replay": "true"})


def _answer(notification: Notification, caller: Caller, headers: dict[str, str] | None = None) -> web.Response:
    location = {"Location": f"/v1/notifications/{notification.id}"}
    return render.json_response(
        render.accepted(notification, caller.tenant), 202, {**location, **headers} if headers else location
    )


def _count(notification: Notification) -> None:
    _accepted(notification.product, notification.priority.value).inc()
    if not notification.targets:
        _unmatched(notification.product).inc()


@lru_cache(maxsize=4096)
def _accepted(product: str, priority: str) -> Counter:
    return metrics.ACCEPTED.labels(product, priority)


@lru_cache(maxsize=4096)
def _unmatched(product: str) -> Counter:
    return metrics.UNMATCHED.labels(product)


@lru_cache(maxsize=4096)
def _replays(product: str) -> Counter:
    return metrics.REPLAYED.labels(product)
