"""What callers may ask, as pydantic models: they validate, and they are the request half of the OpenAPI document."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from angarium.contents import CONTENTS, write_contents
from angarium.identifiers import parse_delivery_id
from angarium.notifications import Priority, Status
from angarium.patterns import LONGEST, NAME, validate_event
from angarium_gateway.addresses import normalize
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


def _delivery(text: str) -> str:
    parse_delivery_id(text)
    return text


Instant = Annotated[int, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
EventName = Annotated[
    str, AfterValidator(validate_event), WithJsonSchema({"type": "string", "pattern": NAME, "maxLength": LONGEST})
]
Recipients = Annotated[
    list[str],
    Field(min_length=1, max_length=MOST_RECIPIENTS),
    BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_RECIPIENTS},
            ]
        }
    ),
]
Channel = Literal["email", "sms", "whatsapp", "push", "slack", "telegram"]
DeliveryId = Annotated[str, AfterValidator(_delivery), Field(max_length=64)]


class Request(BaseModel):
    """Names are camelCase outside; what is unknown is refused, since it may be a typing error that matters."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class NotificationRequest(Request):
    """A notification to be delivered to the callbacks that subscribe to its event."""

    event: EventName = Field(description="Name of what happened: segments of letters, digits, - and _, joined by dots.")
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

    channel: Channel = Field(description="By which way.")
    to: Recipients = Field(
        description=f"An address of that channel, or up to {MOST_RECIPIENTS:,}. Who is named twice gets it once."
    )
    content: dict[str, Any] = Field(description="What they get; its shape depends on the channel.")
    priority: Priority = Field(default=Priority.NORMAL, description="Which lane it waits in.")
    deliver_at: Annotated[Instant, AfterValidator(_within_reach)] | None = Field(
        default=None, description="Not before this time; at most 90 days ahead. What is past means now."
    )
    expires_at: Instant | None = Field(
        default=None, description="What has not been sent by then is refused (`expired`). Later than deliverAt."
    )


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
    """What is wanted; times in ms, 0 where none was asked for. `recipients` and `content` are of a message only."""

    event: str
    priority: Priority
    due_ms: int
    data: bytes
    expires_ms: int = 0
    channel: str = ""
    recipients: tuple[str, ...] = ()


def read_notification(raw: bytes) -> Asked:
    """The body of a notification; raises a Problem with a pointer for each member that is wrong."""
    return read_usual(raw) or read_any(raw)


_WHITE = b" \t\r\n"
_BLANKS = rb"[ \t\r\n]*"
_PRIORITY = _BLANKS.join([rb'"priority"', rb":", rb'"(?P<priority>high|normal|low)"'])
_EVENT = _BLANKS.join([rb'"event"', rb":", rb'"(?P<event>%b)"' % NAME.strip("^$").encode()])
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
    if "channel" in members and data is None:
        return _message(read_members(MessageRequest, members), alone=isinstance(members.get("to"), str))
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
    recipients, errors = {}, []
    for number, text in enumerate(asked.to):
        try:
            recipients[normalize(asked.channel, text)] = True
        except ValueError as error:
            place = ("to",) if alone else ("to", number)
            errors.append({"pointer": pointer(*place), "detail": str(error)})
    if errors:
        raise Problem(INVALID, errors=errors[:MOST_ERRORS])
    body = write_contents([read_members(CONTENTS[asked.channel], asked.content, "content")])
    event = f"message.{asked.channel}"
    return Asked(event, asked.priority, asked.deliver_at or 0, body, expiry(asked), asked.channel, tuple(recipients))


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
    return tuple(part for part in error["loc"] if not str(part).startswith("function-"))


def _words(error: ErrorDetails) -> str:
    match error["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is not a known name here"
        case _:
            text = error["msg"].removeprefix("Value error, ")
            return text[:1].lower() + text[1:]
