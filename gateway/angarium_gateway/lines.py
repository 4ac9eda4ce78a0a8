"""Answers that come line by line (NDJSON), while what they tell of is still being done."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
from aiohttp import web

from angarium_gateway.appkeys import FIELDS, NAME

log = logging.getLogger(__name__)
PATIENCE = 15.0  # s in which a caller must have read what came before
TYPE = "application/x-ndjson"


def wants_lines(request: web.Request) -> bool:
    """Whether the caller accepts NDJSON by name."""
    offered = [each.partition(";")[0].strip().lower() for each in request.headers.get("Accept", "").split(",")]
    return TYPE in offered


async def stream(
    request: web.Request, status: int, lines: AsyncIterator[dict[str, Any]], fields: Mapping[str, str]
) -> web.StreamResponse:
    """Send them as they come. When the caller goes, no more are asked for; an error cuts the answer short."""
    head = {"Content-Type": TYPE, "Cache-Control": "no-store", "X-Request-Id": request[NAME]}
    response = web.StreamResponse(status=status, headers=head | request.get(FIELDS, {}) | dict(fields))
    try:
        await response.prepare(request)
        async for line in lines:
            async with asyncio.timeout(PATIENCE):
                await response.write(orjson.dumps(line) + b"\n")
    except ConnectionError:
        log.debug("a caller has gone", extra={"request": request[NAME]})
    except TimeoutError:
        log.debug("a caller does not read its answer", extra={"request": request[NAME]})
        _cut_short(request)
    except Exception:
        log.exception("an answer was cut short", extra={"request": request[NAME]})
        _cut_short(request)
    return response


def _cut_short(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()
