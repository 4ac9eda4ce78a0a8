"""Topics from YAML to the record that gateways get: what they refer to, examples, the hash in its Secret."""

import asyncio
import hashlib
from typing import Any

import orjson
from tests.cluster.conftest import Kubectl
from tests.cluster.operating import PATIENCE, Stage, applied, condition, plain

from angarium.config import ConfigTail
from angarium.records import TopicRecord

LOOPBACK = "127.0.0.0/8"
MAIL: dict[str, Any] = {
    "productRef": {"name": "shop"},
    "smtp": {"host": "127.0.0.1", "port": 9, "tls": "None", "from": "shop@example.com"},
}


def spec(subject: str = "Order $order", **more: Any) -> dict[str, Any]:
    """For the customer and the warehouse."""
    integrations = [
        {
            "name": "customer",
            "providerRef": {"name": "mail"},
            "to": ["$email"],
            "template": {"subject": subject, "text": "Thank you."},
        },
        {"name": "warehouse", "callbackRef": {"name": "warehouse"}},
    ]
    return {
        "productRef": {"name": "shop"},
        "path": "orders/paid",
        "integrations": integrations,
        "variables": {"email": {}, "order": {"type": "integer"}},
        "examples": [{"name": "usual", "metadata": {"email": "jane@example.com", "order": 1042}}],
    } | more


def record(stage: Stage, tail: ConfigTail, name: str = "paid") -> TopicRecord | None:
    """What gateways know of a topic."""
    found = tail.records.get(f"topic/{stage.namespace}/{name}")
    return found if isinstance(found, TopicRecord) else None


def secret_hash(stage: Stage, tail: ConfigTail) -> str:
    """What they compare with."""
    found = record(stage, tail)
    return found.hash_sha256 if found else ""


async def test_a_topic_is_ready_once_all_that_it_leads_to_is_there(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await stage.create("Topic", "paid", spec())
        message = await stage.verdict("Topic", "paid", "ResolvedRefs", "ProviderNotFound")
        assert message.startswith('spec.integrations[0]: provider "mail" does not exist')
        await stage.create("Provider", "mail", MAIL)
        await stage.verdict("Topic", "paid", "ResolvedRefs", "CallbackNotFound")
        assert record(stage, gateway) is None
        callback = await stage.callback()
        found = await stage.ready("Topic", "paid")
        published = record(stage, gateway)
        ids = (await stage.ready("Callback", "warehouse"))["status"]
    assert published is not None
    assert published.id == found["status"]["topicID"]
    assert published.integrations[1].callback_id == ids["callbackID"]
    assert callback["metadata"]["uid"]
    assert found["status"]["rendered"] == 1
    [example] = found["status"]["examples"]
    assert [each["summary"] for each in example["integrations"]] == [
        "email, 44 bytes: Order 1042",
        "event orders.paid",
    ]


async def test_what_can_not_be_rendered_is_a_condition_and_an_event(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await stage.create("Provider", "mail", MAIL)
        await stage.callback()
        await stage.create("Topic", "paid", spec())
        await stage.ready("Topic", "paid")
        change = spec("Order $order for $customer")
        await stage.api.patch(stage.named("Topic", "paid"), {"spec": change})
        message = await stage.verdict("Topic", "paid", "Accepted", "TemplateInvalid")
        event = await stage.event("TemplateInvalid", "paid")
        kept = record(stage, gateway)
        await stage.api.patch(stage.named("Topic", "paid"), {"spec": spec("For $email")})
        await stage.ready("Topic", "paid")
        await applied(gateway, lambda tail: "For" in str(record(stage, tail)))
    assert message == "spec.integrations[0].template.subject: $customer is not among spec.variables"
    assert event["note"] == message
    assert kept is not None
    assert kept.integrations[0].template["subject"] == "Order $order"


async def test_the_hash_is_in_a_secret_of_the_topics_and_only_there(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await stage.create("Provider", "mail", MAIL)
        await stage.callback()
        await stage.create("Topic", "paid", spec(topicHash={}))
        found = await stage.ready("Topic", "paid")
        text = (await stage.secret("paid-topic-hash"))["topic-hash"]
        secret = await stage.api.get(stage.named("Secret", "paid-topic-hash"))
        assert secret_hash(stage, gateway) == hashlib.sha256(text.encode()).hexdigest()
        theirs = "what callers have had for years"
        await stage.api.patch(stage.named("Secret", "paid-topic-hash"), {"stringData": {"topic-hash": theirs}})
        await applied(gateway, lambda tail: secret_hash(stage, tail) == hashlib.sha256(theirs.encode()).hexdigest())
        await stage.api.delete(stage.named("Secret", "paid-topic-hash"))
        made = await stage.secret("paid-topic-hash", lambda o: plain(o).get("topic-hash") not in (None, text, theirs))
        await applied(
            gateway, lambda tail: secret_hash(stage, tail) == hashlib.sha256(made["topic-hash"].encode()).hexdigest()
        )
    assert secret["metadata"]["ownerReferences"][0]["name"] == "paid"
    assert found["status"]["secretName"] == "paid-topic-hash"
    assert text not in orjson.dumps(found).decode()


async def test_a_secret_of_somebody_elses_is_not_touched(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.api.create(stage.named("Secret", "paid-topic-hash") | {"stringData": {"topic-hash": "theirs"}})
        await stage.product()
        await stage.create("Provider", "mail", MAIL)
        await stage.callback()
        await stage.create("Topic", "paid", spec(topicHash={}))
        message = await stage.verdict("Topic", "paid", "CredentialsReady", "SecretConflict")
        assert record(stage, gateway) is None
        kept = plain(await stage.api.get(stage.named("Secret", "paid-topic-hash")))
    assert message.endswith("rename it or set spec.topicHash.secretName")
    assert kept == {"topic-hash": "theirs"}


async def who_yields(stage: Stage, *names: str) -> list[str]:
    """The two topics, first the one that is told to choose another path: made in one second, either may be it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = {name: await stage.api.get(stage.named("Topic", name)) for name in names}
            taken = [name for name in names if condition(found[name], "Accepted").get("reason") == "PathTaken"]
            if taken:
                return taken + [name for name in names if name not in taken]
            await asyncio.sleep(0.05)


async def test_a_path_goes_to_the_next_when_its_topic_is_deleted(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await stage.create("Provider", "mail", MAIL)
        await stage.callback()
        await stage.create("Topic", "paid", spec())
        await stage.ready("Topic", "paid")
        await stage.create("Topic", "rival", spec())
        name, other = await who_yields(stage, "paid", "rival")
        await stage.api.delete(stage.named("Topic", other))
        await stage.ready("Topic", name)
        await applied(gateway, lambda tail: record(stage, tail, name) is not None and not record(stage, tail, other))


async def test_what_kubectl_shows_of_topics(stage: Stage, kubectl: Kubectl) -> None:
    async with stage.data_plane(), stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await stage.create("Provider", "mail", MAIL)
        await stage.callback()
        await stage.create("Topic", "paid", spec())
        await stage.ready("Topic", "paid")
        shown = kubectl("get", "topics", "-n", stage.namespace).splitlines()
    assert shown[0].split() == ["NAME", "READY", "PATH", "PRODUCT", "EXAMPLES", "AGE"]
    assert shown[1].split()[:5] == ["paid", "True", "orders/paid", "shop", "1"]
