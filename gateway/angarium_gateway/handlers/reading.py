"""What became of notifications: one, its timeline, the list. Others' look exactly like those that don't exist."""

from http import HTTPStatus

from aiohttp import web

from angarium.identifiers import InvalidIdentifier
from angarium.notifications import Stored
from angarium.payload import instant
from angarium.queue import Filters, InvalidCursor
from angarium_gateway import render
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import DIRECTORY, LEDGER, ROSTER, WAITING
from angarium_gateway.callbacks import find
from angarium_gateway.directory import Caller
from angarium_gateway.problems import INVALID, NOT_FOUND, Problem, invalid_cursor
from angarium_gateway.requests import ListQuery, RecipientsQuery, WaitQuery, read_query
from angarium_gateway.waiting import awaited, has_ended, one_more

MOST_WAITING = 256  # requests of one tenant that this gateway lets wait at a time
MOST_IN_ALL = 4096  # of all


async def own_notification(request: web.Request, caller: Caller) -> Stored:
    """The notification that the path names; raises a Problem unless it is the caller's."""
    try:
        stored = await request.app[LEDGER].get(request.match_info["id"])
    except InvalidIdentifier:
        stored = None
    return own(stored, caller)


def own(stored: Stored | None, caller: Caller) -> Stored:
    """It, if it is the caller's; raises a Problem, the same whether it is another's or there is none."""
    if stored is None or stored.notification.tenant != caller.tenant.id:
        raise Problem(NOT_FOUND, "there is no such notification, or it is no longer kept")
    return stored


async def one(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/notifications/{id}, at once, or once it has ended, or is no longer what the caller knows."""
    query, known = read_query(WaitQuery, request.query), request.headers.get("If-None-Match")

    def told(stored: Stored) -> Answer:
        document = render.summary(stored, caller.tenant)
        return render.known_or_new(document | render.what(stored.notification), known)

    def news(stored: Stored) -> bool:
        return has_ended(stored) or told(stored).status != HTTPStatus.NOT_MODIFIED

    enough = has_ended if known is None else news

    stored = await own_notification(request, caller)
    if query.wait and not enough(stored):
        waiting, tenant = request.app[WAITING], caller.tenant.id
        with one_more(waiting, "", MOST_IN_ALL, "requests"), one_more(waiting, tenant, MOST_WAITING, "requests"):
            changed = await awaited(request.app, stored.notification.id, query.wait, enough, lambda: _hung_up(request))
        stored = own(changed, caller)
    return told(stored)


def _hung_up(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def recipients(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/notifications/{id}/recipients"""
    query = read_query(RecipientsQuery, request.query)
    notification = (await own_notification(request, caller)).notification
    try:
        page = await request.app[ROSTER].page(notification, query.status, query.limit, query.cursor)
    except InvalidCursor as error:
        raise invalid_cursor(error) from error
    items = [render.recipient(part, delivery, caller.tenant) for part, delivery in page.items]
    return render.json_response({"recipients": items, "cursor": page.cursor})


async def timeline(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/notifications/{id}/timeline"""
    notification = (await own_notification(request, caller)).notification
    accepted = {"at": instant(notification.created_ms), "type": "accepted", "by": notification.by}
    entries = await request.app[LEDGER].timeline(notification.id)
    rendered = [render.timeline_entry(entry, notification, caller.tenant) for entry in entries]
    return render.json_response({"entries": [accepted, *rendered]})


async def several(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/notifications"""
    query = read_query(ListQuery, request.query)
    filters = Filters(query.status, query.event, _callback_id(request, caller, query), query.since, query.until)
    try:
        page = await request.app[LEDGER].page(caller.tenant.id, filters, query.limit, query.cursor)
    except InvalidCursor as error:
        raise invalid_cursor(error) from error
    items = [render.summary(stored, caller.tenant) for stored in page.items]
    return render.json_response({"notifications": items, "cursor": page.cursor})


def _callback_id(request: web.Request, caller: Caller, query: ListQuery) -> str | None:
    if query.callback is None or query.callback.startswith("cbk_"):
        return query.callback
    record = find(request.app[DIRECTORY], caller.tenant, query.callback)
    if record is None:
        detail = "there is no callback of this name; for one that was deleted give its id (cbk_…)"
        raise Problem(INVALID, errors=[{"parameter": "callback", "detail": detail}])
    return record.id
