"""The way of most requests: a small POST of a notification, read by aiohttp's parser and by nothing else of its.

Whatever else comes takes the long way, by aiohttp's router to the same functions; test_gateway_short_ways.py proves
that both say the same.
"""

import time

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage

from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import SETTINGS, STOP, TRACING, VITALS
from angarium_gateway.bodies import read_late, whole
from angarium_gateway.edge import ACCEPTS, admit, failed, finish, request_id
from angarium_gateway.handlers.accept import SEND, accept_body

JSON = {"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"}
LONGEST = 32 * 1024  # bytes of a body


def is_short(app: web.Application, message: RawRequestMessage) -> bool:
    """Whether `accept` can answer it."""
    if message.path != "/v1/notifications" or message.method != "POST":
        return False
    headers = message.headers
    if message.should_close or message.compression or message.upgrade or message.version != HttpVersion11:
        return False
    if "Expect" in headers or headers.get("Content-Type") not in JSON or app[STOP].is_set():
        return False
    length = headers.get("Content-Length", "")
    return length.isdecimal() and int(length) <= LONGEST


async def accept(app: web.Application, message: RawRequestMessage, payload: StreamReader) -> Answer:
    """Its answer, good or bad; all of it has been read then, unless the answer closes the connection."""
    began = time.perf_counter()
    name, fields, tracing = request_id(message.headers), None, app[TRACING]
    span = tracing.begin(message.headers) if tracing else None
    try:
        body = whole(payload) if payload.is_eof() else await read_late(payload, app[SETTINGS].gateway_body_timeout)
        caller, fields = admit(app, message.headers, SEND)
        vitals = app[VITALS]
        vitals.require_storage()
        vitals.require_room()
        answer = await accept_body(app, caller, message.headers, body)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a problem and the log the rest
        answer = failed(error, ACCEPTS, name)
    finish(app, ACCEPTS, name, answer, fields, began)
    if tracing and span:
        tracing.end(span, ACCEPTS, answer.status)
    return answer
