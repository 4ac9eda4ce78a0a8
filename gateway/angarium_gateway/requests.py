"""What callers may ask, as pydantic models: they validate, and they are the request half of the OpenAPI document."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from angarium.contents import CONTENTS, Content, write_by_channel
from angarium.identifiers import parse_delivery_id
from angarium.notifications import Priority, Status
from angarium.patterns import LONGEST, NAME, RESERVED, validate_event
from angarium.resources import CallbackDelivery, Rotation
from angarium.resources.callback import SOME_EVENTS, Pattern
from angarium.resources.endpoints import HEADER_RULES, HeaderValue, Url
from angarium.resources.meta import ObjectName
from angarium.resources.rules import Distinct
from angarium_gateway.addresses import normalize, normalize_name
from angarium_gateway.bodies import pointer, split
from angarium_gateway.clock import now_ms, parse_instant
from angarium_gateway.problems import INVALID, Problem, invalid

AHEAD_MS = 90 * 86_400_000  # how far ahead deliverAt may be
MOST_ERRORS = 16
MOST_RECIPIENTS = 1000
EXPECTED_TIME = "must be a time with an offset, like 2026-11-21T08:00:00Z"


def _instant(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError(EXPECTED_TIME)  # noqa: TRY004 - pydantic takes a ValueError for the caller's fault
    return max(1, parse_instant(value))  # ids begin with milliseconds since 1970


def _within_reach(ms: int) -> int:
    if ms > now_ms() + AHEAD_MS:
        raise ValueError("must be within 90 days from now")
    return ms


def _theirs(event: str) -> str:
    if validate_event(event).partition(".")[0] == RESERVED:
        raise ValueError("events that begin with notification are told by Angarium, of what became of yours")
    return event


def _delivery(text: str) -> str:
    parse_delivery_id(text)
    return text


Instant = Annotated[int, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
EventName = Annotated[
    str, AfterValidator(validate_event), WithJsonSchema({"type": "string", "pattern": NAME, "maxLength": LONGEST})
]
_RECIPIENT = [
    {"type": "string"},
    *[
        {"type": "object", "properties": {kind: {"type": "string"}}, "required": [kind], "additionalProperties": False}
        for kind in ("user", "group")
    ],
]
_SEVERAL = {"type": "array", "items": {"anyOf": _RECIPIENT}, "minItems": 1, "maxItems": MOST_RECIPIENTS}
Recipients = Annotated[
    list[Any],
    Field(min_length=1, max_length=MOST_RECIPIENTS),
    BeforeValidator(lambda given: [given] if isinstance(given, str | dict) else given),
    WithJsonSchema({"anyOf": [*_RECIPIENT, _SEVERAL]}),
]
Channel = Literal["email", "sms", "whatsapp", "push", "slack", "telegram", "apprise"]
DeliveryId = Annotated[str, AfterValidator(_delivery), Field(max_length=64)]


class Request(BaseModel):
    """Names are camelCase outside; what is unknown is refused, since it may be a typing error that matters."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class NotificationRequest(Request):
    """A notification to be delivered to the callbacks that subscribe to its event."""

    event: Annotated[EventName, AfterValidator(_theirs)] = Field(
        description="Name of what happened: segments of letters, digits, - and _, joined by dots; the first is not"
        " `notification`."
    )
    data: Any = Field(description="Any JSON value; receivers get it exactly as it was sent.")
    priority: Priority = Field(default=Priority.NORMAL, description="Which lane it waits in.")
    deliver_at: Annotated[Instant, AfterValidator(_within_reach)] | None = Field(
        default=None, description="Not before this time; at most 90 days ahead. What is past means now."
    )
    expires_at: Instant | None = Field(
        default=None, description="What has not been sent by then is refused (`expired`). Later than deliverAt."
    )


