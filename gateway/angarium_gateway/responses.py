"""What callers are answered, as pydantic models: the response half of the OpenAPI document.

Answers are built as plain dicts (`render`), because that is what costs least; tests hold them against these models.
"""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel

from angarium.notifications import Priority, Status
from angarium.resources import Health

DeliveryStatus = Literal["pending", "delivered", "refused"]


class Response(BaseModel):
    """Clients must accept members that they don't know."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", populate_by_name=True)


class ProblemError(Response):
    """One thing that is wrong."""

    detail: str = Field(description="What is wrong with it, and what to do.")
    pointer: str | None = Field(default=None, description="JSON Pointer (RFC 6901) into the body.")
    parameter: str | None = Field(default=None, description="Name of a parameter in the path or query.")


class ProblemDocument(Response):
    """An error (RFC 9457)."""

    model_config = ConfigDict(title="Problem", extra="allow")

    type: str = Field(description="URI that names the kind of problem.")
    title: str = Field(description="The kind in words; the same each time.")
    status: int = Field(description="The HTTP status.")
    detail: str | None = Field(default=None, description="This case in words.")
    errors: list[ProblemError] | None = Field(default=None, description="Each thing that is wrong with the request.")
    request_id: str = Field(description="Quote it when you ask for help; also in X-Request-Id.")


class AcceptedDelivery(Response):
    """A delivery as it begins."""

    id: str
    callback: str | None = Field(
        default=None, description="Name of the callback; `namespace/name` where it is in another namespace."
    )
    channel: str | None = Field(default=None, description="Of a recipient, instead of callback.")
    to: str | None = Field(default=None, description="The recipient's address.")
    group: str | None = Field(default=None, description="Name of a group, instead of callback; its members come later.")
    user: str | None = Field(default=None, description="Id of a user who can't be reached, instead of callback.")
    status: DeliveryStatus


class AcceptedNotification(Response):
    """A notification that is stored and will be delivered."""

    id: str
    status: Status = Field(description="`pending`, or `unmatched` when nobody subscribes to the event.")
    event: str
    created_at: AwareDatetime
    deliver_at: AwareDatetime | None = Field(default=None, description="Where delivery was asked for later.")
    deliveries: list[AcceptedDelivery]


class RecipientCounts(Response):
    """How many of a group's recipients are where."""

    total: int = Field(description="More may come while the group's delivery is `pending`.")
    pending: int
    delivered: int
    refused: int


class Posted(RootModel[dict[str, str | list[str]]]):
    """The id of each integration's delivery by its name; a list where it names several recipients."""


class DeliveryView(AcceptedDelivery):
    """A delivery as it stands."""

    status: Status = Field(
        description="`partial` and `unmatched` only of a group: some were refused; it had no members."
    )  # type: ignore[assignment]  # a group has more
    recipients: RecipientCounts | None = Field(default=None, description="Of a group.")
    attempts: int = Field(description="How many were begun.")
    reason: str | None = Field(default=None, description="Why the last attempt failed, as a stable word.")
    changed_at: AwareDatetime
    next_attempt_at: AwareDatetime | None = Field(default=None, description="When the next attempt is due.")


class NotificationSummary(Response):
    """A notification as it stands, without its data."""

    id: str
    status: Status
    event: str
    priority: Priority
    created_at: AwareDatetime
    deliver_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    dedup_key: str | None = None
    part_of: str | None = Field(
        default=None, description="The notification for a group that this one has some recipients of."
    )
    test: bool | None = Field(default=None, description="True for a test-send.")
    deliveries: list[DeliveryView]


class NotificationView(NotificationSummary):
    """A notification as it stands, with its data."""

    data: Any = Field(default=None, description="As it was sent.")
    content: dict[str, Any] | None = Field(default=None, description="Of a message for recipients, instead of data.")
    contents: dict[str, Any] | list[dict[str, Any]] | None = Field(
        default=None,
        description="The same by channel, where there are several. Of a post to a topic: what the recipients of its"
        " integrations get, in their order.",
    )


