"""/openapi.json, /docs and /console with what they load: made once, served from memory."""

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from angarium_gateway import console, docs, openapi
from angarium_gateway.answers import Answer


def add_pages(app: web.Application) -> None:
    """Their routes."""
    document = openapi.document()
    html = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": docs.POLICY}
    app.router.add_get("/openapi.json", _page(orjson.dumps(document), {"Content-Type": "application/json"}))
    app.router.add_get("/docs", _page(docs.page(document), html | {"Referrer-Policy": "no-referrer"}))
    app.router.add_get("/docs.css", _page(docs.stylesheet(), {"Content-Type": "text/css; charset=utf-8"}))
    _add_console(app)


def _add_console(app: web.Application) -> None:
    parts = console.parts()
    guarded = {"Content-Security-Policy": console.POLICY, "Referrer-Policy": "no-referrer"}
    for name, (kind, body) in parts.items():
        path = "/console" if name == console.PAGE else f"/static/console/{name}"
        # Asked for anew each time: scripts of two versions don't belong on one page.
        fixed = {"Content-Type": kind, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
        app.router.add_get(path, _page(body, guarded | fixed))


def _page(body: bytes, headers: dict[str, str]) -> Handler:
    async def handler(_: web.Request) -> Answer:
        return Answer(200, body, {"Cache-Control": "public, max-age=300"} | headers)

    return handler
