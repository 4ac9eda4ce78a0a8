"""Around every request: its id, its errors as problem+json, its metrics; and for the API, who asks and how often.

One middleware, since each costs; it catches what the router refuses as well. Nothing that an exception says gets out:
what is not a Problem becomes a 500 with the request's id, which the log has too.
"""

import itertools
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Counter, Histogram

from angarium.errors import NotReplicated, StorageFull, StorageUnavailable
from angarium.telemetry import metrics
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import DIRECTORY, FIELDS, LIMITS, NAME, SILENCE, STOP, TAIL, TOKENS, TRACING, VITALS
from angarium_gateway.auth import Permission, authenticate, require
from angarium_gateway.directory import Caller
from angarium_gateway.problems import (
    BAD_REQUEST,
    BY_STATUS,
    INTERNAL,
    METHOD,
    NOT_FOUND,
    UNCONFIGURED,
    Problem,
    full,
    unavailable,
    unconfirmed,
)

log = logging.getLogger(__name__)
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)
_FORE = f"req_{os.urandom(8).hex()}"
_numbers = itertools.count(1)
PERSONAL = ("/v1/users", "/v1/groups")  # paths that may hold a phone number, which no log is to have
ACCEPTS = "POST /v1/notifications"
POSTS = "POST /v1/notifications/{channel}/{topic}"
ACCEPTING = frozenset({ACCEPTS, POSTS})  # the routes whose refusals are rejected notifications

Serve = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


def guarded(serve: Serve, permission: Permission, *, needs_storage: bool) -> Handler:
    """For callers that may, as often as their tenant may ask; and while storage is there, where it is needed."""

    async def handler(request: web.Request) -> web.StreamResponse:
        caller, fields = admit(request.app, request.headers, permission)
        if fields:
            request[FIELDS] = fields
        if needs_storage:
            request.app[VITALS].require_storage()
        return await serve(request, caller)

    return handler


def admit(app: web.Application, headers: Mapping[str, str], permission: Permission) -> tuple[Caller, dict[str, str]]:
    """Who asks, and the fields that tell how often it may; raises a Problem."""
    if not app[TAIL].epoch:  # else a caller would be told that its key is wrong
        raise Problem(UNCONFIGURED, "the operator has not published any yet", headers={"Retry-After": "5"})
    caller = authenticate(app[DIRECTORY], app[TOKENS], headers)
    if caller.scopes is not None:
        require(caller.scopes, permission)
    return caller, app[LIMITS].admit(caller.tenant)


@web.middleware
async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one middleware."""
    began = time.perf_counter()
    name, route = request_id(request.headers), _route(request)
    request[NAME] = name
    tracing = request.app[TRACING]
    span = tracing.begin(request.headers) if tracing else None
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a problem and the log the rest
        response = failed(error, route, name, request)
    finish(request.app, route, name, response, request.get(FIELDS), began)
    if tracing and span:
        tracing.end(span, route, response.status)
    return response


def failed(error: Exception, route: str, name: str, request: web.BaseRequest | None = None) -> Answer:
    """The answer to what went wrong in a request of that name."""
    problem = _problem(error, route, name, request)
    if route in ACCEPTING:
        _rejected(problem.kind.reason).inc()
    if route == POSTS:  # what callers of topics read, by custom older than RFC 9457
        problem.members.setdefault("message", problem.words)
    return problem.response(name)


def finish(
    app: web.Application,
    route: str,
    name: str,
    response: web.StreamResponse,
    fields: Mapping[str, str] | None,
    began: float,
) -> None:
    """What every answer gets, and its count."""
    headers = response.headers
    headers["X-Request-Id"] = name
    if fields:
        headers.update(fields)
    if app[STOP].is_set():
        app[SILENCE].broken()
        response.force_close()
    elif headers.get("Connection") == "close":
        response.force_close()
    answered, duration = _meters(route, response.status)
    answered.inc()
    duration.observe(time.perf_counter() - began)


def request_id(headers: Mapping[str, str]) -> str:
    """The name of a request: its caller's, if that can be written, or one of ours."""
    given = headers.get("X-Request-Id")
    if given is not None and _SANE_ID.fullmatch(given):
        return given
    return f"{_FORE}{next(_numbers):08x}"


def _problem(error: Exception, route: str, name: str, request: web.BaseRequest | None) -> Problem:
    match error:
        case Problem():
            return error
        case NotReplicated():
            return unconfirmed()
        case StorageUnavailable():
            return unavailable()
        case StorageFull():
            return full()
        case web.HTTPMethodNotAllowed():
            return Problem(
                METHOD,
                _unchangeable(request) if request else "",
                headers={"Allow": ", ".join(sorted(error.allowed_methods))},
            )
        case web.HTTPNotFound():
            return Problem(NOT_FOUND, "there is nothing at this path; see /openapi.json")
        case web.HTTPException() if error.status < 500:
            return Problem(BY_STATUS.get(error.status, BAD_REQUEST))
        case _:
            path = request.path[:200] if request and not request.path.startswith(PERSONAL) else route
            log.error("a request failed", exc_info=error, extra={"request": name, "path": path})
            return Problem(INTERNAL, "it was logged under this requestId")


def _unchangeable(request: web.BaseRequest) -> str:
    about_one = request.path.startswith("/v1/notifications/") and request.method in {"PUT", "PATCH", "DELETE"}
    return "a notification can't be changed or deleted" if about_one else ""


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical}" if resource else "other"


@lru_cache(maxsize=256)
def _meters(route: str, status: int) -> tuple[Counter, Histogram]:
    return metrics.REQUESTS.labels(route, str(status)), metrics.REQUEST_DURATION.labels(route)


@lru_cache(maxsize=64)
def _rejected(reason: str) -> Counter:
    return metrics.REJECTED.labels(reason)
