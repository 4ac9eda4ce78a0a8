"""POST /v1/callbacks/{name}/test: one real delivery to one callback, and its outcome in the answer.

It takes the way of every delivery, so it proves what they will meet: routing, a deliverer, its egress guard, the
signature. It differs in one thing: it has a single attempt.
"""

from typing import Any

from aiohttp import web

from angarium.notifications import DeliveryState, Notification, Priority, Status, Stored, Target
from angarium.payload import TEST_DATA, TEST_EVENT, payload
from angarium.queue import BacklogFull
from angarium.records import CallbackRecord
from angarium.telemetry.traces import CURRENT
from angarium_gateway import render
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import DIRECTORY, INTAKE, LEDGER, SETTINGS, TAIL, TESTS, VITALS
from angarium_gateway.bodies import read_optional_data
from angarium_gateway.callbacks import find
from angarium_gateway.clock import now_ms
from angarium_gateway.directory import Caller
from angarium_gateway.problems import BACKLOG, NOT_FOUND, NOT_TESTABLE, UNDECIDED, Problem
from angarium_gateway.requests import TestRequest, read_members
from angarium_gateway.waiting import awaited, one_more

MARGIN = 10.0  # s beyond the callback's time-out that a deliverer has to take it
MOST_TESTS = 16  # of one tenant that this gateway waits for at a time: each looks into Redis again and again


async def test(request: web.Request, caller: Caller) -> Answer:
    """200 with the outcome, good or bad; 504 when there was none in time."""
    app = request.app
    members, data = await read_optional_data(request, app[SETTINGS].gateway_body_timeout)
    read_members(TestRequest, members)
    record = _testable(request, caller)
    app[VITALS].require_room()
    notification = _compose(request, caller, record, TEST_DATA if data is None else data)
    with one_more(app[TESTS], caller.tenant.id, MOST_TESTS, "tests"):
        await _store(app, notification, caller)
        stored = await awaited(app, notification.id, record.timeout_s + MARGIN)
    if stored is None or stored.status is Status.PENDING:
        detail = f"no deliverer has finished it yet; see /v1/notifications/{notification.id}/timeline"
        raise Problem(UNDECIDED, detail, notification=notification.id)
    return render.json_response(await _result(app, stored, caller))


async def _store(app: web.Application, notification: Notification, caller: Caller) -> None:
    notification.trace = CURRENT.get()
    try:
        await app[INTAKE].enqueue(notification, None, caller.tenant.backlog)
    except BacklogFull:
        raise Problem(BACKLOG, "too many deliveries wait", headers={"Retry-After": "5"}) from None


def _testable(request: web.Request, caller: Caller) -> CallbackRecord:
    record = find(request.app[DIRECTORY], caller.tenant, request.match_info["name"])
    if record is None:
        raise Problem(NOT_FOUND, "there is no such callback")
    if record.disabled:
        way = "activate it" if record.api_made else "change spec.url or annotate angarium.dev/enable-requested-at"
        detail = f"it is disabled ({record.disabled}); {way}"
        raise Problem(NOT_TESTABLE, detail)
    if record.suspended:
        raise Problem(
            NOT_TESTABLE, "it is suspended; " + ("activate it" if record.api_made else "set spec.suspend to false")
        )
    return record


def _compose(request: web.Request, caller: Caller, record: CallbackRecord, data: bytes) -> Notification:
    app, tenant, now = request.app, caller.tenant, now_ms()
    return Notification(
        id=app[INTAKE].new_id(tenant.id, None, now),
        tenant=tenant.id,
        product=tenant.product,
        event=TEST_EVENT,
        body=payload(TEST_EVENT, now, data),
        priority=Priority.HIGH,
        created_ms=now,
        targets=(Target(record.id, f"{record.namespace}/{record.name}"),),
        retention_s=tenant.retention_s,
        by=caller.label,
        test=True,
        config_revision=app[TAIL].revision,
    )


async def _result(app: web.Application, stored: Stored, caller: Caller) -> dict[str, Any]:
    delivery = stored.deliveries[0]
    entries = await app[LEDGER].timeline(stored.notification.id)
    attempts = [entry for entry in entries if entry.get("type") == "attempt"]
    result: dict[str, Any] = {
        "notification": stored.notification.id,
        "outcome": "delivered" if delivery.state is DeliveryState.DELIVERED else "refused",
    }
    if delivery.reason:
        result["reason"] = delivery.reason
    if attempts:
        result["attempt"] = render.timeline_entry(attempts[-1], stored.notification, caller.tenant)
    return result
