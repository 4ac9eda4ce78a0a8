"""/v1/users: people, with their addresses and devices."""

from typing import Any

from aiohttp import web

from angarium.cursors import InvalidCursor
from angarium.people import Reference, TooManyDevices, User
from angarium_gateway import addresses, people_render, render
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import PEOPLE, REGISTRY, SETTINGS, VITALS
from angarium_gateway.bodies import read_body, read_object, require_json
from angarium_gateway.directory import Caller
from angarium_gateway.handlers.lists import read_list, taken
from angarium_gateway.imports import objection, one_more
from angarium_gateway.people_requests import DeviceTokenRequest, UserPatch, UsersQuery, UsersRequest
from angarium_gateway.problems import INVALID, LIMIT, NOT_FOUND, TAKEN, Problem, invalid_cursor
from angarium_gateway.requests import read_members, read_query

NOBODY = "there is no such user"


async def take(request: web.Request, caller: Caller) -> web.StreamResponse:
    """POST /v1/users"""
    with one_more(request.app, caller.tenant.id):
        members, rows = await read_list(request, least=1)
        read_members(UsersRequest, members | {"users": [{}]})
        return await taken(request, caller.tenant.id, rows)


async def several(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/users"""
    query = read_query(UsersQuery, request.query)
    people, tenant = request.app[PEOPLE], caller.tenant.id
    named = [Reference(by, value) for by in ("phone", "email", "key") if (value := getattr(query, by))]
    if len(named) > 1:
        raise Problem(INVALID, errors=[{"parameter": named[1].by, "detail": f"can't go with {named[0].by}"}])
    if named:
        found, cursor = [each for each in await people.users(tenant, named) if each], None
    else:
        try:
            page = await people.page(tenant, None, query.cursor, query.limit)
        except InvalidCursor as error:
            raise invalid_cursor(error) from error
        found, cursor = page.users, page.cursor
    return render.json_response({"users": [people_render.user(each) for each in found], "cursor": cursor})


async def one(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/users/{id}"""
    return await _shown(request, caller, await own_user(request, caller))


async def change(request: web.Request, caller: Caller) -> Answer:
    """PATCH /v1/users/{id}"""
    members = await _read(request)
    row = read_members(UserPatch, members).row()
    request.app[VITALS].require_room()
    user = await own_user(request, caller)
    registry = request.app[REGISTRY]
    [saved] = await registry.save(caller.tenant.id, [row | {"id": user.id}])
    if saved.why == "unknown":
        raise Problem(NOT_FOUND, NOBODY)
    if saved.result == "refused":
        error = objection(saved, registry.limits)
        raise Problem(TAKEN if saved.why == "taken" else INVALID, errors=[error])
    changed = await _user(request, caller, Reference("id", user.id))  # its phone may be another now
    return await _shown(request, caller, changed)


async def erase(request: web.Request, caller: Caller) -> Answer:
    """DELETE /v1/users/{id}"""
    user = await own_user(request, caller)
    erased = await request.app[REGISTRY].erase(caller.tenant.id, user.id)
    if erased is None:
        raise Problem(NOT_FOUND, NOBODY)
    return render.json_response(people_render.erased(erased))


async def set_device(request: web.Request, caller: Caller) -> Answer:
    """PUT /v1/users/{phone}/device-token"""
    asked = read_members(DeviceTokenRequest, await _read(request))
    request.app[VITALS].require_room()
    reference = named_user(request.match_info["phone"], "phone")
    try:
        done = await request.app[REGISTRY].set_device(
            caller.tenant.id, reference, asked.token, asked.platform, asked.replaces or ""
        )
    except TooManyDevices as error:
        detail = f"this user has {error.limit} devices, the most there may be; say which one it replaces"
        raise Problem(LIMIT, errors=[{"pointer": "/token", "detail": detail}]) from None
    if done is None:
        raise Problem(NOT_FOUND, NOBODY)
    return render.json_response({"user": done[0], "result": "added" if done[1] else "refreshed"})


async def own_user(request: web.Request, caller: Caller) -> User:
    """The user whom the path names by id or phone; raises a Problem unless the caller's tenant has one."""
    return await _user(request, caller, named_user(request.match_info["id"], "id"))


async def _user(request: web.Request, caller: Caller, reference: Reference) -> User:
    user = await request.app[PEOPLE].user(caller.tenant.id, reference)
    if user is None:
        raise Problem(NOT_FOUND, NOBODY)
    return user


def named_user(text: str, parameter: str) -> Reference:
    """What a path says of a user; raises a Problem."""
    if text.startswith("usr_"):
        return Reference("id", text)
    try:
        return Reference("phone", addresses.phone(text))
    except ValueError as error:
        detail = f"{error}; or a user's id (usr_…)"
        raise Problem(INVALID, errors=[{"parameter": parameter, "detail": detail}]) from None


async def _read(request: web.Request) -> dict[str, Any]:
    require_json(request)
    return read_object(await read_body(request, request.app[SETTINGS].gateway_body_timeout))


async def _shown(request: web.Request, caller: Caller, user: User) -> Answer:
    groups = await request.app[PEOPLE].groups_of(caller.tenant.id, user.id)
    return render.json_response(people_render.user(user) | {"groups": groups})
