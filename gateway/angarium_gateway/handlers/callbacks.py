"""GET /v1/callbacks, and one of them: the tenant's callbacks as this gateway knows them, by name."""

import asyncio
import base64
import binascii
import heapq
from contextlib import suppress
from typing import Any

from aiohttp import web

from angarium.errors import StorageUnavailable
from angarium.health import at_endpoint, word
from angarium.queue.census import CallbackHealth, Census
from angarium.records import CallbackRecord
from angarium.resources import Health
from angarium_gateway import render
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import DIRECTORY, QUEUE
from angarium_gateway.callbacks import find, view
from angarium_gateway.clock import now_ms
from angarium_gateway.directory import Caller, Tenant
from angarium_gateway.problems import INVALID_CURSOR, NOT_FOUND, Problem
from angarium_gateway.requests import CallbacksQuery, read_query

HEALTH_SECONDS = 1.0  # that a list waits for what Redis knows


async def several(request: web.Request, caller: Caller) -> Answer:
    """One page."""
    query = read_query(CallbacksQuery, request.query)
    after = _read_cursor(query.cursor) if query.cursor else ""
    known = request.app[DIRECTORY].subscriptions(caller.tenant.id).by_name
    names = heapq.nsmallest(query.limit + 1, (name for name in known if name > after))
    page = names[: query.limit]
    cursor = base64.urlsafe_b64encode(page[-1].encode()).decode() if len(names) > len(page) else None
    views = await _views(request.app, caller.tenant, [known[name] for name in page])
    return render.json_response({"callbacks": views, "cursor": cursor})


def _read_cursor(cursor: str) -> str:
    try:
        return base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (UnicodeError, binascii.Error):
        raise Problem(INVALID_CURSOR, errors=[{"parameter": "cursor", "detail": "this is not a cursor"}]) from None


async def one(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/callbacks/{name}"""
    record = find(request.app[DIRECTORY], caller.tenant, request.match_info["name"])
    if record is None:
        raise Problem(NOT_FOUND, "there is no such callback")
    [document] = await _views(request.app, caller.tenant, [record])
    return render.json_response(document)


async def _views(app: web.Application, tenant: Tenant, records: list[CallbackRecord]) -> list[dict[str, Any]]:
    """With their health; without it where Redis does not answer at once, for the rest is known here."""
    known: dict[str, CallbackHealth] = {}
    if app[QUEUE].link.up:
        with suppress(StorageUnavailable, TimeoutError):
            async with asyncio.timeout(HEALTH_SECONDS):
                known = await Census(app[QUEUE]).callbacks_of([record.id for record in records])
    return [view(record, tenant, _health(record, known.get(record.id))) for record in records]


def _health(record: CallbackRecord, known: CallbackHealth | None) -> Health | None:
    if known is None:
        return None
    here = at_endpoint(record.endpoint, known)
    return word(here, disabled=bool(record.disabled), now_ms=now_ms())
