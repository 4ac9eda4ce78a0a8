"""What was found, as callers see it; its shapes are in `responses`."""

from typing import Any

from angarium.notifications import Stored
from angarium.payload import instant
from angarium_gateway import render
from angarium_gateway.directory import Tenant
from angarium_gateway.why.facts import Facts, Finding
from angarium_gateway.why.gathering import Recipients
from angarium_gateway.why.judging import judge
from angarium_gateway.why.reasons import in_words
from angarium_gateway.why.whole import Whole

Document = dict[str, Any]


def whole(stored: Stored, found: Whole) -> Document:
    """The answer's head; `deliveries` and more follow."""
    notification = stored.notification
    document: Document = {
        "id": notification.id,
        "event": notification.event,
        "status": stored.status,
        "createdAt": instant(notification.created_ms),
        "because": found.because,
    }
    if found.notes:
        document["notes"] = found.notes
    return document | _then(found)


def delivery(facts: Facts, finding: Finding, tenant: Tenant) -> Document:
    """One delivery."""
    shown = facts.delivery
    document: Document = {
        "id": shown.id,
        **render.whom(shown.target, tenant),
        "status": shown.status,
        "attempts": shown.attempts,
        "state": finding.state,
        "because": finding.because,
    }
    if shown.reason and shown.reason != "sent":
        document["reason"] = shown.reason
    if shown.recipients:
        document["recipients"] = render.counts(shown.recipients)
    if facts.whereabouts.holder:
        document["deliverer"] = facts.whereabouts.holder
    return document | _then(finding)


def recipients(found: Recipients, tenant: Tenant) -> Document:
    """Of groups."""
    refused = [
        {"reason": reason, "count": count, "because": in_words(reason)} for reason, count in found.refused.items()
    ]
    document: Document = {"refused": refused, "more": found.more}
    if found.waiting:
        part = {"notification": found.waiting.notification.id}
        document["waiting"] = part | delivery(found.waiting, judge(found.waiting), tenant)
    return document


def _then(found: Whole | Finding) -> Document:
    document: Document = {}
    if found.next:
        document["next"] = {"what": found.next} | ({"at": instant(found.at_ms)} if found.at_ms else {})
    return document | {"do": found.do}
