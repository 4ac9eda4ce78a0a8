"""Each rule of the CRDs, with its field and its words, as the API server itself gives them."""

import json
from typing import Any

import pytest
from tests.cluster.api import Api, Object, Refused
from tests.contract.refusals import MINIMAL, REFUSALS, Refusal, manifest

CANT_MOVE = "a callback can't move to another product; create a new one"
SECRET_STAYS = "secretName can't change once set, since workloads mount that Secret; create a new object"
SERVICE = {"name": "warehouse", "port": 8080}
LONG_LIST = [f"e{number}" for number in range(33)]


async def refusal_of(api: Api, resource: Object) -> str:
    """The API server's message."""
    with pytest.raises(Refused) as caught:
        await api.create(resource, dry_run=True)  # nothing is left should it be taken
    return caught.value.message


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
async def test_rule_refuses_with_field_and_message(crds_installed: None, api: Api, refusal: Refusal) -> None:
    """One message, and no other beside it."""
    message = await refusal_of(api, manifest(refusal.kind, refusal.spec))
    start = f'{refusal.kind}.angarium.dev "x" is invalid: {refusal.field}: Invalid value: '
    assert message.startswith(start)
    assert message.endswith(refusal.message)
    assert message.count("Invalid value") == 1


async def test_long_name_is_refused(crds_installed: None, api: Api) -> None:
    """Names become label values, which hold 63 characters."""
    message = await refusal_of(api, manifest("Product", None, name="p" * 64))
    assert message.endswith(": metadata.name: 63 characters at most")
    await api.create(manifest("Product", None, name="p" * 63), dry_run=True)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("Product", {"displayName": "x" * 129}, "spec.displayName: Too long: may not be more than 128 bytes"),
        ("Product", {"displayName": ""}, "spec.displayName in body should be at least 1 chars long"),
        ("Product", {"quotas": {"requestsPerSecond": 0}}, "should be greater than or equal to 1"),
        ("Product", {"quotas": {"backlog": 0}}, "should be greater than or equal to 1"),
        ("Product", {"allowedNamespaces": {"from": "None"}}, 'supported values: "Same", "All", "Selector"'),
        ("Product", {"delivery": {"retry": {"schedule": ["1s"] * 33}}}, "must have at most 32 items"),
        ("Product", {"delivery": {"retry": {"nonRetryableStatuses": [299]}}}, "should be greater than or equal to 300"),
        ("Product", {"delivery": {"retry": {"nonRetryableStatuses": [600]}}}, "should be less than or equal to 599"),
        ("Product", {"delivery": {"retry": {"nonRetryableStatuses": [404, 404]}}}, "Duplicate value: 404"),
        ("Product", {"delivery": {"maxInFlight": 0}}, "should be greater than or equal to 1"),
        ("Product", {"delivery": {"durability": "Always"}}, 'supported values: "Standard", "Replicated"'),
        ("Organization", {"productRef": None}, "spec.productRef: Required value"),
        ("Organization", {"weight": 0}, "should be greater than or equal to 1"),
        ("Organization", {"weight": 101}, "should be less than or equal to 100"),
        ("Callback", {"events": None}, "spec.events: Required value"),
        ("Callback", {"events": LONG_LIST}, "spec.events: Too many: 33: must have at most 32 items"),
        ("Callback", {"events": ["order.*", "order.*"]}, 'spec.events[1]: Duplicate value: "order.*"'),
        ("Callback", {"events": ["e" * 129]}, "spec.events[0]: Too long: may not be more than 128 bytes"),
        ("Callback", {"url": f"https://example.com/{'x' * 2029}"}, "spec.url: Too long"),
        ("Callback", {"headers": dict.fromkeys(LONG_LIST[:17], "x")}, "must have at most 16"),
        ("Callback", {"headers": {"x-team": "x" * 1025}}, "Too long"),
        ("Callback", {"url": None, "serviceRef": SERVICE | {"port": 65536}}, "should be less than or equal to 65535"),
        ("Callback", {"url": None, "serviceRef": {"name": "warehouse"}}, "spec.serviceRef.port: Required value"),
        ("Callback", {"url": None, "serviceRef": SERVICE | {"scheme": "ftp"}}, 'supported values: "http", "https"'),
        ("Callback", {"signing": {"type": "RSA"}}, 'supported values: "HMAC", "Ed25519"'),
        ("Callback", {"delivery": {"maxInFlight": 0}}, "should be greater than or equal to 1"),
        ("Callback", {"delivery": {"maxInFlight": 1001}}, "should be less than or equal to 1000"),
        ("Callback", {"delivery": {"maxInFlight": "20"}}, "must be of type integer"),
        ("Callback", {"delivery": {"rateLimit": {}}}, "spec.delivery.rateLimit.requests: Required value"),
        ("Callback", {"delivery": {"rateLimit": {"requests": 0}}}, "should be greater than or equal to 1"),
        ("Callback", {"delivery": {"rateLimit": {"requests": 100_001}}}, "should be less than or equal to 100000"),
        ("Callback", {"delivery": {"autoDisable": {"enabled": "no"}}}, "must be of type boolean"),
        ("Callback", {"delivery": {"durability": "Standard"}}, 'unknown field "spec.delivery.durability"'),
        ("Callback", {"suspend": "yes"}, "must be of type boolean"),
        ("Provider", {"productRef": None}, "spec.productRef: Required value"),
        ("Provider", {"priority": 1001}, "should be less than or equal to 1000"),
        ("Provider", {"priority": -1001}, "should be greater than or equal to -1000"),
        ("Provider", {"smtp": {"host": "a"}}, "spec.smtp.from: Required value"),
        ("Provider", {"smtp": {"host": "a", "from": "a@b", "port": 0}}, "should be greater than or equal to 1"),
        ("Provider", {"smtp": {"host": "a", "from": "a@b", "tls": "SSL"}}, 'supported values: "StartTLS", "Implicit"'),
        ("Provider", {"smtp": None, "apprise": {}}, "spec.apprise.schemas: Required value"),
        (
            "Provider",
            {"smtp": None, "apprise": {"schemas": ["a", "a"]}},
            'spec.apprise.schemas[1]: Duplicate value: "a"',
        ),
        ("Provider", {"retry": {"nonRetryableStatuses": [404]}}, 'unknown field "spec.retry.nonRetryableStatuses"'),
        ("Topic", {"path": None}, "spec.path: Required value"),
        ("Topic", {"integrations": None}, "spec.integrations: Required value"),
        ("Topic", {"variables": {"x": {"type": "date", "required": False}}}, 'supported values: "string", "integer"'),
        ("Topic", {"variables": {f"x{n}": {"required": False} for n in range(33)}}, "must have at most 32"),
        ("Topic", {"examples": [{"metadata": {}}]}, "spec.examples[0].name: Required value"),
        ("Callback", {"colour": "red"}, 'strict decoding error: unknown field "spec.colour"'),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else None,
)
async def test_bounds_are_kept(crds_installed: None, api: Api, kind: str, change: Object, message: str) -> None:
    """Bounds of lists, strings and numbers, and unknown fields, in the API server's own words."""
    assert message in await refusal_of(api, manifest(kind, Refusal(kind, change, "", "").spec))


