"""What people see in kubectl: columns, short names, the category, explain, field selectors, the status subresource."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.cluster.api import Api, Object
from tests.cluster.conftest import Kubectl
from tests.contract.refusals import MINIMAL, manifest

from angarium.resources import Callback, CallbackStatus, Condition

ACME = {"productRef": None, "organizationRef": {"name": "acme"}}
STATUS: dict[str, Object] = {
    "Product": {"productID": "prd_01", "binding": {"name": "x-angarium"}},
    "Organization": {"organizationID": "org_01", "binding": {"name": "x-angarium"}},
    "Callback": {"callbackID": "cbk_01", "health": "CircuitOpen", "backlog": 4210, "url": "https://example.com/hooks"},
    "Provider": {"providerID": "prv_01", "type": "twilio", "channels": ["sms", "whatsapp"]},
    "Topic": {"topicID": "tpc_01", "rendered": 2},
    "Replay": {"replayID": "rpl_01", "matched": 40, "redriven": 38},
    "CallbackTest": {"testID": "cbt_01", "httpStatus": 200},
}
SPEC = MINIMAL | {"Product": {"displayName": "Web shop"}}


async def create(api: Api, kind: str, namespace: str, name: str = "x", **status: Any) -> Object:
    """An object with a status, written as the operator does it."""
    resource = manifest(kind, SPEC[kind], name=name, namespace=namespace)
    await api.create(resource)
    now = datetime.now(UTC)
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "All is well", "observedGeneration": 1}
    conditions = [ready | {"lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}]
    delivered = {"lastDeliveredTime": (now - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")}
    whole = STATUS[kind] | {"conditions": conditions} | (delivered if kind == "Callback" else {}) | status
    bare = {key: resource[key] for key in ("apiVersion", "kind", "metadata")}
    return await api.apply(bare | {"status": whole}, manager="operator", subresource="status")


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("Product", {"Name": "x", "Ready": "True", "ID": "prd_01", "Display name": "Web shop", "Age": None}),
        ("Organization", {"Name": "x", "Ready": "True", "Product": "shop", "ID": "org_01", "Age": None}),
        (
            "Callback",
            {
                "Name": "x",
                "Ready": "True",
                "Health": "CircuitOpen",
                "Backlog": 4210,
                "Last delivered": "120m",
                "URL": "https://example.com/hooks",
                "Age": None,
            },
        ),
        (
            "Provider",
            {
                "Name": "x",
                "Ready": "True",
                "Type": "twilio",
                "Channels": '["sms","whatsapp"]',
                "Product": "shop",
                "Authenticated": None,
                "Age": None,
            },
        ),
        (
            "Topic",
            {"Name": "x", "Ready": "True", "Path": "orders/paid", "Product": "shop", "Examples": 2, "Age": None},
        ),
    ],
)
async def test_columns(crds_installed: None, api: Api, namespace: str, kind: str, columns: dict[str, Any]) -> None:
    """In this order; Reason and Message of Ready with -o wide."""
    await create(api, kind, namespace)
    definitions, rows = await api.table(manifest(kind, None, namespace=namespace))
    narrow = {
        column["name"]: cell for column, cell in zip(definitions, rows[0], strict=True) if column["priority"] == 0
    }
    wide = {column["name"]: cell for column, cell in zip(definitions, rows[0], strict=True) if column["priority"] == 1}
    assert list(narrow) == list(columns)
    assert narrow | {"Age": None} == columns
    assert wide == {"Reason": "Ready", "Message": "All is well"}


async def test_before_the_first_status(crds_installed: None, api: Api, namespace: str) -> None:
    """An object that no operator has seen yet shows empty cells."""
    resource = manifest("Callback", MINIMAL["Callback"], namespace=namespace)
    await api.create(resource)
    _, rows = await api.table(resource)
    assert rows[0][:6] == ["x", None, None, None, None, None]


async def test_get_angarium_shows_all_kinds(crds_installed: None, api: Api, namespace: str, kubectl: Kubectl) -> None:
    """The category and the short names."""
    for kind in MINIMAL:
        await create(api, kind, namespace)
    shown = kubectl("get", "angarium", "-n", namespace)
    for kind in ("product", "organization", "callback", "provider", "topic", "replay", "callbacktest"):
        assert f"{kind}.angarium.dev/x " in shown
    for short in ("aprod", "aorg", "acb", "prov", "atop", "areplay", "acbt"):
        assert kubectl("get", short, "-n", namespace, "-o", "name").endswith("/x\n")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("callback", "A URL that hears of a Product's or an Organization's events, as signed webhooks."),
        ("callback.spec.events", "Names of events, or patterns: * is one segment, a final ** the rest."),
        ("product.spec.credentials.rotation.overlap", "How long the old key stays valid beside the new one."),
        (
            "callback.spec.delivery.maxInFlight",
            "Attempts under way at once, over all deliverers. What is beyond it waits",
        ),
        ("callback.spec.delivery.rateLimit.requests", "Attempts that may begin in each period."),
        ("callback.spec.delivery.autoDisable.after", "Default: the product's, else 120h."),
        (
            "product.spec.delivery.durability",
            "Replicated: replicas of it have confirmed it too, which takes longer; 503 where too few do in time.",
        ),
        ("provider.spec.smtp.caBundleKey", "Default: those that the whole world trusts."),
        ("topic.spec.variables", "What may be posted, by name; nothing else is taken."),
        ("topic.spec.integrations.template.html", "Of an e-mail; variables are escaped."),
        ("organization.spec.weight", "Its share beside the product's other tenants when there is more than fits."),
    ],
)
def test_explain(crds_installed: None, kubectl: Kubectl, path: str, text: str) -> None:
    """Descriptions of the models are the manual in the terminal."""
    assert text in " ".join(kubectl("explain", path).split())


@pytest.mark.parametrize(
    ("kind", "selector", "names"),
    [
        ("Organization", "spec.productRef.name=shop", ["x"]),
        ("Organization", "spec.productRef.name=other", []),
        ("Callback", "spec.productRef.name=shop", ["x"]),
        ("Callback", "spec.organizationRef.name=acme", ["of-acme"]),
        ("Callback", "status.health=CircuitOpen", ["x"]),
        ("Provider", "spec.productRef.name=shop", ["x"]),
        ("Provider", "status.type=twilio", ["x"]),
        ("Topic", "spec.path=orders/paid", ["x"]),
    ],
)
async def test_field_selectors(
    crds_installed: None, api: Api, namespace: str, kind: str, selector: str, names: list[str]
) -> None:
    """`kubectl get acb --field-selector status.health=CircuitOpen`."""
    await create(api, kind, namespace)
    if kind == "Callback":
        spec = {"organizationRef": {"name": "acme"}, "events": ["**"], "url": "https://example.com"}
        await api.create(manifest("Callback", spec, name="of-acme", namespace=namespace))
    found = await api.list_all(manifest(kind, None, namespace=namespace), fieldSelector=selector)
    assert [item["metadata"]["name"] for item in found] == names


async def test_status_is_written_apart_from_spec(crds_installed: None, api: Api, namespace: str) -> None:
    """A status makes no new generation, and a spec can't bring a status along."""
    resource = manifest("Product", None, namespace=namespace)
    created = await api.create(resource | {"status": {"productID": "prd_fake"}})
    assert created.get("status", {}).keys() <= {"observedGeneration"}
    assert (await api.patch(resource, {"status": {"productID": "prd_01"}}, subresource="status"))["metadata"][
        "generation"
    ] == 1


