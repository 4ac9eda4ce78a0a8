"""docs/tour.md as tests: each of its five stories on `angarium dev`, with servers that stand in for the providers."""

import asyncio
import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.dev_process import Angarium, angarium
from tests.tour.stand_ins import UNREACHED, StandIns, standing_in, write_folder

DEVICE = "cT9fFJ0sRk2v1a-Zx3QmPe:APA91bHun4MxP5egoKMwt2KZ"
OLD = "old-token-of-the-phone-of-bob"
JANE = "+4930123456"


@dataclass
class Tour:
    """`angarium dev` on the tour's folder, and what it sends to."""

    dev: Angarium
    it: StandIns
    gateway: httpx.AsyncClient
    port: int

    def key(self, tenant: str = "shop") -> str:
        """Of the product or an organization."""
        return (self.dev.folder / f".angarium/secrets/{tenant}-angarium/api-key").read_text()

    async def ask(self, method: str, path: str, key: str = "", status: int = 200, **more: Any) -> Any:
        """A request that is answered so."""
        headers = {"Authorization": f"Bearer {key or self.key()}"} | more.pop("headers", {})
        answer = await self.gateway.request(method, f"/v1{path}", headers=headers, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def send(self, document: dict[str, Any], **more: Any) -> Any:
        """Accept a notification."""
        return await self.ask("POST", "/notifications", json=document, **({"status": 202} | more))

    async def ended(self, notification: dict[str, Any], **more: Any) -> Any:
        """As it stands once it has ended."""
        return await self.ask("GET", f"/notifications/{notification['id']}", params={"wait": "20"}, **more)

    async def run(self, *arguments: str) -> str:
        """What a command prints."""
        whole = [*arguments, "--url", f"http://127.0.0.1:{self.port}"]
        async with angarium(self.dev.folder, *whole, "--key", self.key()) as command:
            assert await command.ended() == 0, command.printed
        return "\n".join(command.printed)


@pytest.fixture
async def tour(
    folder: Path, port: int, gateway: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Tour]:
    """Ready to be walked."""
    monkeypatch.setenv("ANGARIUM_PUBLIC_URL", f"http://127.0.0.1:{port}")
    async with standing_in(StandIns()) as it:
        write_folder(folder / "tour", it)
        async with angarium(folder, "dev", "tour", "--port", str(port)) as dev:
            await dev.ready()
            yield Tour(dev, it, gateway, port)


async def heard(it: StandIns, count: int) -> None:
    """Wait until so many webhooks were taken."""
    async with asyncio.timeout(30):
        while len(it.webhooks) < count:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def made(tour: Tour, name: str, event: str, path: str, **more: Any) -> AsyncIterator[bytes]:
    """A callback made by a request, and the key that signs for it."""
    url = f"http://127.0.0.1:{tour.it.http}/hooks{path}"
    document = {"name": name, "events": [event], "url": url, **more}
    await tour.ask("POST", "/callbacks", json=document, status=201)
    secret = (await tour.ask("GET", f"/callbacks/{name}/secret"))["key"]
    yield b64decode(secret.removeprefix("whsec_"))
    await tour.ask("DELETE", f"/callbacks/{name}", status=204)


async def test_callbacks_with_test_send_once_only_back_off_and_retry_by_hand(tour: Tour) -> None:
    async with made(tour, "crm", "order.*", "/crm") as key:
        assert (await tour.ask("POST", "/callbacks/crm/test"))["outcome"] == "delivered"
        once = {"headers": {"Idempotency-Key": "order-1042"}}
        first, again = [await tour.send({"event": "order.paid", "data": {"order": 1042}}, **once) for _ in range(2)]
        assert first == again
        await heard(tour.it, 2)
    _, webhook = tour.it.webhooks
    assert json.loads(webhook.body)["data"] == {"order": 1042}
    signed = b"%b.%b.%b" % (
        webhook.headers["webhook-id"].encode(), webhook.headers["webhook-timestamp"].encode(), webhook.body
    )  # fmt: skip
    signature = b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert webhook.headers["webhook-signature"] == f"v1,{signature}"

    retry = {"delivery": {"retry": {"schedule": ["200ms"]}}}
    async with made(tour, "busy", "stock.*", "/busy/2", **retry):
        refused = await tour.ended(await tour.send({"event": "stock.low", "data": 7}))
        assert (refused["status"], refused["deliveries"][0]["attempts"]) == ("refused", 2)
        assert "redriven" in await tour.run("retry", refused["id"])
        assert (await tour.ended(refused))["status"] == "delivered"


async def test_mail_whatsapp_and_sms_with_a_minted_token(tour: Tour) -> None:
    folder = tour.dev.folder
    async with angarium(folder, "token", "create", "--secret", ".angarium/secrets/shop-angarium") as command:
        assert await command.ended() == 0
    token = command.printed[-1]
    mail = {"channel": "email", "to": "jane@example.com", "content": {"subject": "Order", "text": "On its way."}}
    texts = {"whatsapp": JANE, "sms": UNREACHED}
    sent = [await tour.send(mail, key=token)]
    sent += [
        await tour.send({"channel": channel, "to": to, "content": {"body": "On its way."}}, key=token)
        for channel, to in texts.items()
    ]
    assert {each["status"] for each in sent} == {"pending"}
    ends = [await tour.ended(each, key=token) for each in sent]
    assert [each["status"] for each in ends] == ["delivered", "delivered", "refused"]
    assert ends[2]["deliveries"][0]["reason"] == "twilio_30003"
    assert [got[2] for got in tour.it.mailbox.got] == ["jane@example.com"]
    assert {form["To"] for form in tour.it.twilio.forms} == {f"whatsapp:{JANE}", UNREACHED}
    await tour.ask("POST", f"/notifications/{sent[2]['id']}/retry", key=token, status=403)


async def test_a_product_with_two_organizations(tour: Tour) -> None:
    invoice = {"event": "invoice.made", "data": {"invoice": 7}, "priority": "high"}
    sent = {name: await tour.send(invoice, key=tour.key(name)) for name in ("acme", "globex")}
    for name, notification in sent.items():
        assert (await tour.ended(notification, key=tour.key(name)))["status"] == "delivered"
    assert sorted(each.line.split(" ")[1] for each in tour.it.webhooks) == ["/hooks/acme", "/hooks/globex"]
    await tour.send(invoice, key="ang_wrong", status=401)
    await tour.ask("GET", f"/notifications/{sent['acme']['id']}", key=tour.key("globex"), status=404)
    trail = await tour.ask("GET", f"/notifications/{sent['acme']['id']}/timeline", key=tour.key("acme"))
    accepted, attempt = trail["entries"]
    assert (accepted["type"], accepted["by"].startswith("key ")) == ("accepted", True)
    assert (attempt["outcome"], attempt["callback"], attempt["response"]["status"]) == (
        "delivered", "acme-billing", 204
    )  # fmt: skip


async def test_one_text_and_one_push_to_a_group(tour: Tour) -> None:
    people = [
        {"key": "ann", "phone": "+49 170 1234567", "channels": ["sms"]},
        {
            "key": "bob", "phone": "+1 202 555 0123", "channels": ["push"],
            "devices": [{"token": OLD, "platform": "android"}],
        },
    ]  # fmt: skip
    await tour.ask("POST", "/groups", json={"name": "night-shift", "users": people}, status=201)
    device = {"token": DEVICE, "platform": "android", "replaces": OLD}
    await tour.ask("PUT", "/users/+12025550123/device-token", json=device)
    contents = {"sms": {"body": "The till is closed."}, "push": {"title": "Till", "body": "It is closed."}}
    told = await tour.ended(await tour.send({"to": {"group": "night-shift"}, "contents": contents}))
    assert (told["status"], told["deliveries"][0]["recipients"]) == (
        "delivered", {"total": 2, "pending": 0, "delivered": 2, "refused": 0}
    )  # fmt: skip
    assert tour.it.twilio.got == [("+491701234567", "The till is closed.")]
    assert tour.it.firebase.got == [(DEVICE, "It is closed.")]


async def test_one_post_to_a_topic_is_told_in_three_places(tour: Tour) -> None:
    variables = {"email": "jane@example.com", "name": "Jane", "order": 1042}
    ids = await tour.ask("POST", "/notifications/orders/paid", json={"metadata": variables})
    assert set(ids) == {"customer", "sales", "on-call"}
    notification = {"id": f"not_{ids['customer'].split('_')[1]}"}
    assert (await tour.ended(notification))["status"] == "delivered"
    assert [got[2] for got in tour.it.mailbox.got] == ["jane@example.com"]
    assert tour.it.slack.got == [("#alerts", "Order 1042 is paid by Jane")]
    assert tour.it.telegram.got == [("4711", "Order 1042 is paid")]
    lacking = await tour.ask("POST", "/notifications/orders/paid", json={"metadata": {"order": 1}}, status=422)
    assert lacking["errors"] == [{"pointer": "/metadata/email", "detail": "is required"}]
    await tour.ask("POST", "/notifications/orders/lost", json={"metadata": {}}, status=404)