class MessageRequest(Request):
    """A message for recipients, who are reached by a channel that the product has a provider for."""

    channel: Channel | None = Field(default=None, description="By which way; with `content`.")
    to: Recipients = Field(
        description=f"Up to {MOST_RECIPIENTS:,} addresses of that channel, users (by id, key, phone or email) and"
        " groups (by name). Who is named twice gets it once."
    )
    content: dict[str, Any] | None = Field(
        default=None, description="What they get; its shape depends on the channel. Either this or `contents`."
    )
    contents: Annotated[dict[Channel, dict[str, Any]], Field(min_length=1)] | None = Field(
        default=None,
        description="What users and members of groups get, by channel: each is reached by the first that they prefer,"
        " have an address for, and the product a provider.",
    )
    dedup_key: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None,
        description="Of all messages with the same key a recipient gets one in 24 hours; others are refused"
        " (`duplicate`).",
    )
    priority: Priority = Field(default=Priority.NORMAL, description="Which lane it waits in.")
    deliver_at: Annotated[Instant, AfterValidator(_within_reach)] | None = Field(
        default=None, description="Not before this time; at most 90 days ahead. What is past means now."
    )
    expires_at: Instant | None = Field(
        default=None, description="What has not been sent by then is refused (`expired`). Later than deliverAt."
    )


class Recipient(NamedTuple):
    """Who is to hear: `channel` is empty for a user and a group, `pointer` says where in the body it is named."""

    kind: Literal["address", "user", "group"]
    value: str
    pointer: str
    channel: str = ""


class TopicRequest(Request):
    """What is posted to a topic."""

    metadata: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="The topic's variables by name; nothing but those that it declares."
    )
    priority: Priority = Field(default=Priority.NORMAL, description="Which lane it waits in.")
    deliver_at: Annotated[Instant, AfterValidator(_within_reach)] | None = Field(
        default=None, description="Not before this time; at most 90 days ahead. What is past means now."
    )
    expires_at: Instant | None = Field(
        default=None, description="What has not been sent by then is refused (`expired`). Later than deliverAt."
    )


class Asked(NamedTuple):
    """What is wanted; times in ms, 0 where none was asked for. `to` and `channels` are of a message only."""

    event: str
    priority: Priority
    due_ms: int
    data: bytes
    expires_ms: int = 0
    to: tuple[Recipient, ...] = ()
    channels: tuple[str, ...] = ()
    dedup: str = ""


def read_notification(raw: bytes) -> Asked:
    """The body of a notification; raises a Problem with a pointer for each member that is wrong."""
    return read_usual(raw) or read_any(raw)


_MESSAGE = {"channel", "contents", "to"}  # without data, it is no event
_WHITE = b" \t\r\n"
_BLANKS = rb"[ \t\r\n]*"
_PRIORITY = _BLANKS.join([rb'"priority"', rb":", rb'"(?P<priority>high|normal|low)"'])
_EVENT = _BLANKS.join(
    [rb'"event"', rb":", rb'"(?P<event>(?!%b[."])%b)"' % (RESERVED.encode(), NAME.strip("^$").encode())]
)
_HEAD = re.compile(_BLANKS.join([rb"", rb"\{", _EVENT, rb",", rb"(?:" + _PRIORITY, rb",", rb')?"data"', rb":", rb""]))
_TAIL = re.compile(_BLANKS.join([rb"", rb",", _PRIORITY, rb"\Z"]))
_LONGEST_TAIL = 64
_PRIORITIES = {None: Priority.NORMAL} | {priority.value.encode(): priority for priority in Priority}


def read_usual(raw: bytes) -> Asked | None:
    """What `read_any` says of `event`, `data` and maybe `priority`, at half the price; None of any other shape.

    Where the object begins and ends as expected, and what lies between is one JSON value, that value is `data`.
    """
    head, inner = _HEAD.match(raw), raw.rstrip(_WHITE)
    if head is None or len(head["event"]) > LONGEST or not inner.endswith(b"}"):
        return None
    data, priority = inner[head.end() : -1].rstrip(_WHITE), head["priority"]
    if data.endswith(b'"') and priority is None and (tail := _TAIL.search(data, max(0, len(data) - _LONGEST_TAIL))):
        data, priority = data[: tail.start()], tail["priority"]
    try:
        values = orjson.loads(b"[%b]" % data)  # in a list it lies as deep as in the object
    except orjson.JSONDecodeError:
        return None
    return Asked(head["event"].decode(), _PRIORITIES[priority], 0, data) if len(values) == 1 else None


