"""What is edited while `angarium dev` runs counts at once; what is wrong is named and changes nothing."""

import asyncio
import re
from pathlib import Path

import httpx
from tests.cli.dev_process import PATIENCE, Angarium, Receiver, angarium, callback, product, receiving

from angarium import apikeys


async def send(gateway: httpx.AsyncClient, dev: Angarium, event: str) -> list[str]:
    """The callbacks that will hear of it."""
    headers = {"Authorization": f"Bearer {dev.api_key}"}
    response = await gateway.post("/v1/notifications", json={"event": event, "data": 1}, headers=headers)
    assert response.status_code == 202, response.text
    return [delivery["callback"] for delivery in response.json()["deliveries"]]


async def test_callbacks_come_change_and_go(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    (folder / "yaml/shop.yaml").write_text(product() + callback("warehouse", receiver.url))
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev, receiving(Receiver()) as other:
        await dev.ready()
        assert await send(gateway, dev, "refund.created") == []
        billing = folder / "yaml/billing.yaml"
        billing.write_text(callback("billing", other.url, "refund.*"))
        line = await dev.says(r"callback/billing +Ready +refund\.\*  →")
        assert await send(gateway, dev, "refund.created") == ["billing"]
        await other.has(1)
        billing.write_text(callback("billing", other.url, "invoice.*"))
        line = await dev.says(r"callback/billing +Ready +invoice\.\*  →", line)
        assert await send(gateway, dev, "refund.created") == []
        billing.unlink()
        await dev.says("callback/billing +removed", line)
        assert not (folder / ".angarium/secrets/billing-signing").exists()
        assert await send(gateway, dev, "order.paid") == ["warehouse"]
        await receiver.has(1)


async def test_a_bad_file_is_named_by_line_and_field_and_the_last_good_state_stays(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    file = folder / "yaml/shop.yaml"
    good = product() + callback("warehouse", receiver.url)
    file.write_text(good)
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        bad = good.replace("order.*", "order..paid")
        file.write_text(bad)
        where = 1 + bad.splitlines().index('  events: ["order..paid"]')
        line = await dev.says(rf"yaml/shop\.yaml:{where}: spec\.events\[0\]: segments are letters")
        assert await send(gateway, dev, "order.paid") == ["warehouse"]
        file.write_text("kind: [\n")
        line = await dev.says(r"yaml/shop\.yaml:2: not YAML", line)
        assert await send(gateway, dev, "order.paid") == ["warehouse"]
        file.write_text(good.replace("order.*", "order.**"))
        line = await dev.says("yaml is good again", line)
        await dev.says(r"callback/warehouse +Ready +order\.\*\*", line - 1)
        assert await send(gateway, dev, "order.paid.late") == ["warehouse"]


async def test_a_start_with_a_bad_file_goes_on_with_what_was_good_last(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    file = folder / "yaml/shop.yaml"
    file.write_text(product() + callback("warehouse", receiver.url))
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        dev.process.terminate()
        assert await dev.ended() == 0
    file.write_text("nonsense")
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        assert [line for line in dev.printed if re.search(r"shop\.yaml:1: kind", line)]
        assert await send(gateway, dev, "order.paid") == ["warehouse"]


async def test_what_an_api_server_would_refuse_to_change_is_refused(
    folder: Path, port: int, receiver: Receiver
) -> None:
    file = folder / "yaml/shop.yaml"
    good = product() + product("other") + callback("warehouse", receiver.url)
    file.write_text(good)
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        file.write_text(good.replace("productRef: {name: shop}", "productRef: {name: other}"))
        await dev.says("spec.productRef: a callback can't move to another product; create a new one")


async def test_a_reference_that_leads_nowhere_is_told_and_heals(folder: Path, port: int, receiver: Receiver) -> None:
    (folder / "yaml/callback.yaml").write_text(callback("warehouse", receiver.url))
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.says(
            'callback/warehouse +NotReady +ProductNotFound: product "shop" does not exist in namespace "shop"'
        )
        (folder / "yaml/product.yaml").write_text(product())
        await dev.says("callback/warehouse +Ready")


async def test_an_api_key_that_was_edited_is_replaced(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    (folder / "yaml/shop.yaml").write_text(product() + callback("warehouse", receiver.url))
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        before = dev.api_key
        (folder / ".angarium/secrets/shop-angarium/api-key").write_text("mine")
        await dev.says("product/shop +SecretRepaired")
        assert apikeys.key_id(dev.api_key)
        assert dev.api_key != before
        headers = {"Authorization": f"Bearer {dev.api_key}"}
        async with asyncio.timeout(PATIENCE):
            while (await gateway.get("/v1/me", headers=headers)).status_code != 200:
                assert dev.process.returncode is None


async def test_a_key_is_rotated_on_request(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    file = folder / "yaml/shop.yaml"
    file.write_text(product() + callback("warehouse", receiver.url))
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        before = dev.api_key
        asked = "namespace: shop, annotations: {angarium.dev/rotate-requested-at: 2026-11-21T08:00:00Z}"
        file.write_text(product().replace("namespace: shop", asked) + callback("warehouse", receiver.url))
        await dev.says("product/shop +KeyRotated")
        assert dev.api_key != before
        for key in (before, dev.api_key):
            answer = await gateway.get("/v1/me", headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == 200


async def test_records_that_redis_lost_are_published_again(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    import redis.asyncio

    (folder / "yaml/shop.yaml").write_text(product() + callback("warehouse", receiver.url))
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        async with redis.asyncio.Redis(port=int((folder / ".angarium/valkey.port").read_text())) as client:
            await client.flushall()
            while not await client.exists("ang:{config}:records"):
                assert dev.process.returncode is None
        assert await send(gateway, dev, "order.paid") == ["warehouse"]
        await receiver.has(1)


async def test_a_circuit_that_opens_is_told(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    (folder / "yaml/shop.yaml").write_text(product() + callback("warehouse", receiver.url))
    receiver.failures_left = 1000
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        for _ in range(10):
            assert await send(gateway, dev, "order.paid") == ["warehouse"]
        await dev.says('callback/warehouse +CircuitOpen +.* attempts failed, the last with "http_503"; only probes')


async def test_an_endpoint_that_is_gone_is_told_and_enabled_by_an_annotation(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    file = folder / "yaml/shop.yaml"
    file.write_text(product() + callback("warehouse", receiver.url))
    receiver.failures_left, receiver.failure = 1, 410
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        assert await send(gateway, dev, "order.paid") == ["warehouse"]
        await dev.says("callback/warehouse +AutoDisabled +the receiver answered 410 Gone")
        dev.process.terminate()
        assert await dev.ended() == 0
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        line = await dev.says("callback/warehouse +Ready .* Disabled$")
        await dev.ready()
        assert await send(gateway, dev, "order.paid") == []
        enabled = "namespace: shop, annotations: {angarium.dev/enable-requested-at: 2026-11-21T08:00:00Z}"
        file.write_text(product() + callback("warehouse", receiver.url).replace("namespace: shop", enabled))
        await dev.says("callback/warehouse +EndpointEnabled", line)
        async with asyncio.timeout(PATIENCE):
            while await send(gateway, dev, "order.paid") != ["warehouse"]:
                assert dev.process.returncode is None
        await receiver.has(1)
