"""Around every request: its id, its errors as problem+json, its metrics; and for the API, who asks and how often.

One middleware, since each costs; it catches what the router refuses as well. Nothing that an exception says gets out:
what is not a Problem becomes a 500 with the request's id, which the log has too.

Most requests are of one route, and finding it costs aiohttp as much as all that is done here: they don't ask it.
"""

import itertools
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Counter, Histogram

from angarium.errors import StorageFull, StorageUnavailable
from angarium.telemetry import metrics
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import DIRECTORY, FIELDS, LIMITS, STOP, TAIL, VITALS
from angarium_gateway.auth import authenticate
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
)

log = logging.getLogger(__name__)
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)
_FORE = f"req_{os.urandom(8).hex()}"
_numbers = itertools.count(1)
ACCEPTS = "POST /v1/notifications"  # the one route whose refusals are rejected notifications

Serve = Callable[[web.Request, Caller], Awaitable[Answer]]
Accept = Callable[[web.Application, web.Request, Caller], Awaitable[Answer]]
General = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guarded(serve: Serve, *, needs_storage: bool) -> Handler:
    """For callers with a key, as often as their tenant may ask; and while storage is there, where it is needed."""

    async def handler(request: web.Request) -> Answer:
        return await serve(request, _admit(request.app, request, needs_storage=needs_storage))

    return handler


def _admit(app: web.Application, request: web.Request, *, needs_storage: bool) -> Caller:
    if not app[TAIL].epoch:  # else a caller would be told that its key is wrong
        raise Problem(UNCONFIGURED, "the operator has not published any yet", headers={"Retry-After": "5"})
    caller = authenticate(app[DIRECTORY], request.headers)
    if fields := app[LIMITS].admit(caller.tenant):
        request[FIELDS] = fields
    if needs_storage:
        app[VITALS].require_storage()
    return caller


def shortcut(app: web.Application, accept: Accept, general: General) -> General:
    """`general`, but for what is plainly ACCEPTS: that goes to the same `accept` without router and middleware."""

    async def admitted(request: web.Request) -> Answer:
        return await accept(app, request, _admit(app, request, needs_storage=True))

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.raw_path != "/v1/notifications" or request.method != "POST" or "Expect" in request.headers:
            return await general(request)
        return await _around(app, ACCEPTS, request, admitted)

    return handle


@web.middleware
async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one middleware."""
    return await _around(request.app, _route(request), request, handler)


async def _around(app: web.Application, route: str, request: web.Request, handler: Handler) -> web.StreamResponse:
    began = time.perf_counter()
    request_id = _request_id(request.headers.get("X-Request-Id"))
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a problem and the log the rest
        problem = _problem(error, request, request_id)
        response = problem.response(request_id)
        if route == ACCEPTS:
            _rejected(problem.kind.reason).inc()
    headers = response.headers
    headers["X-Request-Id"] = request_id
    headers["Server"] = "angarium"
    headers["X-Content-Type-Options"] = "nosniff"
    if fields := request.get(FIELDS):
        headers.update(fields)
    if app[STOP].is_set() or headers.get("Connection") == "close":
        response.force_close()
    _answered(route, response.status).inc()
    _duration(route).observe(time.perf_counter() - began)
    return response


def _request_id(given: str | None) -> str:
    if given is not None and _SANE_ID.fullmatch(given):
        return given
    return f"{_FORE}{next(_numbers):08x}"


def _problem(error: Exception, request: web.Request, request_id: str) -> Problem:
    match error:
        case Problem():
            return error
        case StorageUnavailable():
            return unavailable()
        case StorageFull():
            return full()
        case web.HTTPMethodNotAllowed():
            return Problem(METHOD, _unchangeable(request), headers={"Allow": ", ".join(sorted(error.allowed_methods))})
        case web.HTTPNotFound():
            return Problem(NOT_FOUND, "there is nothing at this path; see /openapi.json")
        case web.HTTPException() if error.status < 500:
            return Problem(BY_STATUS.get(error.status, BAD_REQUEST))
        case _:
            log.error("a request failed", exc_info=error, extra={"request": request_id, "path": request.path[:200]})
            return Problem(INTERNAL, "it was logged under this requestId")


def _unchangeable(request: web.Request) -> str:
    about_one = request.path.startswith("/v1/notifications/") and request.method in {"PUT", "PATCH", "DELETE"}
    return "a notification can't be changed or deleted" if about_one else ""


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical}" if resource else "other"


@lru_cache(maxsize=256)
def _answered(route: str, status: int) -> Counter:
    return metrics.REQUESTS.labels(route, str(status))


@lru_cache(maxsize=64)
def _duration(route: str) -> Histogram:
    return metrics.REQUEST_DURATION.labels(route)


@lru_cache(maxsize=64)
def _rejected(reason: str) -> Counter:
    return metrics.REJECTED.labels(reason)
