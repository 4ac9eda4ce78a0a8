"""What the kinds share: metadata, names, references, conditions, the state of credentials."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.config import JsonDict

from angarium.resources.rules import Model, Rule, SpecModel, StatusModel

GROUP = "angarium.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
ROTATE = "angarium.dev/rotate-requested-at"
ENABLE = "angarium.dev/enable-requested-at"
LONGEST_REQUEST = 253
ApiVersion = Literal["angarium.dev/v1alpha1"]
ATOMIC: JsonDict = {"x-kubernetes-map-type": "atomic"}

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}([.]{_LABEL})*"


def later_added(schema: JsonDict) -> None:
    """`json_schema_extra` of a spec's field that an earlier version didn't have: its default is the models' alone.

    In the CRD it would be written into every object as soon as that is upgraded, and operators of the earlier version,
    which are replaced only after that, would refuse them all.
    """
    schema.pop("default", None)


def _name(pattern: str, characters: str) -> Rule:
    compiled = re.compile(pattern)
    return Rule(
        cel=f"self.matches('^{pattern}$')",
        message=f"must be a name: lower case letters, digits, {characters}, with a letter or digit at either end",
        check=lambda text: compiled.fullmatch(text) is not None,
    )


Label = Annotated[str, StringConstraints(max_length=63), _name(_LABEL, "-")]
ObjectName = Annotated[str, StringConstraints(max_length=63), _name(_SUBDOMAIN, "- or .")]
SecretName = Annotated[str, StringConstraints(max_length=253), _name(_SUBDOMAIN, "- or .")]
DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Identifier = Annotated[str, StringConstraints(max_length=64)]
Reason = Annotated[str, StringConstraints(max_length=1024)]
Request = Annotated[str, StringConstraints(max_length=LONGEST_REQUEST)]


def _request(annotation: str | None) -> str | None:
    return annotation[:LONGEST_REQUEST] if annotation else None


def _rfc3339(time: datetime) -> str:
    """To the second, as metav1.Time is."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[AwareDatetime, PlainSerializer(_rfc3339, return_type=str, when_used="json-unless-none")]


class ObjectMeta(StatusModel):
    """The part of Kubernetes' ObjectMeta that Angarium reads."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None


class Resource(Model):
    """An object as the API server or a manifest gives it."""

    model_config = ConfigDict(extra="forbid")

    rules = (
        Rule(
            cel="self.metadata.name.size() <= 63",
            message="metadata.name: 63 characters at most",
            check=lambda resource: len(resource.metadata.name) <= 63,
        ),
    )

    metadata: ObjectMeta

    @property
    def rotation_request(self) -> str | None:
        """What asks for new keys, cut to what the status can hold: each new text asks once."""
        return _request(self.metadata.annotations.get(ROTATE))

    @property
    def enable_request(self) -> str | None:
        """What asks to enable a callback again after 410 Gone."""
        return _request(self.metadata.annotations.get(ENABLE))


class ProductRef(SpecModel):
    """Names a Product."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: ObjectName = Field(description="Name of the Product.")
    namespace: Label | None = Field(
        default=None,
        description="Namespace of the Product, which must admit this one in spec.allowedNamespaces. Default: this one.",
    )


class OrganizationRef(SpecModel):
    """Names an Organization of the same namespace."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: ObjectName = Field(description="Name of the Organization, in this namespace.")


class SecretRef(SpecModel):
    """Names a Secret of the same namespace."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: SecretName = Field(description="Name of the Secret, in this namespace.")


class Condition(StatusModel):
    """A condition as all of Kubernetes writes them (metav1.Condition)."""

    type: Annotated[str, StringConstraints(max_length=316)] = Field(description="Kind of condition, in CamelCase.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Annotated[str, StringConstraints(max_length=1024)] = Field(description="Why, in one CamelCase word.")
    message: Annotated[str, StringConstraints(max_length=32768)] = Field(
        default="", description="Why, in words that say what to do."
    )
    last_transition_time: Time = Field(description="When the status last changed.")
    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation this was judged from."
    )


class Binding(StatusModel):
    """What the Service Binding specification calls a provisioned service."""

    name: SecretName = Field(description="Name of the Secret with the credentials, in this namespace.")


class Credential(StatusModel):
    """A key that is valid now: enough to recognize it, not to make it."""

    key_id: Identifier = Field(alias="keyID", description="Public name of the key.")
    sha256: Annotated[str, StringConstraints(max_length=64)] = Field(description="SHA-256 of the key, in hex.")
    state: Literal["Active", "Retiring"] = Field(description="Active, or Retiring: valid until expiresAt.")
    created_at: Time = Field(description="When it was made.")
    expires_at: Time | None = Field(default=None, description="When it stops being valid.")
    public_key: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="Of an API key: the Ed25519 key that its tokens are checked with, in base64url."
    )


class Report(StatusModel):
    """What the operator reports of each kind."""

    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = Field(
        default=(),
        description="Ready is True when the live gateways and deliverers use this very spec; where it isn't, Stalled"
        " tells that a person must act, Reconciling that waiting may help.",
    )
    observed_generation: int | None = Field(
        default=None,
        ge=-1,
        description="The metadata.generation that this status speaks of; -1 until the operator has looked.",
    )


class Status(Report):
    """What it reports of kinds that it makes keys for."""

    binding: Binding | None = Field(default=None, description="The Secret with the credentials.")
    credentials: Annotated[
        tuple[Credential, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["keyID"]},
        ),
    ] = Field(default=(), description="The keys that are valid now.")
    last_rotation_request: Request | None = Field(
        default=None, description="The last answered value of the annotation angarium.dev/rotate-requested-at."
    )
