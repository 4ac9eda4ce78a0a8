"""Callback: a URL that hears of events."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from angarium.patterns import LONGEST, PATTERN, PATTERN_RULE, is_pattern
from angarium.resources.credentials import Rotation, secret_name_stays
from angarium.resources.delivery import CallbackDelivery
from angarium.resources.endpoints import HEADER_RULES, HeaderValue, ServiceRef, Url
from angarium.resources.meta import (
    ApiVersion,
    Identifier,
    OrganizationRef,
    ProductRef,
    Reason,
    Resource,
    SecretName,
    Status,
    Time,
)
from angarium.resources.rules import Distinct, Rule, SpecModel, StatusModel

_CANT_MOVE = "a callback can't move to another product; create a new one"
_STAYS = Rule(cel="self == oldSelf", message=_CANT_MOVE)
SOME_EVENTS = Rule(
    cel="self.size() > 0", message="at least one event or pattern is needed", check=lambda events: len(events) > 0
)

Health = Literal["Healthy", "Failing", "CircuitOpen", "Disabled", "Unknown"]
Pattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST),
    Rule(cel=f"self.matches(r'{PATTERN}')", message=PATTERN_RULE, check=is_pattern),
]


class Signing(SpecModel):
    """How requests are signed (Standard Webhooks), so that the receiver knows who sent them."""

    type: Literal["HMAC", "Ed25519"] = Field(
        default="HMAC", description="HMAC: a shared secret. Ed25519: the receiver needs the public key only."
    )
    secret_name: SecretName | None = Field(
        default=None, description="Secret to write the signing key to. Default: <name>-signing. Can't change."
    )
    rotation: Rotation = Field(default_factory=Rotation, description="When the signing key is replaced.")


class CallbackSpec(SpecModel):
    """What is asked for."""

    rules = (
        Rule(
            cel="has(self.productRef) != has(self.organizationRef)",
            message="exactly one of productRef, organizationRef must be set",
            check=lambda spec: (spec.product_ref is None) != (spec.organization_ref is None),
        ),
        Rule(
            cel="has(self.url) != has(self.serviceRef)",
            message="exactly one of url, serviceRef must be set",
            check=lambda spec: (spec.url is None) != (spec.service_ref is None),
        ),
        Rule(cel="has(self.productRef) == has(oldSelf.productRef)", message=_CANT_MOVE, at=".productRef"),
        secret_name_stays("signing"),
    )

    product_ref: Annotated[ProductRef, _STAYS] | None = Field(
        default=None, description="The Product whose events it hears. Can't change."
    )
    organization_ref: Annotated[OrganizationRef, _STAYS] | None = Field(
        default=None, description="The Organization whose events it hears, instead of a Product. Can't change."
    )
    events: Annotated[tuple[Pattern, ...], Field(max_length=32), SOME_EVENTS, Distinct()] = Field(
        description="Names of events, or patterns: * is one segment, a final ** the rest."
    )
    url: Url | None = Field(default=None, description="http(s) URL to POST to.")
    service_ref: ServiceRef | None = Field(
        default=None, description="A Service of this namespace to POST to, instead of a url."
    )
    signing: Signing = Field(default_factory=Signing, description="How requests are signed.")
    headers: Annotated[dict[str, HeaderValue], Field(max_length=16), *HEADER_RULES] = Field(
        default={}, description="Headers sent with each request. Not for secrets."
    )
    delivery: CallbackDelivery = Field(
        default_factory=CallbackDelivery, description="What differs from the product's delivery."
    )
    suspend: bool = Field(
        default=False,
        strict=True,
        description="Send nothing for now; what waits keeps its attempts and goes on afterwards.",
    )


class Failure(StatusModel):
    """The last failed attempt."""

    time: Time = Field(description="When it failed.")
    reason: Reason = Field(description="Why.")


class Disabled(StatusModel):
    """That nothing is sent to an endpoint any more: kept here, so that it holds whatever becomes of Redis."""

    reason: Literal["gone", "auto_disabled"] = Field(
        description="gone: the receiver answered 410. auto_disabled: there was nothing but failure for too long."
    )
    endpoint: Identifier = Field(
        description="Names the endpoint by its url and the annotation angarium.dev/enable-requested-at:"
        " another one is not disabled."
    )
    time: Time = Field(description="Since when.")
    failing_since: Time | None = Field(default=None, description="When the first of the failures was.")


class CallbackStatus(Status):
    """What the operator reports."""

    callback_id: Identifier | None = Field(
        default=None, alias="callbackID", description="Stable identifier, made from metadata.uid."
    )
    url: Annotated[str, StringConstraints(max_length=2048)] | None = Field(
        default=None, description="The URL in use, be it from url or from serviceRef."
    )
    health: Health | None = Field(
        default=None,
        description="How the endpoint answers. CircuitOpen: most attempts fail, so only a probe is sent now and then."
        " Disabled: it is gone, or was given up.",
    )
    backlog: Annotated[int, Field(ge=0)] | None = Field(default=None, description="Deliveries that wait for it.")
    last_delivered_time: Time | None = Field(default=None, description="When it last took a notification.")
    last_failure: Failure | None = Field(default=None, description="The last failed attempt.")
    auto_disable_time: Time | None = Field(
        default=None,
        description="When it is given up if it goes on failing; told once half of the time has passed.",
    )
    disabled: Disabled | None = Field(default=None, description="Why nothing is sent to it any more.")


class Callback(Resource):
    """A URL that hears of a Product's or an Organization's events, as signed webhooks."""

    api_version: ApiVersion = "angarium.dev/v1alpha1"
    kind: Literal["Callback"] = "Callback"
    spec: CallbackSpec = Field(description="What is asked for.")
    status: CallbackStatus = Field(default_factory=CallbackStatus, description="What the operator reports.")
