"""What the API server fills in: static defaults beside what was written, and nothing that GitOps would fight over."""

import pytest
from tests.cluster.api import Api, Object
from tests.contract.refusals import MINIMAL, manifest

from angarium.resources import KINDS

MODELS = {model.__name__: model for model in KINDS}
SERVICE = {"url": None, "serviceRef": {"name": "warehouse", "port": 8080}}
FILLED_SERVICE = {"serviceRef": {"name": "warehouse", "port": 8080, "path": "/", "scheme": "http"}}


@pytest.mark.parametrize(
    ("kind", "written", "stored"),
    [
        ("Product", None, {}),
        ("Product", {}, {}),
        (
            "Product",
            {"credentials": {"rotation": {}}, "delivery": {}, "allowedNamespaces": {}, "quotas": {}},
            {
                "credentials": {"rotation": {"overlap": "24h"}},
                "delivery": {"timeout": "15s", "retention": "720h", "durability": "Standard", "maxInFlight": 100},
                "allowedNamespaces": {"from": "Same"},
                "quotas": {},
            },
        ),
        ("Organization", MINIMAL["Organization"], MINIMAL["Organization"] | {"weight": 1}),
        ("Callback", MINIMAL["Callback"], MINIMAL["Callback"] | {"suspend": False}),
        (
            "Callback",
            MINIMAL["Callback"]
            | SERVICE
            | {"signing": {}, "delivery": {"retry": {}, "rateLimit": {"requests": 5}, "autoDisable": {}}},
            {"productRef": {"name": "shop"}, "events": ["order.*"], "suspend": False}
            | FILLED_SERVICE
            | {"signing": {"type": "HMAC"}}
            | {"delivery": {"retry": {}, "rateLimit": {"requests": 5, "period": "1s"}, "autoDisable": {}}},
        ),
        (
            "Provider",
            MINIMAL["Provider"] | {"retry": {}},
            MINIMAL["Provider"]
            | {"retry": {}, "priority": 0, "suspend": False}
            | {"smtp": MINIMAL["Provider"]["smtp"] | {"port": 587, "tls": "StartTLS"}},
        ),
        (
            "Provider",
            MINIMAL["Provider"] | {"smtp": None, "twilio": {"from": "+15017122661"}},
            {name: MINIMAL["Provider"][name] for name in ("productRef", "secretRef")}
            | {"priority": 0, "suspend": False, "twilio": {"from": "+15017122661", "statusCallbacks": True}},
        ),
        (
            "Topic",
            MINIMAL["Topic"] | {"variables": {"note": {"default": "none"}}, "topicHash": {}},
            MINIMAL["Topic"]
            | {"variables": {"note": {"default": "none", "type": "string", "required": True}}}
            | {"topicHash": {"required": True}, "suspend": False},
        ),
    ],
)
async def test_defaults(
    crds_installed: None, api: Api, namespace: str, kind: str, written: Object | None, stored: Object
) -> None:
    """Exactly these; and the models read the written and the stored alike, so `angarium dev` has the same defaults."""
    resource = manifest(kind, written, namespace=namespace)
    given = await api.create(resource)
    assert given["spec"] == stored
    assert MODELS[kind].model_validate(given).spec == MODELS[kind].model_validate(resource).spec


@pytest.mark.parametrize("kind", MINIMAL)
async def test_applying_again_changes_nothing(crds_installed: None, api: Api, namespace: str, kind: str) -> None:
    """GitOps tools apply every few minutes: no new generation, no new resourceVersion."""
    resource = manifest(kind, MINIMAL[kind], namespace=namespace)
    await api.apply(resource)
    first = (await api.apply(resource))["metadata"]  # stores the default status, where no operator has written one yet
    again = (await api.apply(resource))["metadata"]
    assert (again["generation"], again["resourceVersion"]) == (1, first["resourceVersion"])
