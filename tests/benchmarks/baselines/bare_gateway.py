"""The least that can be called a gateway: aiohttp on uvloop, one coalesced Lua call for each accept.

Key by its SHA-256, JSON in and out, an Idempotency-Key, the body stored. No limits, no log, no metrics, no
validation, no routing to callbacks. Environment: BENCH_REDIS_URL, BENCH_PORT, BENCH_KEY.
"""

import hashlib
import os
import uuid

import orjson
import uvloop
from aiohttp import web
from pydantic import SecretStr

from angarium.link import Link
from angarium.settings import RedisSettings

ACCEPT = """
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'EX', 86400) then
  redis.call('XADD', KEYS[1], '*', 'id', ARGV[1], 'body', ARGV[2])
  redis.call('HSET', KEYS[3], 'state', 'waiting', 'event', ARGV[3])
  return ARGV[1]
end
return redis.call('GET', KEYS[2])
"""
KEYS = {hashlib.sha256(os.environ["BENCH_KEY"].encode()).hexdigest(): "shop"}


class Gateway:
    """Its two handlers."""

    def __init__(self, link: Link, script: bytes) -> None:
        self._link, self._script = link, script

    async def accept(self, request: web.Request) -> web.Response:
        """POST /v1/notifications."""
        text = request.headers["Authorization"].removeprefix("Bearer ")
        tenant = KEYS.get(hashlib.sha256(text.encode()).hexdigest())
        if tenant is None:
            return web.Response(status=401)
        asked = orjson.loads(await request.read())
        fresh = uuid.uuid4().hex
        known = f"minimal:key:{tenant}:{request.headers.get('Idempotency-Key', fresh)}"
        id_ = await self._link.call(
            "EVALSHA", self._script, 3, "minimal:stream", known, f"minimal:notification:{fresh}",
            fresh, orjson.dumps(asked["data"]), asked["event"],
        )  # fmt: skip
        return web.Response(status=202, body=orjson.dumps({"id": id_.decode()}), content_type="application/json")

    async def echo(self, request: web.Request) -> web.Response:
        """POST /echo: a bare round trip."""
        await request.read()
        return web.Response(status=204)


async def ready(_: web.Request) -> web.Response:
    """Whether it serves."""
    return web.Response()


async def main() -> None:
    """Serve until the process is ended."""
    settings = RedisSettings(url=SecretStr(os.environ["BENCH_REDIS_URL"]))
    async with Link(settings) as link:
        gateway = Gateway(link, await link.call("SCRIPT", "LOAD", ACCEPT))
        app = web.Application()
        app.router.add_post("/v1/notifications", gateway.accept)
        app.router.add_post("/echo", gateway.echo)
        app.router.add_get("/readyz", ready)
        await web._run_app(app, host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), access_log=None, print=None)


if __name__ == "__main__":
    uvloop.run(main())