class RecipientView(DeliveryView):
    """One of a group's recipients."""

    notification: str = Field(description="Where its timeline is: the part of the notification that it is in.")


class RecipientPage(Response):
    """In the order of the groups and their members."""

    recipients: list[RecipientView]
    cursor: str | None = Field(description="For the next page, with the same status; null at the end.")


class NotificationPage(Response):
    """Newest first."""

    notifications: list[NotificationSummary]
    cursor: str | None = Field(description="For the next page, with the same filters; null at the end.")


class AttemptResponse(Response):
    """What the receiver answered, or the provider."""

    provider: str | None = Field(default=None, description="Name of the Provider that was used.")
    failed_over: list[str] | None = Field(default=None, description="Providers that failed before, and why.")
    receipt: str | None = Field(default=None, description="Whether notice of the arrival was asked for.")
    status: int | None = None
    body: str = Field(default="", description="Its beginning.")
    truncated: bool = False
    resent: bool = Field(
        default=False, description="A kept connection ended without an answer, so that the request was sent twice."
    )
    trace: dict[str, Any] | None = Field(
        default=None,
        description="Of a test: `host` and its `addresses`, the `address` that was dialled, the times that each part"
        " took, `signatures`, and the `deliverer`.",
    )


class TimelineEntry(Response):
    """One thing that happened; which members it has depends on its type."""

    model_config = ConfigDict(extra="allow")

    at: AwareDatetime
    type: str = Field(description="`accepted`, `attempt`, `redrive` and others to come.")
    by: str | None = Field(default=None, description="Who did it.")
    delivery: str | None = None
    callback: str | None = None
    channel: str | None = None
    to: str | None = None
    group: str | None = None
    user: str | None = None
    number: int | None = Field(default=None, description="Of the attempt, from 1.")
    outcome: str | None = Field(
        default=None, description="Of the attempt: `delivered`, `sent`, `retry`, `refused` or `dead`."
    )
    reason: str | None = Field(default=None, description="Why it failed, as a stable word.")
    detail: str | None = Field(default=None, description="Why it failed, in words.")
    duration_ms: int | None = None
    response: AttemptResponse | None = None
    next_attempt_at: AwareDatetime | None = None


class Timeline(Response):
    """Oldest first."""

    entries: list[TimelineEntry]


class Next(Response):
    """What happens by itself."""

    what: str
    at: AwareDatetime | None = Field(default=None, description="When, where that can be told.")


class WhyDelivery(Response):
    """Why a delivery is as it is."""

    id: str
    callback: str | None = None
    channel: str | None = None
    to: str | None = None
    group: str | None = None
    user: str | None = None
    status: Status
    attempts: int = Field(description="How many were begun.")
    state: str = Field(
        description="The cause as a stable word: `delivered`, `refused`, `dead`; `scheduled`, `retrying`, `ready`,"
        " `in_flight`, `sent`, `expanding`; `suspended`, `circuit_open`, `max_in_flight`, `rate_limited`,"
        " `provider_limited`, `no_provider`, `no_deliverer`, `deliverer_lost`, `callback_disabled`,"
        " `callback_deleted`, `config_pending`, `config_rejected`, `put_off`, `late`, `moving`; of groups"
        " `recipients_pending`, `recipients_refused`; and others to come."
    )
    because: str = Field(description="The cause in words.")
    reason: str | None = Field(default=None, description="Why the last attempt failed, as a stable word.")
    next: Next | None = Field(default=None, description="What happens by itself; left out where nothing does.")
    do: list[str] = Field(description="What a person can do.")
    deliverer: str | None = Field(default=None, description="The pod that is making an attempt.")
    recipients: RecipientCounts | None = Field(default=None, description="Of a group.")


class WhyRecipient(WhyDelivery):
    """One of a group's recipients."""

    notification: str = Field(description="The part of the notification that it is in.")


class WhyRefused(Response):
    """A reason that recipients of groups were refused for."""

    reason: str
    count: int
    because: str


