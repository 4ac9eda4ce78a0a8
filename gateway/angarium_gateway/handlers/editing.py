"""Making, changing and deleting callbacks: the operator does it, the gateway asks and waits for a while.

The gateway refuses what the resource itself would refuse; whether it may be done at all is the operator's to judge.
"""

import asyncio
import hashlib
import secrets
from typing import Any

import orjson
from aiohttp import web

from angarium.edits import Action, Edit, EditsFull, Envelope, Reply
from angarium.records import CallbackRecord
from angarium_gateway import render
from angarium_gateway.answers import Answer, NoContent
from angarium_gateway.appkeys import DIRECTORY, EDITING, EDITS, SETTINGS, STOP
from angarium_gateway.bodies import read_body, require_json, split
from angarium_gateway.callbacks import find, view
from angarium_gateway.directory import Caller, Tenant
from angarium_gateway.idempotency import parse_key
from angarium_gateway.problems import (
    CALLBACKS_FORBIDDEN,
    CONFLICT,
    GITOPS,
    INVALID,
    MISMATCH,
    NAME_TAKEN,
    NOT_FOUND,
    OPERATOR,
    QUOTA,
    RATE,
    UNMADE,
    Kind,
    Problem,
)
from angarium_gateway.requests import CallbackChange, CallbackRequest, R, read_members
from angarium_gateway.waiting import one_more

BEGUN = 0.9  # share of the operator's time in which it must have begun: the rest is for ending
SEEN = 2.0  # s until this gateway itself knows what was done; an answer is given without that, too
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.25  # s between looks
MOST_WAITING = 16  # edits of one tenant that this gateway waits for at a time
MERGE_PATCH = "application/merge-patch+json"
KINDS: dict[str, Kind] = {
    "not_found": NOT_FOUND,
    "gitops": GITOPS,
    "taken": NAME_TAKEN,
    "forbidden": CALLBACKS_FORBIDDEN,
    "quota": QUOTA,
    "invalid": INVALID,
    "unmade": UNMADE,
    "conflict": CONFLICT,
}
Members = dict[str, Any]


async def create(request: web.Request, caller: Caller) -> Answer:
    """POST /v1/callbacks"""
    require_json(request)
    members = await _members(request, CallbackRequest)
    name = members.pop("name")
    given = {member: value for member, value in members.items() if value is not None}
    edit = _edit(request, caller, "create", f"{caller.tenant.namespace}/{name}", given)
    document = await _done(request, caller, edit)
    place = f"/v1/callbacks/{name}"
    return render.json_response(document | {"signingSecret": f"{place}/secret"}, 201, {"Location": place})


async def change(request: web.Request, caller: Caller) -> Answer:
    """PATCH /v1/callbacks/{name}"""
    if request.content_type != MERGE_PATCH:
        require_json(request)
    edit = _edit(request, caller, "change", _named(request, caller), await _members(request, CallbackChange))
    return render.json_response(await _done(request, caller, edit))


async def suspend(request: web.Request, caller: Caller) -> Answer:
    """POST /v1/callbacks/{name}/suspend"""
    edit = _edit(request, caller, "change", _named(request, caller), {"suspend": True})
    return render.json_response(await _done(request, caller, edit))


async def activate(request: web.Request, caller: Caller) -> Answer:
    """POST /v1/callbacks/{name}/activate: also one that was given up."""
    edit = _edit(request, caller, "change", _named(request, caller), {"suspend": False})
    record = find(request.app[DIRECTORY], caller.tenant, edit.name)
    if record is not None and record.disabled:
        edit = edit.model_copy(update={"enable": True})
    return render.json_response(await _done(request, caller, edit))


async def delete(request: web.Request, caller: Caller) -> Answer:
    """DELETE /v1/callbacks/{name}"""
    edit = _edit(request, caller, "delete", _named(request, caller), {})
    record = _known(request, caller, edit)
    if record is not None:
        edit = edit.model_copy(update={"known": record.id})
    await _ask(request, caller, edit)
    await _until_seen(request, caller, edit, None)
    return NoContent()


async def secret(request: web.Request, caller: Caller) -> Answer:
    """GET /v1/callbacks/{name}/secret: what receivers verify with, sealed by the operator for this request alone."""
    envelope = Envelope()
    edit = _edit(request, caller, "reveal", _named(request, caller), {}, keyed=False)
    reply = await _ask(request, caller, edit.model_copy(update={"seal_to": envelope.address}))
    return render.json_response(orjson.loads(envelope.open(reply.sealed)))


