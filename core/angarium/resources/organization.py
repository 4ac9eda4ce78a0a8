"""Organization: a customer of a product, with API key, quotas and share of its own."""

from typing import Annotated, Literal

from pydantic import Field

from angarium.resources.credentials import Credentials, Quotas, secret_name_stays
from angarium.resources.meta import ApiVersion, DisplayName, Identifier, ProductRef, Resource, Status, later_added
from angarium.resources.rules import Rule, SpecModel

_STAYS = Rule(cel="self == oldSelf", message="an organization can't move to another product; create a new one")


class OrganizationSpec(SpecModel):
    """What is asked for."""

    rules = (secret_name_stays("credentials"),)

    product_ref: Annotated[ProductRef, _STAYS] = Field(description="The Product it belongs to. Can't change.")
    display_name: DisplayName | None = Field(default=None, description="Name for people.")
    credentials: Credentials = Field(default_factory=Credentials, description="The API key and its Secret.")
    quotas: Quotas = Field(default_factory=Quotas, description="Limits beyond which the gateway answers 429.")
    weight: int = Field(
        default=1,
        strict=True,
        ge=1,
        le=100,
        description="Its share beside the product's other tenants when there is more than fits.",
    )
    suspend: bool = Field(
        default=False,
        strict=True,
        json_schema_extra=later_added,
        description="Take and send nothing for now: posts get 409, what waits goes on afterwards with its attempts.",
    )


class OrganizationStatus(Status):
    """What the operator reports."""

    organization_id: Identifier | None = Field(
        default=None, alias="organizationID", description="Stable identifier, made from metadata.uid."
    )


class Organization(Resource):
    """A customer of a Product: its own API key, quotas, callbacks and share."""

    api_version: ApiVersion = "angarium.dev/v1alpha1"
    kind: Literal["Organization"] = "Organization"
    spec: OrganizationSpec = Field(description="What is asked for.")
    status: OrganizationStatus = Field(default_factory=OrganizationStatus, description="What the operator reports.")
