"""Callbacks made through the API of `angarium dev`: they live in its state folder, over restarts."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook
from tests.cli.dev_process import PATIENCE, Receiver, angarium, callback, product


async def run(folder: Path, *arguments: str) -> tuple[int, str]:
    async with angarium(folder, "callbacks", *arguments) as command:
        code = await command.ended()
        return code, "\n".join(command.printed)


async def asked(folder: Path, *arguments: str) -> Any:
    """The JSON that a command prints."""
    code, text = await run(folder, *arguments, "-o", "json")
    assert code == 0, text
    return json.loads(text)


async def names(folder: Path) -> list[str]:
    return [each["name"] for each in (await asked(folder, "list"))["callbacks"]]


async def test_made_signed_suspended_kept_and_deleted(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    shop = folder / "yaml/shop.yaml"
    shop.write_text(product())
    start = ("dev", "yaml", "--port", str(port))
    async with angarium(folder, *start) as dev:
        await dev.ready()
        made = await asked(
            folder, "create", "orders", receiver.url, "-e", "order.*", "--header", "X-Shop: 7", "--secret"
        )
        assert (made["state"], made["managedBy"]) == ("active", "api")
        line = await dev.says(r"callback/orders +Ready")
        assert (await asked(folder, "test", "orders"))["outcome"] == "delivered"
        Webhook(made["signingKey"]).verify(receiver.ledger[0][1], receiver.headers[0])
        assert receiver.headers[0]["X-Shop"] == "7"
        assert (await run(folder, "secret", "orders")) == (0, made["signingKey"])
        assert (await asked(folder, "suspend", "orders"))["state"] == "suspended"
        shop.write_text(product() + callback("warehouse", receiver.url))
        await dev.says(r"callback/warehouse +Ready", line)
        assert await names(folder) == ["orders", "warehouse"]
        code, text = await run(folder, "delete", "warehouse")
        assert code == 1
        assert "409 The callback is managed elsewhere" in text
        await dev.kill()
    before = shop.read_text()
    async with angarium(folder, *start) as dev:
        await dev.ready()
        found = {each["name"]: each["state"] for each in (await asked(folder, "list"))["callbacks"]}
        assert found == {"orders": "suspended", "warehouse": "active"}
        assert (await asked(folder, "activate", "orders"))["state"] == "active"
        assert (await run(folder, "secret", "orders")) == (0, made["signingKey"])
        assert (await run(folder, "delete", "orders")) == (0, "orders deleted")
        assert await names(folder) == ["warehouse"]
        assert not (folder / ".angarium/secrets/orders-signing").exists()
    assert shop.read_text() == before
    assert [file.name for file in (folder / "yaml").iterdir()] == ["shop.yaml"]


async def test_mistakes_are_words(folder: Path, port: int, receiver: Receiver) -> None:
    (folder / "yaml/shop.yaml").write_text(product(api="{callbacks: Forbidden}"))
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        for code, words, arguments in (
            (1, "403 Callbacks may not be changed", ("create", "orders", receiver.url, "-e", "order.*")),
            (1, "/events/0: segments are letters", ("create", "orders", receiver.url, "-e", "a..b")),
            (2, "write it as 'Name: value'", ("create", "orders", receiver.url, "-e", "a", "--header", "x")),
            (2, "Missing option", ("create", "orders", receiver.url)),
        ):
            found, text = await run(folder, *arguments)
            assert (found, words in text) == (code, True), f"{arguments}: {found}\n{text}"
            assert "Traceback" not in text


async def test_the_folder_takes_one_over(folder: Path, port: int, receiver: Receiver) -> None:
    (folder / "yaml/shop.yaml").write_text(product())
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        await asked(folder, "create", "orders", receiver.url, "-e", "order.*")
        declared = folder / "yaml/orders.yaml"
        declared.write_text(callback("orders", receiver.url, "refund.*"))
        line = await dev.says(r"callback/orders +Ready +refund\.\*")
        code, text = await run(folder, "suspend", "orders")
        assert (code, "managed elsewhere" in text) == (1, True)
        declared.unlink()
        await dev.says("callback/orders +removed", line)
        assert await names(folder) == []


async def test_one_that_was_given_up_goes_on(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    """The receiver said 410 Gone; activating it means: it is there again."""
    (folder / "yaml/shop.yaml").write_text(product())
    receiver.failures_left, receiver.failure = 1, 410
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        await asked(folder, "create", "orders", receiver.url, "-e", "order.*")
        headers = {"Authorization": f"Bearer {dev.api_key}"}
        await gateway.post("/v1/notifications", json={"event": "order.paid", "data": 1}, headers=headers)
        async with asyncio.timeout(PATIENCE):
            while (listed := (await asked(folder, "list"))["callbacks"][0])["state"] != "disabled":
                pass
        assert (listed["reason"], listed["health"]) == ("gone", "Disabled")
        assert (await asked(folder, "activate", "orders"))["state"] == "active"
        assert (await asked(folder, "test", "orders"))["outcome"] == "delivered"
