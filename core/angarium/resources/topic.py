"""Topic: what services post as a few variables, and what each integration makes of them."""

import re
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from angarium.resources.credentials import secret_name_stays
from angarium.resources.meta import (
    ATOMIC,
    ApiVersion,
    Identifier,
    Label,
    ObjectName,
    ProductRef,
    Report,
    Resource,
    SecretName,
)
from angarium.resources.rules import Rule, SpecModel, StatusModel
from angarium.resources.templates import Anything, Template

DEFAULT_SEGMENTS = 3
_SEGMENT = "[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
_PATH = f"^{_SEGMENT}/{_SEGMENT}$"
_RESERVED = "^((angarium|message|notification)/.*|.*/(retry|timeline))$"  # events and paths of our own
_VARIABLE = "^[A-Za-z_][A-Za-z0-9_]{0,63}$"
ChannelName = Literal["email", "sms", "whatsapp", "push", "slack", "telegram"]
Summary = Annotated[str, StringConstraints(max_length=256)]

Path = Annotated[
    str,
    StringConstraints(max_length=127),
    Rule(
        cel=f"self.matches('{_PATH}')",
        message="must be channel/topic: two names of letters, digits, - and _, 63 characters each at most",
        check=lambda text: re.fullmatch(_PATH, text) is not None and "\n" not in text,
    ),
    Rule(
        cel=f"!self.matches('{_RESERVED}')",
        message="must not begin with angarium/, message/ or notification/, nor end with /retry or /timeline",
        check=lambda text: re.fullmatch(_RESERVED, text) is None,
    ),
]
_STAYS = Rule(cel="self == oldSelf", message="a topic can't move to another product; create a new one")


class ProviderRef(SpecModel):
    """Names a Provider of the same product."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: ObjectName = Field(description="Name of the Provider.")
    namespace: Label | None = Field(default=None, description="Its namespace. Default: this one.")


class CallbackRef(SpecModel):
    """Names a Callback of the same product."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: ObjectName = Field(description="Name of the Callback.")
    namespace: Label | None = Field(default=None, description="Its namespace. Default: this one.")


class Variable(SpecModel):
    """What may be posted under a name."""

    type: Literal["string", "integer", "number", "boolean"] = Field(
        default="string", description="What it must be; a number is put in as it was written."
    )
    required: bool = Field(
        default=True,
        strict=True,
        description="Whether it must be posted; one with a default need not be. Left out, it is the empty text.",
    )
    max_length: int | None = Field(
        default=None, strict=True, ge=1, le=65_536, description="Characters at most. Default: no limit."
    )
    enum: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=256)], ...], Field(max_length=64)
    ] = Field(default=(), description="What it may be, as texts. Default: anything.")
    default: Annotated[str, StringConstraints(max_length=4096)] | None = Field(
        default=None, description="The text that stands for it where it is left out."
    )
    description: Annotated[str, StringConstraints(max_length=1024)] | None = Field(
        default=None, description="For people."
    )

    @property
    def needed(self) -> bool:
        """Whether a post without it is refused."""
        return self.required and self.default is None


class Integration(SpecModel):
    """One of those that hear of the topic."""

    rules = (
        Rule(
            cel="has(self.providerRef) != has(self.callbackRef)",
            message="exactly one of providerRef, callbackRef must be set",
            check=lambda one: (one.provider_ref is None) != (one.callback_ref is None),
        ),
        Rule(
            cel="!has(self.providerRef) || (has(self.to) && self.to.size() > 0 && has(self.template))",
            message="to and template must be set with providerRef",
            check=lambda one: one.provider_ref is None or (bool(one.to) and one.template is not None),
        ),
        Rule(
            cel="!has(self.callbackRef) || (!has(self.to) && !has(self.template) && !has(self.channel)"
            " && !has(self.maxSegments))",
            message="only name goes with callbackRef: a callback gets the variables themselves",
            check=lambda one: one.callback_ref is None or _alone(one),
        ),
    )

    name: Label = Field(description="Names it in the answer to a post.")
    provider_ref: ProviderRef | None = Field(default=None, description="The Provider that carries it, and no other.")
    callback_ref: CallbackRef | None = Field(default=None, description="The Callback that hears of it, instead.")
    channel: ChannelName | None = Field(
        default=None, description="By which of the provider's channels. Default: the only one that it carries."
    )
    to: (
        Annotated[tuple[Annotated[str, StringConstraints(min_length=1, max_length=4096)], ...], Field(max_length=50)]
        | None
    ) = Field(default=None, description="Recipients: addresses of the channel, in which $variables may stand.")
    template: Template | None = Field(default=None, description="What they get.")
    max_segments: int | None = Field(
        default=None, strict=True, ge=1, le=10, description="Segments that an SMS may take. Default: 3."
    )