def read_any(raw: bytes) -> Asked:
    """Any body."""
    members, data = split(raw)
    if data is None and not _MESSAGE.isdisjoint(members):
        return _message(read_members(MessageRequest, members), alone=isinstance(members.get("to"), str | dict))
    if data is not None:
        members["data"] = None
    asked = read_members(NotificationRequest, members)
    return Asked(asked.event, asked.priority, asked.deliver_at or 0, data or b"null", expiry(asked))


def expiry(asked: NotificationRequest | MessageRequest | TopicRequest) -> int:
    """When it expires; raises a Problem where that is before it could be sent."""
    if asked.expires_at is None:
        return 0
    if asked.expires_at <= max(now_ms(), asked.deliver_at or 0):
        raise invalid("/expiresAt", "must be later than now, and than deliverAt")
    return asked.expires_at


def _message(asked: MessageRequest, *, alone: bool) -> Asked:
    contents = _contents(asked)
    recipients, errors = [], []
    for number, given in enumerate(asked.to):
        place = pointer("to") if alone else pointer("to", number)
        try:
            recipients.append(_recipient(asked.channel or "", given, place))
        except ValueError as error:
            errors.append({"pointer": place, "detail": str(error)})
    if errors:
        raise Problem(INVALID, errors=errors[:MOST_ERRORS])
    channels = tuple(contents)
    event = f"message.{channels[0]}" if len(channels) == 1 else "message"
    body = write_by_channel(contents)
    return Asked(
        event, asked.priority, asked.deliver_at or 0, body, expiry(asked), tuple(recipients), channels,
        asked.dedup_key or "",
    )  # fmt: skip


def _contents(asked: MessageRequest) -> dict[str, Content]:
    """What is to be said, by channel."""
    if asked.contents is not None:
        if asked.channel is not None or asked.content is not None:
            raise invalid("/contents", "can't go with channel and content, which are for one channel alone")
        return {
            channel: read_members(CONTENTS[channel], content, "contents", channel)
            for channel, content in asked.contents.items()
        }
    if asked.channel is None or asked.content is None:
        raise invalid("/content" if asked.channel else "/channel", "is required, unless contents are given")
    return {asked.channel: read_members(CONTENTS[asked.channel], asked.content, "content")}


def _recipient(channel: str, given: Any, place: str) -> Recipient:
    match given:
        case str() if not channel:
            raise ValueError("an address needs channel and content; contents are for users and groups")
        case str():
            return Recipient("address", normalize(channel, given), place, channel)
        case {"user": str(name)} if len(given) == 1:
            return Recipient("user", name, place)
        case {"group": str(name)} if len(given) == 1:
            return Recipient("group", normalize_name(name), place)
        case _:
            raise ValueError('must be an address, {"user": "…"} or {"group": "…"}')


Events = Annotated[tuple[Pattern, ...], Field(max_length=32), SOME_EVENTS, Distinct()]
EVENTS = "Names of events, or patterns: * is one segment, a final ** the rest."
URL = "http(s) URL to POST to; private addresses are refused."
HEADERS = "Headers sent with each request. Not for secrets."
SUSPEND = "Send nothing for now; what waits keeps its attempts and goes on afterwards."


class SigningRequest(Request):
    """How requests are signed (Standard Webhooks)."""

    type: Literal["HMAC", "Ed25519"] = Field(
        default="HMAC", description="HMAC: a shared secret. Ed25519: the receiver needs the public key only."
    )
    rotation: Rotation | None = Field(default=None, description="When the signing key is replaced.")


class CallbackRequest(Request):
    """A callback to make. Its fields mean what they mean in the resource Callback."""

    name: ObjectName = Field(description="Its name, unique in the namespace of its product or organization.")
    events: Events = Field(description=EVENTS)
    url: Url = Field(description=URL)
    signing: SigningRequest | None = Field(default=None, description="How requests are signed.")
    headers: Annotated[dict[str, HeaderValue], Field(max_length=16), *HEADER_RULES] | None = Field(
        default=None, description=HEADERS
    )
    delivery: CallbackDelivery | None = Field(default=None, description="What differs from the product's delivery.")
    suspend: bool = Field(default=False, strict=True, description=SUSPEND)


