"""GET /v1/notifications/{id}/why: why something was not delivered, what happens next, and what a person can do."""

from dataclasses import replace

from aiohttp import web

from angarium.identifiers import InvalidIdentifier
from angarium.notifications import Stored, is_group
from angarium_gateway import render
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import LEDGER
from angarium_gateway.directory import Caller
from angarium_gateway.handlers.reading import own
from angarium_gateway.why import judge, judge_unmatched, judge_whole, telling
from angarium_gateway.why.facts import Facts
from angarium_gateway.why.gathering import Gathering


async def why(request: web.Request, caller: Caller) -> Answer:
    """Of a notification that is the caller's."""
    try:
        found = await request.app[LEDGER].summaries([request.match_info["id"]])
    except InvalidIdentifier:
        found = []
    stored = own(found[0] if found else None, caller)
    gathering = Gathering(request.app, caller.tenant)
    around, callbacks = await gathering.around(stored.notification)
    facts = await gathering.facts(stored, around) if stored.deliveries else []
    findings = [judge(each) for each in facts]
    more = len(stored.deliveries) - len(facts)
    whole = judge_whole(findings, around, more) if facts else judge_unmatched(stored.notification.event, callbacks)
    document = telling.whole(_newest(stored, facts), whole)
    document["deliveries"] = [
        telling.delivery(each, finding, caller.tenant) for each, finding in zip(facts, findings, strict=True)
    ]
    document["more"] = more
    if any(is_group(each.delivery.target) for each in facts):
        recipients = await gathering.recipients(stored.notification, around)
        document["recipients"] = telling.recipients(recipients, caller.tenant)
    return render.json_response(document)


def _newest(stored: Stored, facts: list[Facts]) -> Stored:
    """As it stands by what was found of its deliveries."""
    known = {each.delivery.id: each.delivery for each in facts}
    return replace(stored, deliveries=tuple(known.get(each.id, each) for each in stored.deliveries))
