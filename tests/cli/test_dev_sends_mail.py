"""`angarium dev` sends e-mail: from YAML and one POST to what the mail server got, and what is told of it."""

from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.cli.dev_process import Angarium, angarium, product
from tests.deliverer.mail_server import PASSWORD, USERNAME, Mailbox, mail_server

MESSAGE = {
    "channel": "email",
    "to": "Jane.Doe@EXAMPLE.com",
    "content": {"subject": "Order 1042", "text": "It is on its way."},
}


def document(kind: str, name: str, version: str = "angarium.dev/v1alpha1", **members: Any) -> str:
    """YAML of an object in the shop's namespace."""
    metadata = {"name": name, "namespace": "shop"}
    return "---\n" + yaml.safe_dump({"apiVersion": version, "kind": kind, "metadata": metadata} | members)


def provider(name: str, mailbox: Mailbox, **spec: Any) -> str:
    """YAML of a Provider that goes there."""
    smtp = {"host": "127.0.0.1", "port": mailbox.port, "tls": "None", "from": "Shop <no-reply@shop.example>"}
    return document("Provider", name, spec={"productRef": {"name": "shop"}, "smtp": smtp} | spec)


def secret(name: str, **data: str) -> str:
    """YAML of a Secret."""
    return document("Secret", name, "v1", stringData=data)


async def send(gateway: httpx.AsyncClient, dev: Angarium, **members: Any) -> httpx.Response:
    """POST one message."""
    return await gateway.post("/v1/notifications", json=MESSAGE | members, headers=bearer(dev))


async def attempts(gateway: httpx.AsyncClient, dev: Angarium, sent: httpx.Response) -> list[dict[str, Any]]:
    """What the timeline tells of them."""
    told = await gateway.get(f"{sent.headers['Location']}/timeline", headers=bearer(dev))
    return [entry for entry in told.json()["entries"] if entry["type"] == "attempt"]


def bearer(dev: Angarium) -> dict[str, str]:
    """With the key of the shop."""
    return {"Authorization": f"Bearer {dev.api_key}"}


async def test_one_post_is_an_email_in_the_mailbox(folder: Path, port: int, gateway: httpx.AsyncClient) -> None:
    async with mail_server(Mailbox(), auth=True, require_tls=False) as mailbox:
        account = secret("mail", username=USERNAME, password=PASSWORD)
        (folder / "yaml/shop.yaml").write_text(
            product() + provider("mail", mailbox, secretRef={"name": "mail"}) + account
        )
        async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
            await dev.ready()
            await dev.says(r"provider/mail +Ready +email by smtp +Authenticated")
            sent = await send(gateway, dev)
            assert sent.status_code == 202, sent.text
            await dev.says(rf"{sent.json()['id']} → email  attempt 1  delivered")
            [attempt] = await attempts(gateway, dev, sent)
    [(_, _, recipient, raw)] = mailbox.got
    mail = message_from_bytes(raw, policy=policy.default)
    assert (recipient, mail["From"], mail["Subject"], mail.get_content().strip()) == (
        "Jane.Doe@example.com", "Shop <no-reply@shop.example>", "Order 1042", "It is on its way.",
    )  # fmt: skip
    assert mail["Message-ID"] == f"<{sent.json()['deliveries'][0]['id']}@shop.example>"
    assert (attempt["channel"], attempt["to"]) == ("email", "Jane.Doe@example.com")
    assert attempt["response"] == {"provider": "mail", "status": 250, "body": "queued as 77", "truncated": False}
    assert not [line for line in dev.printed if PASSWORD in line or "Traceback" in line]


async def test_where_the_first_provider_fails_the_next_one_sends(
    folder: Path, port: int, gateway: httpx.AsyncClient
) -> None:
    async with mail_server(Mailbox(rcpt="450 busy")) as busy, mail_server(Mailbox()) as backup:
        (folder / "yaml/shop.yaml").write_text(
            product() + provider("main", busy, priority=10) + provider("backup", backup)
        )
        async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
            await dev.ready()
            sent = await send(gateway, dev)
            await dev.says(rf"{sent.json()['id']} → email  attempt 1  delivered")
            [attempt] = await attempts(gateway, dev, sent)
    assert (attempt["response"]["provider"], attempt["response"]["failedOver"]) == ("backup", ["main: 450 busy"])
    assert len(backup.got) == 1


async def test_a_channel_without_a_provider_is_refused_until_there_is_one(
    folder: Path, port: int, gateway: httpx.AsyncClient
) -> None:
    async with mail_server(Mailbox()) as mailbox:
        (folder / "yaml/shop.yaml").write_text(product())
        async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
            await dev.ready()
            refused = await send(gateway, dev)
            assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (409, "no-provider")
            (folder / "yaml/mail.yaml").write_text(provider("mail", mailbox))
            await dev.says(r"provider/mail +Ready +email by smtp")
            sent = await send(gateway, dev)
            assert sent.status_code == 202, sent.text
            await dev.says(rf"{sent.json()['id']} → email  attempt 1  delivered")
    assert [recipient for _, _, recipient, _ in mailbox.got] == ["Jane.Doe@example.com"]
