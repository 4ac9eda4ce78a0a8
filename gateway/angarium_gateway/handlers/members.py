"""/v1/groups/{name}/members: who is in a group."""

from aiohttp import web

from angarium.cursors import InvalidCursor
from angarium.people import NoSuchGroup
from angarium_gateway import people_render, render
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import GROUPS, PEOPLE
from angarium_gateway.directory import Caller
from angarium_gateway.handlers.groups import NO_GROUP, named_group
from angarium_gateway.handlers.lists import Joined, read_list, taken
from angarium_gateway.handlers.users import own_user
from angarium_gateway.imports import one_more
from angarium_gateway.people_requests import PageQuery, UsersRequest
from angarium_gateway.problems import NOT_FOUND, Problem, invalid_cursor
from angarium_gateway.requests import read_members, read_query


async def several(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/groups/{name}/members"""
    query = read_query(PageQuery, request.query)
    name = named_group(request)
    try:
        page = await request.app[PEOPLE].page(caller.tenant.id, name, query.cursor, query.limit)
    except NoSuchGroup:
        raise Problem(NOT_FOUND, NO_GROUP) from None
    except InvalidCursor as error:
        raise invalid_cursor(error) from error
    return render.json_response({"users": [people_render.user(each) for each in page.users], "cursor": page.cursor})


async def add(request: web.Request, caller: Caller) -> web.StreamResponse:
    """POST /v1/groups/{name}/members"""
    tenant, name = caller.tenant.id, named_group(request)
    with one_more(request.app, tenant):
        members, rows = await read_list(request, least=1)
        read_members(UsersRequest, members | {"users": [{}]})
        group = await request.app[GROUPS].one(tenant, name)
        if group is None:
            raise Problem(NOT_FOUND, NO_GROUP)
        return await taken(request, tenant, rows, Joined(name, group.number))


async def remove(request: web.Request, caller: Caller) -> Answer:
    """DELETE /v1/groups/{name}/members/{id}"""
    name = named_group(request)
    user = await own_user(request, caller)
    try:
        removed = await request.app[GROUPS].leave(caller.tenant.id, name, [user.id])
    except NoSuchGroup:
        raise Problem(NOT_FOUND, NO_GROUP) from None
    if not removed:
        raise Problem(NOT_FOUND, "this user is not a member of this group")
    return render.json_response({"group": name, "user": user.id})
