"""Answers from what is stored; their shapes are in `responses`."""

import hashlib
from typing import Any

import orjson

from angarium.contents import channels_of
from angarium.identifiers import delivery_id, parse_delivery_id
from angarium.notifications import GROUP, NOBODY, Delivery, Notification, Recipients, Stored, Target
from angarium.payload import instant, opening
from angarium.topics import read_post
from angarium_gateway.answers import Answer, NotModified
from angarium_gateway.directory import Tenant

Document = dict[str, Any]
JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}


def json_response(document: Document, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """JSON, not to be cached."""
    return Answer(status, orjson.dumps(document), JSON | headers if headers else JSON)


def known_or_new(document: Document, known: str | None) -> Answer:
    """JSON with an ETag, or 304 where that is among the `known` (If-None-Match, RFC 9110, 13.1.2)."""
    body = orjson.dumps(document)
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    fields = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if known and (known.strip() == "*" or tag in [each.strip().removeprefix("W/") for each in known.split(",")]):
        return NotModified(fields)
    return Answer(200, body, JSON | fields)


def what(notification: Notification) -> Document:
    """What was posted: `data` as the very bytes that came, or the content of a message; of a post to a topic both."""
    body = notification.body
    if body.startswith(b'{"type":'):
        return {"data": payload_data(notification, body)}
    if body.startswith(b"["):
        made = read_post(body)
        return {"data": payload_data(notification, made.payload), "contents": made.contents}
    if len(channels_of(body)) > 1:
        return {"contents": orjson.Fragment(body)}
    [content] = orjson.loads(body).values()
    return {"content": content}


def whom(target: Target, tenant: Tenant) -> Document:
    """Who a delivery is for."""
    if target.name in {GROUP, NOBODY} and target.to:
        return {target.name: target.to}
    if target.to:
        return {"channel": target.name, "to": target.to}
    return {"callback": tenant.short(target.name)}


def payload_data(notification: Notification, body: bytes) -> orjson.Fragment:
    """The bytes of `data` again, from what callbacks get."""
    return orjson.Fragment(body[len(opening(notification.event, notification.created_ms)) : -1])


def accepted(notification: Notification, tenant: Tenant) -> Document:
    """A notification as it was accepted, whatever became of it since: a replay answers the same."""
    document: Document = {
        "id": notification.id,
        "status": "pending" if notification.targets else "unmatched",
        "event": notification.event,
        "createdAt": instant(notification.created_ms),
    }
    if notification.due_ms:
        document["deliverAt"] = instant(notification.due_ms)
    document["deliveries"] = [
        {"id": delivery_id(notification.id, index), **whom(target, tenant), "status": "pending"}
        for index, target in enumerate(notification.targets)
    ]
    return document


def summary(stored: Stored, tenant: Tenant) -> Document:
    """A notification as it stands."""
    notification = stored.notification
    document: Document = {
        "id": notification.id,
        "status": stored.status,
        "event": notification.event,
        "priority": notification.priority,
        "createdAt": instant(notification.created_ms),
    }
    if notification.due_ms:
        document["deliverAt"] = instant(notification.due_ms)
    if notification.expires_ms:
        document["expiresAt"] = instant(notification.expires_ms)
    if notification.test:
        document["test"] = True
    if notification.part_of:
        document["partOf"] = notification.part_of
    if notification.dedup:
        document["dedupKey"] = notification.dedup
    document["deliveries"] = [_delivery(delivery, tenant) for delivery in stored.deliveries]
    return document


def _delivery(delivery: Delivery, tenant: Tenant) -> Document:
    document: Document = {
        "id": delivery.id,
        **whom(delivery.target, tenant),
        "status": delivery.status,
        "attempts": delivery.attempts,
        "changedAt": instant(delivery.changed_ms),
    }
    if delivery.recipients:
        document["recipients"] = counts(delivery.recipients)
    if delivery.reason:
        document["reason"] = delivery.reason
    if delivery.due_ms:
        document["nextAttemptAt"] = instant(delivery.due_ms)
    return document


def counts(recipients: Recipients) -> Document:
    """How many of a group's recipients are where."""
    return {
        "total": recipients.total,
        "pending": recipients.pending,
        "delivered": recipients.delivered,
        "refused": recipients.refused + recipients.dead,
    }


def recipient(part: str, delivery: Delivery, tenant: Tenant) -> Document:
    """One of a group's recipients; `notification` is the part that it is in."""
    return {"notification": part} | _delivery(delivery, tenant)


def timeline_entry(entry: Document, notification: Notification, tenant: Tenant) -> Document:
    """An entry of Ledger.timeline as callers see it."""
    rest = {name: value for name, value in entry.items() if value not in ("", None)}
    at, due = rest.pop("at_ms"), rest.pop("next_ms")
    document = {"at": instant(at), "type": rest.pop("type", "unknown"), **rest}
    if "delivery" in document:
        target = notification.targets[parse_delivery_id(document["delivery"]).index]
        document |= whom(target, tenant)
    if due:
        document["nextAttemptAt"] = instant(due)
    return document
