"""GET /v1/callbacks: the tenant's callbacks as this gateway knows them, by name."""

import base64
import binascii
import heapq
from typing import Any

from aiohttp import web

from angarium.records import CallbackRecord
from angarium_gateway import render
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import DIRECTORY
from angarium_gateway.callbacks import state_of
from angarium_gateway.directory import Caller, Tenant
from angarium_gateway.problems import INVALID_CURSOR, Problem
from angarium_gateway.requests import CallbacksQuery, read_query


async def several(request: web.Request, caller: Caller) -> Answer:
    """One page."""
    query = read_query(CallbacksQuery, request.query)
    after = _read_cursor(query.cursor) if query.cursor else ""
    known = request.app[DIRECTORY].subscriptions(caller.tenant.id).by_name
    names = heapq.nsmallest(query.limit + 1, (name for name in known if name > after))
    page = names[: query.limit]
    cursor = base64.urlsafe_b64encode(page[-1].encode()).decode() if len(names) > len(page) else None
    return render.json_response({"callbacks": [_view(known[name], caller.tenant) for name in page], "cursor": cursor})


def _read_cursor(cursor: str) -> str:
    try:
        return base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (UnicodeError, binascii.Error):
        raise Problem(INVALID_CURSOR, errors=[{"parameter": "cursor", "detail": "this is not a cursor"}]) from None


def _view(record: CallbackRecord, tenant: Tenant) -> dict[str, Any]:
    document = {
        "id": record.id,
        "name": tenant.short(f"{record.namespace}/{record.name}"),
        "events": record.events,
        "url": record.url,
        "suspended": record.suspended,
        "state": state_of(record),
    }
    return document | {"reason": record.disabled} if record.disabled else document
