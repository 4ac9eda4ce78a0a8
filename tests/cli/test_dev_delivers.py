"""`angarium dev` takes a folder of YAML and delivers, over restarts."""

import signal
import stat
from pathlib import Path

import httpx
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook
from tests.cli.dev_process import Receiver, angarium, callback, product

from angarium.settings import RedisSettings


async def send(gateway: httpx.AsyncClient, key: str, number: int) -> httpx.Response:
    body = {"event": "order.paid", "data": {"order": number}}
    return await gateway.post("/v1/notifications", json=body, headers={"Authorization": f"Bearer {key}"})


async def test_a_signed_webhook_arrives_and_the_next_run_goes_on_with_key_and_data(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    (folder / "yaml/all.yaml").write_text(product() + callback("warehouse", receiver.url))
    receiver.failures_left = 1
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        key = dev.api_key
        first = await send(gateway, key, 1)
        assert first.status_code == 202, first.text
        await receiver.has(1)
        dev.signal_group(signal.SIGINT)
        assert await dev.ended() == 0
    signing_key = (folder / ".angarium/secrets/warehouse-signing/signing-key").read_text()
    name, body = receiver.ledger[0]
    assert name == first.json()["deliveries"][0]["id"]
    assert Webhook(signing_key).verify(body, receiver.headers[0])["data"] == {"order": 1}
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        assert dev.api_key == key
        headers = {"Authorization": f"Bearer {key}"}
        kept = await gateway.get(f"/v1/notifications/{first.json()['id']}", headers=headers)
        assert kept.json()["status"] == "delivered"
        assert kept.json()["deliveries"][0]["attempts"] == 2
        dev.process.terminate()
        assert await dev.ended() == 0


async def test_what_is_in_flight_at_ctrl_c_is_finished_before_valkey_goes(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    (folder / "yaml/all.yaml").write_text(product() + callback("warehouse", receiver.url))
    receiver.pause = 0.5
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        for number in range(5):
            assert (await send(gateway, dev.api_key, number)).status_code == 202
        await receiver.has(1)
        dev.signal_group(signal.SIGINT)
        assert await dev.ended() == 0
        assert not [line for line in dev.printed if "redis is away" in line]
    assert len(receiver.ledger) == 5


async def test_secrets_are_for_their_owner_alone(folder: Path, port: int, receiver: Receiver) -> None:
    (folder / "yaml/all.yaml").write_text(product() + callback("warehouse", receiver.url))
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        root = folder / ".angarium"
        for path in [root, *root.rglob("*")]:
            inside = path.relative_to(root).parts
            if inside[:1] != ("data",) and inside != ("lock",):
                wanted = 0o700 if path.is_dir() else 0o600
                assert stat.S_IMODE(path.stat().st_mode) == wanted, path


async def test_a_service_ref_is_a_port_of_this_machine(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    service = f"{{name: warehouse, port: {httpx.URL(receiver.url).port}, path: /hooks}}"
    text = callback("warehouse", "", "**", serviceRef=service).replace("  url: \n", "")
    (folder / "yaml/all.yaml").write_text(f"{product()}{text}---\nkind: Service\napiVersion: v1\n")
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        await dev.says(rf"callback/warehouse +Ready +\*\*  → {receiver.url}")
        assert (await send(gateway, dev.api_key, 1)).status_code == 202
        await receiver.has(1)


async def test_another_redis_can_be_given(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient, redis_settings: RedisSettings
) -> None:
    (folder / "yaml/all.yaml").write_text(product() + callback("warehouse", receiver.url))
    url: SecretStr = redis_settings.url
    async with angarium(folder, "dev", "yaml", "--port", str(port), "--redis", url.get_secret_value()) as dev:
        await dev.ready()
        assert (await send(gateway, dev.api_key, 1)).status_code == 202
        await receiver.has(1)
    assert not (folder / ".angarium/valkey.port").exists()
