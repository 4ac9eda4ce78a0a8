"""The custom resources: models that the CRDs are made from, and that operator and `angarium dev` read objects with.

`Product.model_validate(manifest)` refuses a spec that the API server would refuse, with the same words.
"""

from angarium.resources.callback import Callback, CallbackSpec, CallbackStatus, Disabled, Failure, Health, Signing
from angarium.resources.callbacktest import CallbackTest, CallbackTestSpec, CallbackTestStatus, Phases
from angarium.resources.carriers import Apprise, Block, Fcm, Slack, Smtp, Telegram, Twilio
from angarium.resources.credentials import Credentials, Quotas, Rotation
from angarium.resources.delivery import AutoDisable, CallbackDelivery, ProductDelivery, RateLimit, Retry
from angarium.resources.endpoints import ServiceRef
from angarium.resources.meta import (
    API_VERSION,
    GROUP,
    VERSION,
    Binding,
    Condition,
    Credential,
    ObjectMeta,
    OrganizationRef,
    ProductRef,
    Report,
    Resource,
    SecretRef,
    Status,
)
from angarium.resources.organization import Organization, OrganizationSpec, OrganizationStatus
from angarium.resources.problems import Problem, problems
from angarium.resources.product import Product, ProductApi, ProductSpec, ProductStatus
from angarium.resources.provider import Provider, ProviderSpec, ProviderStatus
from angarium.resources.replay import Replay, ReplaySelection, ReplaySpec, ReplayStatus
from angarium.resources.selectors import AllowedNamespaces, LabelSelector, Requirement
from angarium.resources.topic import Topic, TopicSpec, TopicStatus

KINDS = (Product, Organization, Callback, Provider, Topic, Replay, CallbackTest)

__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "VERSION",
    "AllowedNamespaces",
    "Apprise",
    "AutoDisable",
    "Binding",
    "Block",
    "Callback",
    "CallbackDelivery",
    "CallbackSpec",
    "CallbackStatus",
    "CallbackTest",
    "CallbackTestSpec",
    "CallbackTestStatus",
    "Condition",
    "Credential",
    "Credentials",
    "Disabled",
    "Failure",
    "Fcm",
    "Health",
    "LabelSelector",
    "ObjectMeta",
    "Organization",
    "OrganizationRef",
    "OrganizationSpec",
    "OrganizationStatus",
    "Phases",
    "Problem",
    "Product",
    "ProductApi",
    "ProductDelivery",
    "ProductRef",
    "ProductSpec",
    "ProductStatus",
    "Provider",
    "ProviderSpec",
    "ProviderStatus",
    "Quotas",
    "RateLimit",
    "Replay",
    "ReplaySelection",
    "ReplaySpec",
    "ReplayStatus",
    "Report",
    "Requirement",
    "Resource",
    "Retry",
    "Rotation",
    "SecretRef",
    "ServiceRef",
    "Signing",
    "Slack",
    "Smtp",
    "Status",
    "Telegram",
    "Topic",
    "TopicSpec",
    "TopicStatus",
    "Twilio",
    "problems",
]