class CallbackChange(Request):
    """What to change, as a JSON merge patch (RFC 7386): null takes a member back to its default."""

    events: Events = Field(default=(), description=EVENTS)
    url: Url = Field(default="", description=URL)
    signing: SigningRequest | None = Field(default=None, description="How requests are signed.")
    headers: Annotated[dict[str, HeaderValue | None], Field(max_length=16), *HEADER_RULES] | None = Field(
        default=None, description=HEADERS
    )
    delivery: CallbackDelivery | None = Field(default=None, description="What differs from the product's delivery.")
    suspend: Annotated[bool, Field(strict=True)] | None = Field(default=None, description=SUSPEND)


class TestRequest(Request):
    """What a test-send carries."""

    __test__ = False  # not one of pytest's

    data: Any = Field(default=None, description='Any JSON value. Default: {"test": true}.')


class RetryRequest(Request):
    """Which deliveries to try again."""

    deliveries: Annotated[list[DeliveryId], Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="Ids of deliveries. Default: all that were refused."
    )


class ListQuery(Request):
    """A page of the list, and what narrows it; a cursor belongs to the filters it was given with."""

    limit: int = Field(default=20, ge=1, le=100, description="How many at most.")
    cursor: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="`cursor` of the page before."
    )
    status: Status | None = Field(default=None, description="Only those with this status.")
    event: EventName | None = Field(default=None, description="Only those of this event.")
    callback: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="Only those for this callback: its name, `namespace/name` or id."
    )
    since: Instant | None = Field(default=None, description="Only those accepted at this time or later.")
    until: Instant | None = Field(default=None, description="Only those accepted before this time.")


class WaitQuery(Request):
    """Whether to wait."""

    wait: float = Field(
        default=0.0,
        ge=0,
        le=30,
        description="Seconds to wait for the notification to end, if it is still pending; with If-None-Match, for it to"
        " be anything else than the caller knows. Then it is answered as it stands.",
    )


class RecipientsQuery(Request):
    """A page of a group's recipients, and what narrows it."""

    limit: int = Field(default=100, ge=1, le=1000, description="How many at most; a page may have fewer, or none.")
    cursor: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="`cursor` of the page before."
    )
    status: Literal[Status.PENDING, Status.DELIVERED, Status.REFUSED] | None = Field(
        default=None, description="Only those with this status."
    )


class CallbacksQuery(Request):
    """A page of callbacks, by name."""

    limit: int = Field(default=100, ge=1, le=1000, description="How many at most.")
    cursor: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="`cursor` of the page before."
    )


class NoQuery(Request):
    """No parameters."""


R = TypeVar("R", bound=BaseModel)


def read_members(model: type[R], members: Mapping[str, Any], *below: str) -> R:
    """The members of a body, or of what is `below` it, as a model; raises a Problem that points at each wrong one."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)[:MOST_ERRORS]
        errors = [{"pointer": pointer(*below, *_place(each)), "detail": _words(each)} for each in found]
        raise Problem(INVALID, errors=errors) from None


def read_query(model: type[R], query: Mapping[str, str]) -> R:
    """A query string as a model; raises a Problem that names each parameter that is wrong."""
    try:
        return model.model_validate(dict(query))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)[:MOST_ERRORS]
        errors = [{"parameter": str(_place(each)[0])[:64], "detail": _words(each)} for each in found]
        raise Problem(INVALID, errors=errors) from None


def _place(error: ErrorDetails) -> tuple[str | int, ...]:
    return tuple(part for part in error["loc"] if not str(part).startswith(("function-", "[key]")))


def _words(error: ErrorDetails) -> str:
    match error["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is not a known name here"
        case _:
            text = error["msg"].removeprefix("Value error, ")
            return text[:1].lower() + text[1:]
