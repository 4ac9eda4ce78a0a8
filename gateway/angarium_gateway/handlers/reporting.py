"""POST /v1/providers/{id}/status: a carrier tells what became of a message. Twilio does.

It is no part of the API: the caller is a machine that proves itself by a signature, which only deliverers can check,
since only they hold the account's auth token. So here nothing is believed, and little is kept: reports that end
something, for deliveries that wait, whose ids nobody guesses.
"""

import re
import time
from urllib.parse import parse_qs

from aiohttp import web

from angarium.identifiers import InvalidIdentifier
from angarium.queue import Report
from angarium.records import ProviderRecord
from angarium_gateway.answers import Answer, NoContent
from angarium_gateway.appkeys import DIRECTORY, REPORTED, REPORTS, SETTINGS, TAIL, VITALS
from angarium_gateway.bodies import read_large
from angarium_gateway.problems import BAD_REQUEST, FULL, NOT_FOUND, RATE, UNCONFIGURED, Problem

LARGEST = 16 * 1024  # bytes; Twilio's have one or two thousand
LONGEST_QUERY = 512
MOST_A_SECOND = 500.0  # in each gateway, of all carriers
ENDS = frozenset({"delivered", "read", "failed", "undelivered", "canceled"})
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{20,88}={0,2}")


async def status(request: web.Request) -> Answer:
    """Keep it for a deliverer, or say why not. 5xx and 429 ask for it again, should the carrier do so."""
    provider, signature, query = _asked(request)
    if not request.app[REPORTED].take(time.monotonic()):
        raise Problem(RATE, "too many reports at once", headers={"Retry-After": "1"})
    body = await _form(request)
    if parse_qs(body).get("MessageStatus", [""])[0] not in ENDS:
        return NoContent()
    request.app[VITALS].require_storage()
    report = Report(
        delivery=request.query.get("delivery", ""), provider=provider.id, query=query, body=body, signature=signature
    )
    try:
        if await request.app[REPORTS].note(report) == "full":
            raise Problem(FULL, "too many reports wait", headers={"Retry-After": "10"})
    except InvalidIdentifier:
        raise Problem(NOT_FOUND, "there is no such delivery") from None
    return NoContent()


def _asked(request: web.Request) -> tuple[ProviderRecord, str, str]:
    """Whose report it may be, its signature, and the query as it was signed; raises a Problem."""
    if not request.app[TAIL].epoch:
        raise Problem(UNCONFIGURED, "the operator has not published any yet", headers={"Retry-After": "5"})
    provider = request.app[DIRECTORY].provider(request.match_info["id"])
    if provider is None or provider.type != "twilio":
        raise Problem(NOT_FOUND, "there is no provider of this id that reports")
    signature, query = request.headers.get("X-Twilio-Signature", ""), request.raw_path.partition("?")[2]
    if not _SIGNATURE.fullmatch(signature):
        raise Problem(BAD_REQUEST, "a report has one X-Twilio-Signature")
    if len(query) > LONGEST_QUERY or not query.isascii():
        raise Problem(BAD_REQUEST, "the query is too long, or not ASCII")
    return provider, signature, query


async def _form(request: web.Request) -> str:
    """The body as it came; raises a Problem."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Problem(BAD_REQUEST, "send Content-Type: application/x-www-form-urlencoded")
    raw = await read_large(request, request.app[SETTINGS].gateway_body_timeout, LARGEST)
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise Problem(BAD_REQUEST, "this is not form-urlencoded") from None
