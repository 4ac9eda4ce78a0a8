"""/openapi.json, /docs and its stylesheet: made once, served from memory."""

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from angarium_gateway import docs, openapi
from angarium_gateway.answers import Answer


def add_pages(app: web.Application) -> None:
    """Their routes."""
    document = openapi.document()
    html = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": docs.POLICY}
    app.router.add_get("/openapi.json", _page(orjson.dumps(document), {"Content-Type": "application/json"}))
    app.router.add_get("/docs", _page(docs.page(document), html | {"Referrer-Policy": "no-referrer"}))
    app.router.add_get("/docs.css", _page(docs.stylesheet(), {"Content-Type": "text/css; charset=utf-8"}))


def _page(body: bytes, headers: dict[str, str]) -> Handler:
    async def handler(_: web.Request) -> Answer:
        return Answer(200, body, headers | {"Cache-Control": "public, max-age=300"})

    return handler
