"""Topics in `angarium dev`: planned as on a cluster, posted to with a hash, and sent by mail and to a callback."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.cli.dev_process import Angarium, Receiver, angarium, callback, product
from tests.deliverer.mail_server import Mailbox, mail_server

PATH = "/v1/notifications/orders/paid"


def manifest(kind: str, name: str, spec: dict[str, Any]) -> str:
    """YAML of an object."""
    metadata = {"name": name, "namespace": "shop"}
    whole = {"apiVersion": "angarium.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
    return "---\n" + yaml.safe_dump(whole)


def provider(port: int) -> str:
    """A mail server without TLS."""
    smtp = {"host": "127.0.0.1", "port": port, "tls": "None", "from": "Shop <shop@example.com>"}
    return manifest("Provider", "mail", {"productRef": {"name": "shop"}, "smtp": smtp})


def topic(subject: str = "Order $order", **more: Any) -> str:
    """orders/paid, for the customer and the warehouse."""
    content = {"subject": subject, "html": "<p>Thank you, $name</p>"}
    integrations: list[dict[str, Any]] = [
        {"name": "customer", "providerRef": {"name": "mail"}, "to": ["$email"], "template": content},
        {"name": "warehouse", "callbackRef": {"name": "warehouse"}},
    ]
    variables = {"email": {}, "order": {"type": "integer"}, "name": {"default": "customer"}}
    example = {"name": "usual", "metadata": {"email": "jane@example.com", "order": 1042}}
    spec = {"productRef": {"name": "shop"}, "path": "orders/paid", "integrations": integrations}
    return manifest("Topic", "paid", spec | {"variables": variables, "examples": [example], "topicHash": {}} | more)


async def post(dev: Angarium, gateway: httpx.AsyncClient, hash_: str) -> httpx.Response:
    """Post an order, as callers of old do."""
    document = {"metadata": {"email": "jane@example.com", "order": 1042, "name": "Jane & Joe"}}
    return await gateway.post(PATH, json=document, headers={"x-api-key": dev.api_key, "x-topic-hash-x": hash_})


async def test_a_topic_from_yaml_to_whom_it_is_for(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    async with mail_server(Mailbox()) as mailbox:
        file = folder / "yaml/topic.yaml"
        (folder / "yaml/shop.yaml").write_text(
            product() + provider(mailbox.port) + callback("warehouse", receiver.url, "nothing.else")
        )
        file.write_text(topic("Order $ordre"))
        async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
            await dev.ready()
            said = r"spec\.integrations\[0\]\.template\.subject: \$ordre is not among spec\.variables"
            line = await dev.says(rf"topic/paid +NotReady +TemplateInvalid: {said}")
            assert (await post(dev, gateway, "")).status_code == 404
            file.write_text(topic())
            await dev.says(r"topic/paid +Ready +orders/paid +hash +\S+/secrets/paid-topic-hash/topic-hash", line)
            assert (await post(dev, gateway, "guessed")).status_code == 403
            hash_ = (folder / ".angarium/secrets/paid-topic-hash/topic-hash").read_text()
            answer = await post(dev, gateway, hash_)
            assert answer.status_code == 200, answer.text
            await receiver.has(1)
            status = await delivered(dev, gateway, answer.headers["Location"])
    name, body = receiver.ledger[0]
    assert answer.json() == {"customer": status["deliveries"][0]["id"], "warehouse": name}
    assert json.loads(body)["type"] == "orders.paid"
    assert json.loads(body)["data"] == {"email": "jane@example.com", "order": 1042, "name": "Jane & Joe"}
    [(_, _, recipient, mail)] = mailbox.got
    assert recipient == "jane@example.com"
    assert b"Subject: Order 1042" in mail
    assert b"Thank you, Jane &amp; Joe" in mail
    assert hash_ not in "\n".join(dev.printed) + (folder / ".angarium/objects.json").read_text()


async def delivered(dev: Angarium, gateway: httpx.AsyncClient, path: str) -> Any:
    """The notification once all of it was delivered."""
    async with asyncio.timeout(30):
        while True:
            status = (await gateway.get(path, headers={"x-api-key": dev.api_key})).json()
            if status["status"] == "delivered":
                return status
            await asyncio.sleep(0.05)


async def test_what_stays_can_not_be_changed(folder: Path, port: int) -> None:
    (folder / "yaml/shop.yaml").write_text(product() + product("other"))
    file = folder / "yaml/topic.yaml"
    file.write_text(topic(topicHash={"secretName": "chosen"}))
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        file.write_text(topic(productRef={"name": "other"}, topicHash={"secretName": "another"}))
        await dev.says(r"topic.yaml:\d+: spec.productRef: a topic can't move to another product")
        await dev.says(r"topic.yaml:\d+: spec.topicHash.secretName: can't change once set")
