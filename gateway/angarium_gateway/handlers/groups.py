"""/v1/groups: names for lists of users."""

from aiohttp import web

from angarium.cursors import InvalidCursor
from angarium.people import GroupExists, NoSuchGroup, TooManyGroups
from angarium_gateway import people_render, render
from angarium_gateway.addresses import normalize_name
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import GROUPS
from angarium_gateway.directory import Caller
from angarium_gateway.handlers.lists import Joined, read_list, taken
from angarium_gateway.imports import one_more
from angarium_gateway.people_requests import GroupRequest, PageQuery
from angarium_gateway.problems import GROUP_EXISTS, LIMIT, NOT_FOUND, Problem, invalid_cursor
from angarium_gateway.requests import read_members, read_query

NO_GROUP = "there is no such group"


def named_group(request: web.Request) -> str:
    """What the path says, composed as names are kept."""
    return normalize_name(request.match_info["name"])


async def create(request: web.Request, caller: Caller) -> web.StreamResponse:
    """POST /v1/groups"""
    tenant = caller.tenant.id
    with one_more(request.app, tenant):
        members, rows = await read_list(request, least=0)
        name = read_members(GroupRequest, members).name
        joined = Joined(name, await _created(request, tenant, name))
        return await taken(request, tenant, rows, joined, status=201)


async def _created(request: web.Request, tenant: str, name: str) -> int:
    try:
        return await request.app[GROUPS].create(tenant, name)
    except GroupExists:
        raise Problem(GROUP_EXISTS, "to add to it, send the same list of users to its members") from None
    except TooManyGroups as error:
        raise Problem(LIMIT, f"there are {error.limit:,} groups, the most there may be") from None


async def several(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/groups"""
    query = read_query(PageQuery, request.query)
    try:
        page = await request.app[GROUPS].page(caller.tenant.id, query.cursor, query.limit)
    except InvalidCursor as error:
        raise invalid_cursor(error) from error
    return render.json_response({"groups": [people_render.group(each) for each in page.groups], "cursor": page.cursor})


async def one(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/groups/{name}"""
    group = await request.app[GROUPS].one(caller.tenant.id, named_group(request))
    if group is None:
        raise Problem(NOT_FOUND, NO_GROUP)
    return render.json_response(people_render.group(group))


async def disband(request: web.Request, caller: Caller) -> Answer:
    """DELETE /v1/groups/{name}"""
    name = named_group(request)
    try:
        members = await request.app[GROUPS].disband(caller.tenant.id, name)
    except NoSuchGroup:
        raise Problem(NOT_FOUND, NO_GROUP) from None
    return render.json_response({"name": name, "members": members})
