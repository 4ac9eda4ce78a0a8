"""POST /v1/notifications: validated, routed and stored before it is answered. The hot path."""

from collections.abc import Mapping
from functools import lru_cache

from aiohttp import web
from prometheus_client import Counter

from angarium import tokens
from angarium.notifications import Notification, Target
from angarium.payload import payload
from angarium.queue import Idempotency, Intake
from angarium.telemetry import metrics
from angarium_gateway import render
from angarium_gateway.addressing import addressed
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import DIRECTORY, INTAKE, SETTINGS, TAIL, VITALS
from angarium_gateway.auth import Permission
from angarium_gateway.bodies import read_body, require_json
from angarium_gateway.clock import now_ms
from angarium_gateway.directory import Caller, Tenant
from angarium_gateway.idempotency import idempotency
from angarium_gateway.problems import Problem
from angarium_gateway.requests import Asked, read_notification
from angarium_gateway.storing import first_of, store

SEND = Permission(tokens.SEND, "send notifications")


async def accept(request: web.Request, caller: Caller) -> Answer:
    """Answer 202 once Redis has it all."""
    request.app[VITALS].require_room()
    require_json(request)
    body = await read_body(request, request.app[SETTINGS].gateway_body_timeout)
    return await accept_body(request.app, caller, request.headers, body)


async def accept_body(app: web.Application, caller: Caller, headers: Mapping[str, str], body: bytes) -> Answer:
    """The same of a request that has been read."""
    once, tenant, intake = idempotency(headers.get("Idempotency-Key"), body), caller.tenant, app[INTAKE]
    asked = read_notification(body)
    try:
        targets = await addressed(app, tenant, asked) if asked.to else _subscribed(app, tenant, asked)
    except Problem:  # who was named may have been erased since the first time
        if once and (known := await intake.known(tenant.id, once)):
            return await _replayed(app, caller, known)
        raise
    notification = _compose(app, intake, caller, asked, targets, once)
    stored = await store(app, tenant, notification, once)
    if stored.replay:
        return await _replayed(app, caller, stored.id)
    _count(notification)
    return _answer(notification, caller)


def _compose(
    app: web.Application,
    intake: Intake,
    caller: Caller,
    asked: Asked,
    targets: tuple[Target, ...],
    once: Idempotency | None,
) -> Notification:
    tenant, now = caller.tenant, now_ms()
    return Notification(
        id=intake.new_id(tenant.id, once, now),
        tenant=tenant.id,
        product=tenant.product,
        event=asked.event,
        body=asked.data if asked.to else payload(asked.event, now, asked.data),
        priority=asked.priority,
        created_ms=now,
        targets=targets,
        due_ms=asked.due_ms if asked.due_ms > now else 0,
        retention_s=tenant.retention_s,
        by=caller.label,
        expires_ms=asked.expires_ms,
        config_revision=app[TAIL].revision,
        dedup=asked.dedup,
    )


def _subscribed(app: web.Application, tenant: Tenant, asked: Asked) -> tuple[Target, ...]:
    return app[DIRECTORY].subscriptions(tenant.id).route(asked.event)


async def _replayed(app: web.Application, caller: Caller, known: str) -> Answer:
    """The same answer as the first time."""
    first = await first_of(app, caller.tenant, known)
    return _answer(first, caller, {"Idempotency-Replay": "true"})


def _answer(notification: Notification, caller: Caller, headers: dict[str, str] | None = None) -> Answer:
    location = {"Location": f"/v1/notifications/{notification.id}"}
    return render.json_response(
        render.accepted(notification, caller.tenant), 202, {**location, **headers} if headers else location
    )


def _count(notification: Notification) -> None:
    _accepted(notification.product, notification.priority).inc()
    if not notification.targets:
        _unmatched(notification.product).inc()


@lru_cache(maxsize=65_536)
def _accepted(product: str, priority: str) -> Counter:
    return metrics.ACCEPTED.labels(product, str(priority))


@lru_cache(maxsize=65_536)
def _unmatched(product: str) -> Counter:
    return metrics.UNMATCHED.labels(product)
