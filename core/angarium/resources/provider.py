"""Provider: an account with somebody who carries messages."""

from typing import Annotated, Literal, assert_never

from pydantic import Field, StringConstraints

from angarium.resources.carriers import Apprise, Block, Fcm, Slack, Smtp, Telegram, Twilio
from angarium.resources.delivery import InFlight, RateLimit
from angarium.resources.durations import Delay, Timeout
from angarium.resources.meta import ApiVersion, Identifier, ProductRef, Report, Resource, SecretRef
from angarium.resources.rules import Rule, SpecModel

BLOCKS = ("smtp", "twilio", "fcm", "slack", "telegram", "apprise")
ProviderType = Literal["smtp", "twilio", "fcm", "slack", "telegram", "apprise"]
ChannelName = Annotated[str, StringConstraints(max_length=32)]

_STAYS = Rule(cel="self == oldSelf", message="a provider can't move to another product; create a new one")
_PRESENT = ", ".join(f"has(self.{block})" for block in BLOCKS)


class ProviderRetry(SpecModel):
    """When to try again."""

    schedule: Annotated[tuple[Delay, ...], Field(max_length=32)] | None = Field(
        default=None,
        description="Waits after the 1st, 2nd, ... failed attempt; an empty list means one attempt."
        " Default: the product's, else 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h. Up to 20% is added.",
    )


class ProviderSpec(SpecModel):
    """What is asked for."""

    rules = (
        Rule(
            cel=f"[{_PRESENT}].filter(each, each).size() == 1",
            message=f"exactly one of {', '.join(BLOCKS)} must be set",
            check=lambda spec: len(_blocks(spec)) == 1,
        ),
        Rule(
            cel="has(self.secretRef) || (has(self.smtp) && !has(self.smtp.caBundleKey))",
            message="secretRef must be set; only smtp without caBundleKey can do without",
            check=lambda spec: spec.secret_ref is not None or (spec.smtp is not None and not spec.smtp.ca_bundle_key),
        ),
    )

    product_ref: Annotated[ProductRef, _STAYS] = Field(
        description="The Product whose messages, and those of its Organizations, it carries. Can't change."
    )
    smtp: Smtp | None = Field(default=None, description="E-mail by a mail server.")
    twilio: Twilio | None = Field(default=None, description="SMS and WhatsApp by Twilio.")
    fcm: Fcm | None = Field(default=None, description="Push messages by Firebase Cloud Messaging.")
    slack: Slack | None = Field(default=None, description="Messages in Slack.")
    telegram: Telegram | None = Field(default=None, description="Messages in Telegram.")
    apprise: Apprise | None = Field(default=None, description="Everything else, by Apprise.")
    secret_ref: SecretRef | None = Field(
        default=None,
        description="The Secret of this namespace with the credentials. It is yours: it is read, and never written.",
    )
    priority: int = Field(
        default=0,
        strict=True,
        ge=-1000,
        le=1000,
        description="Of several providers for a channel the highest is tried first, and the next where that one fails.",
    )
    rate_limit: RateLimit | None = Field(
        default=None, description="How fast attempts may begin, over all deliverers. Default: as fast as they can."
    )
    max_in_flight: InFlight | None = Field(
        default=None,
        description="Attempts under way at once, over all deliverers. What is beyond it waits; no attempt is spent."
        " Default: the product's.",
    )
    timeout: Timeout | None = Field(default=None, description="How long an attempt may take. Default: the product's.")
    retry: ProviderRetry = Field(default_factory=ProviderRetry, description="When to try again.")
    suspend: bool = Field(
        default=False,
        strict=True,
        description="Send nothing by it for now; another provider of the channel takes its place if there is one.",
    )

    @property
    def type(self) -> ProviderType:
        """Which block is set."""
        return next(iter(_blocks(self)))

    @property
    def block(self) -> Block:
        """The block that is set."""
        return next(iter(_blocks(self).values()))

    @property
    def channels(self) -> tuple[str, ...]:
        """What it carries."""
        return channels(self.block)


def _blocks(spec: ProviderSpec) -> dict[ProviderType, Block]:
    """Those that are set, by name; exactly one in a spec that was validated."""
    found: dict[ProviderType, Block | None] = {
        "smtp": spec.smtp,
        "twilio": spec.twilio,
        "fcm": spec.fcm,
        "slack": spec.slack,
        "telegram": spec.telegram,
        "apprise": spec.apprise,
    }
    return {name: block for name, block in found.items() if block is not None}


def channels(block: Block) -> tuple[str, ...]:
    """The channels that an account serves."""
    match block:
        case Smtp():
            return ("email",)
        case Twilio(from_=number, messaging_service_sid=service, whatsapp_from=whatsapp):
            sms = ("sms",) if number or service else ()
            return (*sms, "whatsapp") if whatsapp or service else sms
        case Fcm():
            return ("push",)
        case Slack():
            return ("slack",)
        case Telegram():
            return ("telegram",)
        case Apprise():
            return ("apprise",)
        case other:
            assert_never(other)


class ProviderStatus(Report):
    """What the operator reports."""

    provider_id: Identifier | None = Field(
        default=None, alias="providerID", description="Stable identifier, made from metadata.uid."
    )
    type: ProviderType | None = Field(default=None, description="Which block of the spec is set.")
    channels: Annotated[tuple[ChannelName, ...], Field(max_length=8)] = Field(
        default=(), description="What it carries: email; sms, whatsapp; push; slack; telegram; apprise."
    )


class Provider(Resource):
    """An account with somebody who carries messages: a mail server, Twilio, Firebase, Slack, Telegram, Apprise."""

    api_version: ApiVersion = "angarium.dev/v1alpha1"
    kind: Literal["Provider"] = "Provider"
    spec: ProviderSpec = Field(description="What is asked for.")
    status: ProviderStatus = Field(default_factory=ProviderStatus, description="What the operator reports.")
