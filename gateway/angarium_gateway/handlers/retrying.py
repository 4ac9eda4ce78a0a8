"""POST /v1/notifications/{id}/retry: a person's wish to try deliveries again."""

import orjson
from aiohttp import web

from angarium.identifiers import parse_delivery_id
from angarium.notifications import DeliveryState, Stored
from angarium_gateway import render
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import INTAKE, LEDGER, ROSTER, SETTINGS
from angarium_gateway.bodies import pointer, read_optional_data
from angarium_gateway.directory import Caller
from angarium_gateway.handlers.reading import own_notification
from angarium_gateway.problems import INVALID, NOT_RETRYABLE, Problem
from angarium_gateway.requests import RetryRequest, read_members

RETRIED = {"redriven", "hastened"}
AT_ONCE = 20  # parts of a group that are read at once


async def retry(request: web.Request, caller: Caller) -> Answer:
    """202 with what became of each; 409 when none can be tried again."""
    asked = await _asked(request)
    stored = await own_notification(request, caller)
    indices = _chosen(stored, asked)
    entry = orjson.dumps({"type": "redrive", "by": caller.label})
    whole = asked.deliveries is None and any(delivery.recipients for delivery in stored.deliveries)
    again = await _retry_recipients(request.app, stored, entry) if whole else 0
    if not indices and not again:
        raise Problem(NOT_RETRYABLE, "no delivery of this notification was refused")
    results = await request.app[INTAKE].redrive(stored.notification, indices, entry)
    deliveries = [
        {
            "id": stored.deliveries[index].id,
            **render.whom(stored.deliveries[index].target, caller.tenant),
            "result": result,
        }
        for index, result in zip(indices, results, strict=True)
    ]
    if not again and not RETRIED.intersection(results):
        raise Problem(NOT_RETRYABLE, "they have been delivered, or are being attempted", deliveries=deliveries)
    document: render.Document = {"id": stored.notification.id, "deliveries": deliveries}
    return render.json_response(document | ({"recipients": again} if whole else {}), 202)


async def _retry_recipients(app: web.Application, stored: Stored, entry: bytes) -> int:
    """Those of its groups that were refused; how many are tried again."""
    count, parts = 0, await app[ROSTER].failing(stored.notification)
    for first in range(0, len(parts), AT_ONCE):
        for part in await app[LEDGER].summaries(parts[first : first + AT_ONCE]):
            results = await app[INTAKE].redrive(part.notification, _refused(part), entry)
            count += sum(result in RETRIED for result in results)
    return count


async def _asked(request: web.Request) -> RetryRequest:
    members, data = await read_optional_data(request, request.app[SETTINGS].gateway_body_timeout)
    return read_members(RetryRequest, members if data is None else members | {"data": None})


def _refused(stored: Stored) -> list[int]:
    ended = (DeliveryState.REFUSED, DeliveryState.DEAD)
    return [index for index, delivery in enumerate(stored.deliveries) if delivery.state in ended]


def _chosen(stored: Stored, asked: RetryRequest) -> list[int]:
    if asked.deliveries is None:
        return _refused(stored)
    references = [parse_delivery_id(text) for text in dict.fromkeys(asked.deliveries)]
    foreign = [
        {"pointer": pointer("deliveries", place), "detail": "is not a delivery of this notification"}
        for place, reference in enumerate(references)
        if reference.notification != stored.notification.id or reference.index >= len(stored.deliveries)
    ]
    if foreign:
        raise Problem(INVALID, errors=foreign)
    return [reference.index for reference in references]
