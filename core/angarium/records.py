"""Config records: what the operator tells gateways and deliverers about each object, one JSON document each.

They hold SHA-256 hashes of API keys and sealed credentials, never a secret in the clear. A record that a pod can't read
is left out by that pod alone, with its last good one kept (angarium.config).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Record(BaseModel):
    """What all records share. `key` names the object; `revision` is given by the store when it is published."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # an older pod may read a newer operator's record

    namespace: str
    name: str
    revision: int = 0
    generation: int = 0

    @property
    def key(self) -> str:
        """`product/shop/shop`: kind, namespace, name; the field in the store."""
        return f"{self.kind}/{self.namespace}/{self.name}"  # type: ignore[attr-defined]  # each subclass has its kind


class KeyRecord(BaseModel):
    """An API key as the gateway knows it: enough to recognize it and the tokens beside it, not to make either."""

    model_config = ConfigDict(frozen=True)

    id: str
    sha256: str = Field(repr=False)
    expires_ms: int | None = None  # None: while it stands here
    public_key: str = Field(
        default="", pattern=r"^([A-Za-z0-9_-]{43})?$"
    )  # Ed25519, base64url: checks the tokens that are signed beside it, as long as it is valid


class IssuerRecord(BaseModel):
    """Who else may sign a product's tokens: an OpenID Connect provider."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    audience: str
    jwks_uri: str = ""  # empty: as the issuer's discovery document says


class ProductRecord(Record):
    """A tenant."""

    kind: Literal["product"] = "product"
    id: str
    keys: tuple[KeyRecord, ...] = ()
    requests_per_second: int | None = None
    backlog: int | None = None
    retention_s: int = 30 * 86400
    replicated: bool = False  # a 202 waits until a replica has it too
    jwt: IssuerRecord | None = None
    suspended: bool = False


class OrganizationRecord(Record):
    """A tenant within a product: its own keys, quotas and share."""

    kind: Literal["organization"] = "organization"
    id: str
    product_id: str
    product: str  # namespace/name
    keys: tuple[KeyRecord, ...] = ()
    requests_per_second: int | None = None
    backlog: int | None = None
    retention_s: int = 30 * 86400
    replicated: bool = False  # as its product's
    weight: int = 1
    suspended: bool = False  # or its product is


class CallbackRecord(Record):
    """A subscribed URL. `tenant` is the id of its organization, or else of its product."""

    kind: Literal["callback"] = "callback"
    id: str
    tenant: str
    product_id: str
    events: tuple[str, ...]
    url: str
    in_cluster: bool = False  # made from serviceRef: private addresses are meant
    sealed_signing_keys: str = Field(default="", repr=False)  # MultiFernet over a JSON list, the current key first
    headers: tuple[tuple[str, str], ...] = ()
    timeout_s: float = 15.0
    retry_schedule_s: tuple[float, ...] | None = None  # None: the default schedule
    non_retryable_statuses: tuple[int, ...] = ()
    max_in_flight: int = 100  # attempts at once, over all deliverers
    rate_requests: int | None = None  # attempts begun in any rate_period_s, over all deliverers; None: no limit
    rate_period_s: float = 1.0
    suspended: bool = False  # or its product or organization is
    endpoint: str = ""  # token of the url and of its last enabling: a 410 Gone counts for this token alone
    api_made: bool = False  # made through the API, which may change and delete it
    disabled: str = ""  # why (`gone`, `auto_disabled`): the gateway leaves it out, and what waits for it is refused


class ProviderRecord(Record):
    """An account with somebody who carries messages, for one product and all its organizations.

    `settings`: its block of the spec, by the names there. `sealed_credentials`: a JSON object of what its Secret holds.
    """

    kind: Literal["provider"] = "provider"
    id: str
    product_id: str
    type: str  # smtp, twilio, fcm, slack, telegram, apprise: a deliverer leaves out what it does not know
    channels: tuple[str, ...]  # that it carries: email; sms, whatsapp; push; slack; telegram
    settings: dict[str, Any] = Field(default_factory=dict)
    sealed_credentials: str = Field(default="", repr=False)
    priority: int = 0  # the highest is tried first, the next where that one fails
    timeout_s: float = 15.0
    retry_schedule_s: tuple[float, ...] | None = None
    max_in_flight: int = 100
    rate_requests: int | None = None
    rate_period_s: float = 1.0
    suspended: bool = False  # or its product is


class VariableRecord(BaseModel):
    """What may be put into a topic's templates; `enum` and `default` are texts, whatever the type."""

    model_config = ConfigDict(frozen=True)

    type: Literal["string", "integer", "number", "boolean"] = "string"
    required: bool = True
    max_length: int | None = None
    enum: tuple[str, ...] = ()
    default: str = ""


class IntegrationRecord(BaseModel):
    """One of those that hear of a topic: recipients by a provider, or a callback (then `channel` is empty)."""

    model_config = ConfigDict(frozen=True)

    name: str
    channel: str = ""
    provider: str = ""  # namespace/name
    callback: str = ""  # namespace/name
    callback_id: str = ""
    to: tuple[str, ...] = ()  # these and the template's texts hold $variables
    template: dict[str, Any] = Field(default_factory=dict)  # by the names of the channel's content
    max_segments: int = 3  # of an SMS


class TopicRecord(Record):
    """What may be posted to a product's `channel/topic`, and what is made of it."""

    kind: Literal["topic"] = "topic"
    id: str
    product_id: str
    path: str
    variables: dict[str, VariableRecord] = Field(default_factory=dict)
    integrations: tuple[IntegrationRecord, ...] = ()
    hash_sha256: str = Field(default="", repr=False)  # of what X-Topic-Hash-X must hold; empty: nothing is asked for
    suspended: bool = False


AnyRecord = ProductRecord | OrganizationRecord | CallbackRecord | ProviderRecord | TopicRecord
RECORD: TypeAdapter[AnyRecord] = TypeAdapter(Annotated[AnyRecord, Field(discriminator="kind")])
