"""The same gateway as most would write it first: what the frameworks' own guides show, put together.

aiohttp on uvloop with its access log, three middlewares, pydantic for the body, the standard json, a logger of the
standard library, metrics by labels, and an await for each Redis command. Environment as of `bare_gateway`.
"""

import hashlib
import json
import logging
import os
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import redis.asyncio
import uvloop
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, StringConstraints, ValidationError

log = logging.getLogger("gateway")
KEYS = {hashlib.sha256(os.environ["BENCH_KEY"].encode()).hexdigest(): "shop"}
REQUESTS = Counter("requests", "Answered.", ["method", "path", "status"])
SECONDS = Histogram("request_seconds", "Until the answer.", ["method", "path"])
REDIS = web.AppKey("redis", redis.asyncio.Redis)


class Posted(BaseModel):
    """A notification as it is posted."""

    event: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[a-z0-9._-]+$")]
    data: dict[str, Any]
    priority: str = "normal"


class Stored(BaseModel):
    """A notification as it is answered."""

    id: str
    event: str
    status: str
    accepted_at: datetime


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is said in JSON."""
    try:
        return await handler(request)
    except ValidationError as error:
        return web.json_response({"errors": error.errors()}, status=422)


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Metrics, and a line in the log."""
    began = time.perf_counter()
    response = await handler(request)
    took = time.perf_counter() - began
    REQUESTS.labels(request.method, request.path, str(response.status)).inc()
    SECONDS.labels(request.method, request.path).observe(took)
    log.info("answered %s %s with %d in %.1f ms", request.method, request.path, response.status, took * 1000)
    return response


@web.middleware
async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
    """By the key's hash."""
    if request.path.startswith("/v1/"):
        text = request.headers.get("Authorization", "").removeprefix("Bearer ")
        tenant = KEYS.get(hashlib.sha256(text.encode()).hexdigest())
        if tenant is None:
            raise web.HTTPUnauthorized
        request["tenant"] = tenant
    return await handler(request)


async def accept(request: web.Request) -> web.Response:
    """POST /v1/notifications."""
    store = request.app[REDIS]
    posted = Posted.model_validate(await request.json())
    stored = Stored(id=uuid.uuid4().hex, event=posted.event, status="pending", accepted_at=datetime.now(UTC))
    if key := request.headers.get("Idempotency-Key"):
        known = f"idiomatic:key:{request['tenant']}:{key}"
        if not await store.set(known, stored.id, nx=True, ex=86400):
            stored.id = str(await store.get(known))
            return web.json_response(stored.model_dump(mode="json"), status=202)
    await store.hset(f"idiomatic:notification:{stored.id}", mapping={"state": "waiting", "event": posted.event})
    await store.xadd("idiomatic:stream", {"id": stored.id, "body": json.dumps(posted.data)})
    location = {"Location": f"/v1/notifications/{stored.id}"}
    return web.json_response(stored.model_dump(mode="json"), status=202, headers=location)


async def ready(_: web.Request) -> web.Response:
    """Whether it serves."""
    return web.Response()


async def main() -> None:
    """Serve until the process is ended."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    app = web.Application(middlewares=[errors, measured, authenticated])
    app[REDIS] = redis.asyncio.Redis.from_url(os.environ["BENCH_REDIS_URL"], decode_responses=True)
    app.router.add_post("/v1/notifications", accept)
    app.router.add_get("/readyz", ready)
    await web._run_app(app, host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), print=None)


if __name__ == "__main__":
    uvloop.run(main())