async def _members(request: web.Request, model: type[R]) -> Members:
    members, data = split(await read_body(request, request.app[SETTINGS].gateway_body_timeout))
    if data is not None:
        members["data"] = None
    read_members(model, members)
    return members


def _named(request: web.Request, caller: Caller) -> str:
    """`namespace/name` of what the path names."""
    name = request.match_info["name"]
    return name if "/" in name else f"{caller.tenant.namespace}/{name}"


def _edit(
    request: web.Request, caller: Caller, action: Action, full: str, members: Members, *, keyed: bool = True
) -> Edit:
    namespace, _, name = full.partition("/")
    tenant, header = caller.tenant, request.headers.get("Idempotency-Key") if keyed else None
    return Edit(
        id=_id_of(tenant, parse_key(header)) if header is not None else secrets.token_urlsafe(18),
        keyed=header is not None,
        action=action,
        tenant=tenant.id,
        owner=_owner(tenant),
        namespace=namespace,
        name=name,
        members=members,
        by=caller.label,
    )


def _id_of(tenant: Tenant, key: str) -> str:
    return "key-" + hashlib.sha256(f"{tenant.id}\n{key}".encode()).hexdigest()[:40]


def _owner(tenant: Tenant) -> str:
    return f"organization/{tenant.organization}" if tenant.organization else f"product/{tenant.product}"


def _fingerprint(edit: Edit) -> str:
    """Of what was asked, whoever asked and whatever was known then."""
    asked = [edit.action, edit.namespace, edit.name, edit.members]
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


async def _done(request: web.Request, caller: Caller, edit: Edit) -> dict[str, Any]:
    """The callback after the edit."""
    reply = await _ask(request, caller, edit)
    if reply.callback is None:
        raise Problem(CONFLICT, "it can't be read any more; ask for it again")
    seen = await _until_seen(request, caller, edit, reply.callback)
    return view(reply.callback, caller.tenant, pending=not seen)


async def _ask(request: web.Request, caller: Caller, edit: Edit) -> Reply:
    """The operator's reply; raises a Problem where it refused, or said nothing in time."""
    app, patience = request.app, request.app[SETTINGS].gateway_edit_timeout
    with one_more(app[EDITING], caller.tenant.id, MOST_WAITING, "changes"):
        try:
            asked = await app[EDITS].ask(edit, _fingerprint(edit), patience * BEGUN)
        except EditsFull:
            raise Problem(RATE, "too many changes wait for the operator", headers={"Retry-After": "5"}) from None
        if asked.mismatch:
            raise Problem(MISMATCH, "this Idempotency-Key was used for something else; use a new key")
        reply = asked.reply or await _replied(app, edit.id, patience)
    if reply is None:
        detail = "it has not answered; whether this takes effect yet is unknown, so repeat it with an Idempotency-Key"
        raise Problem(OPERATOR, detail, headers={"Retry-After": "10"})
    if reply.refused is not None:
        errors = [{"pointer": error.pointer, "detail": error.detail} for error in reply.errors]
        headers = {"Retry-After": "1"} if reply.refused in ("unmade", "conflict") else {}
        raise Problem(KINDS[reply.refused], reply.detail, errors=errors, headers=headers)
    return reply


async def _replied(app: web.Application, id_: str, patience: float) -> Reply | None:
    """The reply, once it is there; None when the time is up or this pod is going away."""
    pause, loop = FIRST_PAUSE, asyncio.get_running_loop()
    end = loop.time() + patience
    while loop.time() < end and not app[STOP].is_set():
        await asyncio.sleep(pause)
        reply = await app[EDITS].reply(id_)
        if reply is not None:
            return reply
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return None


async def _until_seen(request: web.Request, caller: Caller, edit: Edit, told: CallbackRecord | None) -> bool:
    """Whether this gateway works with what was told, or with none, before long: so a caller reads its own writes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + SEEN
    while not _is(_known(request, caller, edit), told):
        if loop.time() >= end or request.app[STOP].is_set():
            return False
        await asyncio.sleep(FIRST_PAUSE)
    return True


def _is(known: CallbackRecord | None, told: CallbackRecord | None) -> bool:
    """Whether a gateway is up to date; enabling an endpoint makes another token, but no generation."""
    if known is None or told is None:
        return known is told
    return (known.generation, known.endpoint) == (told.generation, told.endpoint) or known.generation > told.generation


def _known(request: web.Request, caller: Caller, edit: Edit) -> CallbackRecord | None:
    return find(request.app[DIRECTORY], caller.tenant, f"{edit.namespace}/{edit.name}")
