"""Product: a service that sends notifications, with its API key, quotas and defaults."""

from typing import Literal

from pydantic import Field

from angarium.resources.credentials import Credentials, Quotas, secret_name_stays
from angarium.resources.delivery import ProductDelivery
from angarium.resources.issuers import Jwt
from angarium.resources.meta import ApiVersion, DisplayName, Identifier, Resource, Status, later_added
from angarium.resources.rules import SpecModel
from angarium.resources.selectors import AllowedNamespaces


class ProductApi(SpecModel):
    """What callers with its API key, or with that of one of its Organizations, may do beyond sending."""

    callbacks: Literal["Allowed", "Forbidden"] = Field(
        default="Allowed",
        description="Whether they may make Callbacks through the API, and change and delete those made so.",
    )


class ProductSpec(SpecModel):
    """What is asked for."""

    rules = (secret_name_stays("credentials"),)

    display_name: DisplayName | None = Field(default=None, description="Name for people.")
    credentials: Credentials = Field(default_factory=Credentials, description="The API key and its Secret.")
    quotas: Quotas = Field(default_factory=Quotas, description="Limits beyond which the gateway answers 429.")
    delivery: ProductDelivery = Field(
        default_factory=ProductDelivery, description="What its callbacks follow unless they say otherwise."
    )
    jwt: Jwt | None = Field(
        default=None,
        description="An OpenID Connect provider whose tokens speak for this Product. Default: only tokens of its own.",
    )
    api: ProductApi = Field(default_factory=ProductApi, description="What its callers may do beyond sending.")
    allowed_namespaces: AllowedNamespaces = Field(
        default_factory=AllowedNamespaces,
        description="Namespaces whose Organizations and Callbacks may refer to this Product. Default: its own.",
    )
    suspend: bool = Field(
        default=False,
        strict=True,
        json_schema_extra=later_added,
        description="Take and send nothing for now, for it and its Organizations: posts get 409, what waits goes on"
        " afterwards with its attempts.",
    )


class ProductStatus(Status):
    """What the operator reports."""

    product_id: Identifier | None = Field(
        default=None, alias="productID", description="Stable identifier, made from metadata.uid."
    )


class Product(Resource):
    """A service that sends notifications: its API key, quotas and defaults for its callbacks."""

    api_version: ApiVersion = "angarium.dev/v1alpha1"
    kind: Literal["Product"] = "Product"
    spec: ProductSpec = Field(default_factory=ProductSpec, description="What is asked for; may be left out.")
    status: ProductStatus = Field(default_factory=ProductStatus, description="What the operator reports.")