def _alone(one: Integration) -> bool:
    return one.to is None and one.template is None and one.channel is None and one.max_segments is None


class Example(SpecModel):
    """Variables to render all templates with when the topic is applied."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=63)] = Field(description="Names it in conditions.")
    metadata: Anything = Field(default_factory=dict, description="As it would be posted.")


class TopicHash(SpecModel):
    """What must be sent beside the credentials."""

    required: bool = Field(
        default=True, strict=True, description="Whether a post must have it in the header X-Topic-Hash-X."
    )
    secret_name: SecretName | None = Field(
        default=None,
        description="Secret to write it to, as topic-hash. Default: <name>-topic-hash. Can't change.",
    )


class TopicSpec(SpecModel):
    """What is asked for."""

    rules = (
        Rule(
            cel="(has(self.examples) && self.examples.size() > 0) || !has(self.variables)"
            " || self.variables.all(name, has(self.variables[name].default) || !self.variables[name].required)",
            message="at least one example is needed, since a variable is required",
            check=lambda spec: bool(spec.examples) or not any(each.needed for each in spec.variables.values()),
            at=".examples",
        ),
        secret_name_stays("topicHash"),
    )

    product_ref: Annotated[ProductRef, _STAYS] = Field(
        description="The Product whose services post to it, and those of its Organizations. Can't change."
    )
    path: Path = Field(description="Where it is posted to, channel/topic: /v1/notifications/<path>.")
    integrations: Annotated[
        tuple[Integration, ...],
        Field(max_length=16),
        Rule(
            cel="self.size() > 0",
            message="at least one integration is needed",
            check=lambda integrations: len(integrations) > 0,
        ),
        Rule(
            cel="self.all(one, self.exists_one(other, other.name == one.name))",
            message="each needs a name of its own",
            check=lambda integrations: len({each.name for each in integrations}) == len(integrations),
        ),
    ] = Field(description="Who hears of what is posted.")
    variables: Annotated[
        dict[str, Variable],
        Field(max_length=32),
        Rule(
            cel=f"self.all(name, name.matches('{_VARIABLE}'))",
            message="names are letters, digits and _, not a digit first, 64 characters at most",
            check=lambda variables: all(re.fullmatch(_VARIABLE, name) for name in variables),
        ),
    ] = Field(default={}, description="What may be posted, by name; nothing else is taken.")
    examples: Annotated[tuple[Example, ...], Field(max_length=8)] = Field(
        default=(), description="What is rendered when it is applied; one that fails is told by Accepted."
    )
    topic_hash: TopicHash | None = Field(
        default=None, description="A secret that posts must have beside their credentials. Default: none."
    )
    suspend: bool = Field(default=False, strict=True, description="Refuse what is posted for now.")

    @property
    def hash_required(self) -> bool:
        """Whether there is a topic hash."""
        return self.topic_hash is not None and self.topic_hash.required


class RenderedIntegration(StatusModel):
    """What an integration makes of an example."""

    name: Identifier = Field(description="The integration.")
    summary: Summary = Field(description="Its channel, how large it is, and its beginning.")


class RenderedExample(StatusModel):
    """An example as it was rendered."""

    name: Identifier = Field(description="The example.")
    integrations: Annotated[tuple[RenderedIntegration, ...], Field(max_length=16)] = Field(
        default=(), description="What each integration makes of it."
    )


class TopicStatus(Report):
    """What the operator reports."""

    topic_id: Identifier | None = Field(
        default=None, alias="topicID", description="Stable identifier, made from metadata.uid."
    )
    secret_name: SecretName | None = Field(default=None, description="The Secret that holds the topic hash.")
    rendered: Annotated[int, Field(ge=0)] | None = Field(default=None, description="How many examples were rendered.")
    examples: Annotated[tuple[RenderedExample, ...], Field(max_length=8)] = Field(
        default=(), description="The examples as they were rendered, in short."
    )


class Topic(Resource):
    """What services post to one path as a few variables; messages and callbacks are made of them."""

    api_version: ApiVersion = "angarium.dev/v1alpha1"
    kind: Literal["Topic"] = "Topic"
    spec: TopicSpec = Field(description="What is asked for.")
    status: TopicStatus = Field(default_factory=TopicStatus, description="What the operator reports.")
