"""POST /v1/notifications/{channel}/{topic}: a few variables in, what each integration sends out; one notification.

All of it is stored at once or not at all, under one Idempotency-Key; each integration has deliveries of its own in it.
"""

import hashlib
import hmac

from aiohttp import web

from angarium.identifiers import delivery_id, route_id
from angarium.notifications import Notification, Target
from angarium.payload import payload
from angarium.queue import Idempotency
from angarium.records import TopicRecord
from angarium.telemetry import metrics
from angarium.topics import FIRST, Positions, Rendered, read_post, write_post
from angarium_gateway import render
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import DIRECTORY, INTAKE, SETTINGS, TAIL, VITALS
from angarium_gateway.bodies import read_body, require_json
from angarium_gateway.clock import now_ms
from angarium_gateway.directory import Caller
from angarium_gateway.idempotency import idempotency
from angarium_gateway.posting import Post, read_post_request, rendered
from angarium_gateway.problems import NOT_FOUND, TOPIC_HASH, TOPIC_OWN, TOPIC_SUSPENDED, Problem, invalid
from angarium_gateway.storing import first_of, store

LARGEST_RENDERED = 1024 * 1024  # bytes of a post with what its integrations send
HEADER = "X-Topic-Hash-X"


async def post(request: web.Request, caller: Caller) -> Answer:
    """Answer 200 once Redis has it all."""
    app = request.app
    topic = _topic(request, caller)
    app[VITALS].require_room()
    require_json(request)
    body = await read_body(request, app[SETTINGS].gateway_body_timeout)
    asked_of = f"{topic.path}\n".encode()  # a key stands for this topic and this body
    once = idempotency(request.headers.get("Idempotency-Key"), asked_of + body)
    asked = read_post_request(body)
    notification = _compose(app, caller, topic, asked, rendered(topic, asked), once)
    return await _store(app, caller, notification, once)


def _topic(request: web.Request, caller: Caller) -> TopicRecord:
    """The one that the path names, if the caller may post to it; raises a Problem."""
    path = f"{request.match_info['channel']}/{request.match_info['topic']}"
    tenant = caller.tenant
    topic = request.app[DIRECTORY].topic(tenant.product_id, path)
    if topic is None:
        raise Problem(NOT_FOUND, f"product {tenant.product} has no topic of this path: apply one (kind Topic)")
    if topic.hash_sha256:
        given = hashlib.sha256(request.headers.get(HEADER, "").strip().encode(errors="replace")).hexdigest()
        if not hmac.compare_digest(given, topic.hash_sha256):
            raise Problem(TOPIC_HASH, f"send it as {HEADER}; the Topic's Secret holds it as topic-hash")
    if tenant.organization is not None and any(each.callback_id for each in topic.integrations):
        raise Problem(TOPIC_OWN, "it leads to a callback of the product, which hears of the product's own posts alone")
    if topic.suspended:
        raise Problem(TOPIC_SUSPENDED, "set spec.suspend of the Topic to false")
    return topic


def _compose(
    app: web.Application,
    caller: Caller,
    topic: TopicRecord,
    asked: Post,
    made: tuple[Rendered, ...],
    once: Idempotency | None,
) -> Notification:
    tenant, now = caller.tenant, now_ms()
    event = topic.path.replace("/", ".")
    targets, positions = _targets(tenant.id, made)
    contents = [each.content for each in made if each.content is not None]
    body = write_post(payload(event, now, asked.metadata), positions, contents)
    if len(body) > LARGEST_RENDERED:
        raise invalid("/metadata", f"makes {len(body):,} bytes of all integrations; {LARGEST_RENDERED:,} at most")
    return Notification(
        id=app[INTAKE].new_id(tenant.id, once, now),
        tenant=tenant.id,
        product=tenant.product,
        event=event,
        body=body,
        priority=asked.priority,
        created_ms=now,
        targets=targets,
        due_ms=asked.due_ms if asked.due_ms > now else 0,
        retention_s=tenant.retention_s,
        by=caller.label,
        expires_ms=asked.expires_ms,
        config_revision=app[TAIL].revision,
    )


def _targets(tenant: str, made: tuple[Rendered, ...]) -> tuple[tuple[Target, ...], Positions]:
    """Who gets it, and which of them are whose: a position, or a list where an integration names several recipients."""
    targets: list[Target] = []
    positions: Positions = {}
    content = FIRST
    for each in made:
        one, at = each.integration, len(targets)
        if each.content is None:
            positions[one.name] = at
            targets.append(Target(one.callback_id, one.callback))
            continue
        positions[one.name] = at if len(one.to) == 1 else [at + number for number in range(len(each.to))]
        route = route_id(tenant, one.channel, one.provider)
        targets += [Target(route, one.channel, to, content) for to in each.to]
        content += 1
    return tuple(targets), positions


async def _store(app: web.Application, caller: Caller, notification: Notification, once: Idempotency | None) -> Answer:
    stored = await store(app, caller.tenant, notification, once)
    if stored.replay:
        first = await first_of(app, caller.tenant, stored.id)  # whatever the topic is like now
        return _answer(first, {"Idempotency-Replay": "true"})
    metrics.ACCEPTED.labels(notification.product, str(notification.priority)).inc()
    return _answer(notification)


def _answer(notification: Notification, headers: dict[str, str] | None = None) -> Answer:
    ids = {
        name: delivery_id(notification.id, at)
        if isinstance(at, int)
        else [delivery_id(notification.id, each) for each in at]
        for name, at in read_post(notification.body).positions.items()
    }
    location = {"Location": f"/v1/notifications/{notification.id}"}
    return render.json_response(ids, 200, location | (headers or {}))