@pytest.mark.parametrize(
    ("kind", "before", "after", "field", "message"),
    [
        (
            "Organization",
            {},
            {"productRef": {"name": "other"}},
            "spec.productRef",
            "an organization can't move to another product; create a new one",
        ),
        ("Callback", {}, {"productRef": {"name": "other"}}, "spec.productRef", CANT_MOVE),
        ("Callback", {}, {"productRef": {"name": "shop", "namespace": "b"}}, "spec.productRef", CANT_MOVE),
        ("Callback", {}, {"productRef": None, "organizationRef": {"name": "acme"}}, "spec.productRef", CANT_MOVE),
        (
            "Callback",
            {"productRef": None, "organizationRef": {"name": "acme"}},
            {"organizationRef": {"name": "other"}},
            "spec.organizationRef",
            CANT_MOVE,
        ),
        (
            "Provider",
            {},
            {"productRef": {"name": "other"}},
            "spec.productRef",
            "a provider can't move to another product; create a new one",
        ),
        (
            "Topic",
            {},
            {"productRef": {"name": "other"}},
            "spec.productRef",
            "a topic can't move to another product; create a new one",
        ),
        *(
            (kind, {field: {"secretName": "chosen"}}, {field: value}, f"spec.{field}.secretName", SECRET_STAYS)
            for kind, field in (
                ("Product", "credentials"),
                ("Organization", "credentials"),
                ("Callback", "signing"),
                ("Topic", "topicHash"),
            )
            for value in ({"secretName": "other"}, {"secretName": None}, None)
        ),
    ],
)
async def test_what_stays_can_not_be_changed(
    crds_installed: None, api: Api, namespace: str, kind: str, before: Object, after: Object, field: str, message: str
) -> None:
    """Immutability, told at the field that would change."""
    resource = manifest(kind, Refusal(kind, before, "", "").spec, namespace=namespace)
    await api.create(resource)
    with pytest.raises(Refused) as caught:
        await api.patch(resource, {"spec": after})
    assert caught.value.message.startswith(f'{kind}.angarium.dev "x" is invalid: {field}: Invalid value: ')
    assert caught.value.message.endswith(message)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Product", {"credentials": {"secretName": "chosen-late"}}),
        ("Organization", {"credentials": {"secretName": "chosen-late"}, "weight": 100}),
        ("Callback", {"signing": {"secretName": "chosen-late", "type": "Ed25519"}}),
        ("Callback", {"url": None, "serviceRef": SERVICE, "events": ["**"], "suspend": True}),
        ("Callback", {"delivery": {"maxInFlight": 1000, "rateLimit": {"requests": 100_000, "period": "100ms"}}}),
        ("Callback", {"delivery": {"autoDisable": {"after": "1h"}, "rateLimit": {"requests": 1, "period": "24h"}}}),
        ("Callback", {"delivery": {"autoDisable": {"enabled": False, "after": "720h"}, "maxInFlight": 1}}),
        ("Product", {"delivery": {"durability": "Replicated", "maxInFlight": 1, "autoDisable": {"enabled": False}}}),
        ("Provider", {"secretRef": None, "smtp": {"host": "::1", "from": "a@b", "tls": "None"}, "priority": -1000}),
        ("Provider", {"smtp": {"host": "10.0.0.7", "from": "Büro & Co. <o'hara+x@b.example>"}, "priority": 1000}),
        ("Provider", {"smtp": None, "twilio": {"messagingServiceSid": "MG" + "0" * 32, "statusCallbacks": False}}),
        ("Provider", {"smtp": None, "fcm": {"projectID": "shop-42"}, "timeout": "1s", "retry": {"schedule": []}}),
        ("Provider", {"smtp": None, "slack": {"apiUrl": "http://slack.test:8080/api"}, "suspend": True}),
        ("Provider", {"smtp": None, "telegram": {}}),
        ("Provider", {"smtp": None, "apprise": {"schemas": ["discord", "ntfy"]}}),
        ("Topic", {"path": "a/b", "suspend": True, "topicHash": {"secretName": "chosen-late"}}),
        ("Topic", {"variables": {"n": {}}, "examples": [{"name": "x", "metadata": {"n": "x", "deep": [{"a": 1}]}}]}),
    ],
)
async def test_what_may_change_can_be_changed(
    crds_installed: None, api: Api, namespace: str, kind: str, change: Object
) -> None:
    """A name may be chosen later; everything but references and chosen names may change."""
    resource = manifest(kind, MINIMAL[kind], namespace=namespace)
    await api.create(resource)
    changed: dict[str, Any] = (await api.patch(resource, {"spec": change}))["spec"]
    assert changed.items() >= {key: value for key, value in changed.items() if key in change}.items()
    assert set(changed) >= {key for key, value in change.items() if value is not None}