async def test_models_write_a_status_that_is_taken(crds_installed: None, api: Api, namespace: str) -> None:
    """Each field of the status goes through the server and comes back the same."""
    resource = manifest("Callback", MINIMAL["Callback"], namespace=namespace)
    await api.create(resource)
    now = datetime.now(UTC).replace(microsecond=0)
    credential = {"keyID": "7f3k", "sha256": "0" * 64, "state": "Retiring", "createdAt": now, "expiresAt": now}
    status = CallbackStatus.model_validate(
        {
            "conditions": [
                Condition(type="Ready", status="False", reason="Pending", message="m", last_transition_time=now)
            ],
            "observedGeneration": 1,
            "binding": {"name": "x-signing"},
            "credentials": [credential],
            "lastRotationRequest": "now",
            "callbackID": "cbk_01",
            "url": "https://example.com/hooks",
            "health": "Unknown",
            "backlog": 2**40,
            "lastDeliveredTime": now,
            "lastFailure": {"time": now, "reason": "http_503"},
            "autoDisableTime": now,
            "disabled": {"reason": "auto_disabled", "endpoint": "0cb801b20a81", "time": now, "failingSince": now},
        }
    )
    assert set(CallbackStatus.model_fields) == status.model_fields_set
    written = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    bare = {key: resource[key] for key in ("apiVersion", "kind", "metadata")}
    taken = await api.apply(bare | {"status": written}, manager="operator", subresource="status")
    assert taken["status"] == written
    assert Callback.model_validate(taken).status == status


async def test_crds_are_found_by_service_binding_tools(crds_installed: None, api: Api) -> None:
    """They look for the label, then read status.binding.name of each object."""
    definitions = await api.list_all(
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {}},
        labelSelector="servicebinding.io/provisioned-service=true",
    )
    assert {d["spec"]["names"]["kind"] for d in definitions} == {"Product", "Organization", "Callback"}
