"""The commands against a running gateway: JSON for scripts, words and exit codes for mistakes."""

import json
from pathlib import Path
from typing import Any

from tests.cli.dev_process import Receiver, angarium, callback, product


async def run(folder: Path, *arguments: str) -> tuple[int, str]:
    async with angarium(folder, *arguments) as command:
        code = await command.ended()
        return code, "\n".join(command.printed)


async def asked(folder: Path, *arguments: str) -> Any:
    """The JSON that a command prints."""
    code, text = await run(folder, *arguments, "-o", "json")
    assert code == 0, text
    return json.loads(text)


async def test_one_notification_seen_through_all_commands(folder: Path, port: int, receiver: Receiver) -> None:
    once = callback("warehouse", receiver.url, delivery="{retry: {schedule: []}}")
    (folder / "yaml/shop.yaml").write_text(product() + once)
    receiver.failures_left = 2
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        me = await asked(folder, "me")
        assert me["product"] == "shop/shop"

        sent = await asked(folder, "send", "order.paid", '{"total": 19.90}', "--idempotency-key", "o-1")
        assert (await asked(folder, "send", "order.paid", '{"total": 19.90}', "--idempotency-key", "o-1")) == sent
        name = sent["id"]
        code, text = await run(folder, "timeline", name, "--follow")
        assert code == 1  # it was refused
        assert "503 Service Unavailable" in text

        refused = await asked(folder, "list", "--status", "refused", "--since", "2h")
        assert [each["id"] for each in refused["notifications"]] == [name]
        code, text = await run(folder, "list", "--status", "refused", "--since", "2h")
        assert name in text
        assert "warehouse refused (http_503)" in text

        code, text = await run(folder, "callbacks", "test", "warehouse")
        assert code == 1
        assert "refused: 503 Service Unavailable" in text
        assert [each["name"] for each in (await asked(folder, "callbacks", "list"))["callbacks"]] == ["warehouse"]
        assert (await asked(folder, "callbacks", "test", "warehouse"))["outcome"] == "delivered"

        assert (await asked(folder, "retry", name))["deliveries"][0]["result"] == "redriven"
        code, text = await run(folder, "timeline", name, "--follow")
        assert code == 0
        assert "200 OK" in text
        assert text.endswith("  delivered")
        types = [each["type"] for each in (await asked(folder, "timeline", name))["entries"]]
        assert types == ["accepted", "attempt", "redrive", "attempt"]
    assert b'"data":{"total": 19.90}' in receiver.ledger[-1][1].replace(b'"data": ', b'"data":')


async def test_why_it_was_not_delivered(folder: Path, port: int, receiver: Receiver) -> None:
    once = callback("warehouse", receiver.url, delivery="{retry: {schedule: []}}")
    (folder / "yaml/shop.yaml").write_text(product() + once)
    receiver.failures_left = 1
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        name = (await asked(folder, "send", "order.paid"))["id"]
        assert (await run(folder, "timeline", name, "--follow"))[0] == 1  # it was refused
        [why] = (await asked(folder, "why", name))["deliveries"]
        assert (why["state"], why["attempts"]) == ("dead", 1)
        code, text = await run(folder, "why", name)
        assert code == 0
        assert "  warehouse: dead\n    the receiver answered 503 Service Unavailable\n" in text
        assert f"    do:   then try again: `angarium retry {name}`" in text


async def test_refusals_are_words_and_exit_codes(folder: Path, port: int) -> None:
    (folder / "yaml/shop.yaml").write_text(product())
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        for code, words, arguments in (
            (1, "/event: segments are letters", ("send", "bad..event")),
            (1, "since: ", ("list", "--since", "yesterday")),
            (1, "401 Missing or unknown credentials", ("me", "--key", "ang_x", "--url", f"http://127.0.0.1:{port}")),
            (1, "404 Not found", ("timeline", "not_00000000000000000000000000")),
            (1, "404 Not found", ("why", "not_00000000000000000000000000")),
            (2, "data is not JSON", ("send", "order.paid", "{")),
            (2, "is no http or https URL", ("me", "--url", "127.0.0.1")),
            (3, "no answer from http://127.0.0.1:1", ("me", "--url", "http://127.0.0.1:1")),
            (2, "No such command", ("bogus",)),
        ):
            found, text = await run(folder, *arguments)
            assert (found, words in text) == (code, True), f"{arguments}: {found}\n{text}"
            assert "Traceback" not in text


async def test_without_a_key_it_says_where_to_get_one(folder: Path) -> None:
    code, text = await run(folder, "me")
    assert code == 2
    assert "ANGARIUM_API_KEY" in text
