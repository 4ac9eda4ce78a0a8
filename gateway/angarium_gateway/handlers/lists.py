"""Lists of users in a body, whichever route takes them: read, taken in, and answered at once or line by line."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from angarium_gateway import render
from angarium_gateway.appkeys import NAME, SETTINGS, VITALS
from angarium_gateway.bodies import read_large, require_json
from angarium_gateway.imports import LARGEST, Tally, take_in
from angarium_gateway.lines import stream, wants_lines
from angarium_gateway.people_requests import MOST_ROWS
from angarium_gateway.rows import cut

STRIDE = 10  # batches of rows that a line of progress tells of


@dataclass(frozen=True)
class Joined:
    """The group that users of a list become members of."""

    name: str
    number: int


async def read_list(request: web.Request, least: int) -> tuple[dict[str, Any], list[bytes]]:
    """The members of a body without its users, and these, unread; raises a Problem."""
    request.app[VITALS].require_room()
    require_json(request)
    body = await read_large(request, request.app[SETTINGS].gateway_body_timeout, LARGEST)
    return await cut(body, "users", least, MOST_ROWS)


async def taken(
    request: web.Request, tenant: str, rows: list[bytes], group: Joined | None = None, status: int = 200
) -> web.StreamResponse:
    """The answer to a list of users: at once, or line by line if the caller asks for it."""
    taking = take_in(request.app, tenant, rows, group.number if group else None)
    extra = {"group": group.name} if group else {}
    fields = {"Location": f"/v1/groups/{quote(group.name, safe='')}"} if group and status == 201 else {}
    if wants_lines(request):
        return await stream(request, status, _progress(taking, len(rows), extra, request[NAME]), fields)
    tally = Tally()
    async for latest in taking:
        tally = latest
    if tally.problem and status == 200 and not tally.created + tally.updated:
        raise tally.problem
    document = extra | _counts(tally) | {"errors": tally.errors, "ids": tally.ids}
    return render.json_response(document, 207 if tally.failed else status, fields)


async def _progress(
    taking: AsyncIterator[Tally], total: int, extra: dict[str, str], name: str
) -> AsyncIterator[dict[str, Any]]:
    told_errors = told_ids = batches = 0
    async for tally in taking:
        batches += 1
        if batches % STRIDE and tally.done < total:
            continue
        line = extra | {"done": tally.done, "of": total} | _counts(tally)
        line |= {"errors": tally.errors[told_errors:], "ids": tally.ids[told_ids:]}
        told_errors, told_ids = len(tally.errors), len(tally.ids)
        if tally.problem:
            line["problem"] = tally.problem.document(name)
        yield line


def _counts(tally: Tally) -> dict[str, Any]:
    return {"created": tally.created, "updated": tally.updated, "failed": tally.failed}