class WhyRecipients(Response):
    """Of groups: not each recipient, but what stands for many."""

    refused: list[WhyRefused] = Field(description="Why the first hundred that were refused were.")
    more: bool = Field(description="Whether others were refused, too.")
    waiting: WhyRecipient | None = Field(default=None, description="The first that waits.")


class Why(Response):
    """Why a notification is as it is."""

    id: str
    event: str
    status: Status
    created_at: AwareDatetime
    because: str = Field(
        description="The cause in words; where there are several deliveries, how many are in which state."
    )
    next: Next | None = Field(default=None, description="The next thing that happens by itself.")
    do: list[str] = Field(description="What a person can do.")
    notes: list[str] | None = Field(default=None, description="What holds for all of it.")
    deliveries: list[WhyDelivery] = Field(description="A hundred at most, those that wait or were refused first.")
    more: int = Field(description="How many deliveries there are beyond.")
    recipients: WhyRecipients | None = Field(default=None, description="Where it is for groups.")


class RetriedDelivery(Response):
    """What became of the wish to try a delivery again."""

    id: str
    callback: str | None = None
    channel: str | None = None
    to: str | None = None
    group: str | None = None
    user: str | None = None
    result: Literal["redriven", "hastened", "in_flight", "delivered", "unknown"] = Field(
        description="`redriven`: it starts anew; `hastened`: it was scheduled and is due now; `in_flight`: it is being"
        " attempted; `delivered`: it had arrived."
    )


class Retried(Response):
    """What is tried again."""

    id: str
    deliveries: list[RetriedDelivery]
    recipients: int | None = Field(default=None, description="How many of groups' recipients are tried again.")


class RateLimitView(Response):
    """Attempts that may begin in a period."""

    requests: int
    period: str


class CallbackDeliveryView(Response):
    """How a callback is delivered to: its own choice, or its product's."""

    timeout: str
    max_in_flight: int
    rate_limit: RateLimitView | None = None


class CallbackView(Response):
    """A callback as the gateway knows it."""

    id: str
    name: str = Field(description="`namespace/name` where it is in another namespace.")
    events: list[str]
    url: str
    headers: dict[str, str]
    delivery: CallbackDeliveryView
    suspended: bool
    state: Literal["pending", "active", "suspended", "disabled"] = Field(
        description="`pending`: it was just made or changed, and no gateway works with it yet."
    )
    reason: str | None = Field(default=None, description="Why it is disabled.")
    managed_by: Literal["api", "gitops"] = Field(description="`api`: it was made here, and may be changed here.")
    health: Health | None = Field(
        default=None, description="How its endpoint answers; left out where that can't be told now."
    )


class MadeCallback(CallbackView):
    """A callback that was just made."""

    signing_secret: str = Field(description="Where the key is that its receiver verifies signatures with.")


class SigningSecret(Response):
    """What a receiver verifies signatures with (Standard Webhooks)."""

    type: Literal["HMAC", "Ed25519"]
    key: str = Field(description="`whsec_…`, to be kept secret; of Ed25519 the public key, `whpk_…`.")


class CallbackPage(Response):
    """By name."""

    callbacks: list[CallbackView]
    cursor: str | None = Field(description="For the next page; null at the end.")


class TestResult(Response):
    """How a test-send ended."""

    __test__ = False  # not one of pytest's

    notification: str
    outcome: Literal["delivered", "refused"]
    reason: str | None = None
    attempt: TimelineEntry | None = Field(default=None, description="The attempt, as the timeline shows it.")


class Key(Response):
    """The API key that was used."""

    id: str
    expires_at: AwareDatetime | None = Field(default=None, description="When it was replaced: how long it is valid.")


class QuotasView(Response):
    """Null means no limit."""

    requests_per_second: int | None
    backlog: int | None


class Me(Response):
    """Who the key or the token speaks for, and what it may do."""

    tenant: str
    product: str
    organization: str | None
    key: Key
    subject: str | None = Field(description="Whom a token was made for; null where an API key asks.")
    scopes: list[str] = Field(description="What it may do: send, read, admin.")
    quotas: QuotasView


class HealthView(Response):
    """Whether this gateway is well."""

    ok: bool
    failures: dict[str, str]
