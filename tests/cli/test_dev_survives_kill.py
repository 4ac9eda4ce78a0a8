"""kill -9 in the middle of a thousand notifications loses none of them."""

import asyncio
from pathlib import Path

import aiohttp
import orjson
from tests.cli.dev_process import PATIENCE, Receiver, angarium, callback, end_leftover, product

COUNT = 1000
SENDERS = 20


async def send(session: aiohttp.ClientSession, key: str, number: int) -> str | None:
    """The id of what was accepted; None where there was no answer. Safe to repeat."""
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"order-{number}"}
    body = {"event": "order.paid", "data": {"order": number}}
    try:
        async with session.post("/v1/notifications", json=body, headers=headers) as response:
            return (await response.json())["id"] if response.status == 202 else None
    except aiohttp.ClientError:
        return None


async def send_all(url: str, key: str, numbers: list[int]) -> dict[int, str]:
    """What was accepted, by number."""
    accepted: dict[int, str] = {}
    waiting = iter(numbers)

    async def sender(session: aiohttp.ClientSession) -> None:
        for number in waiting:
            if name := await send(session, key, number):
                accepted[number] = name

    async with aiohttp.ClientSession(url) as session:
        await asyncio.gather(*[sender(session) for _ in range(SENDERS)])
    return accepted


async def test_kill_9_in_the_middle_and_a_restart_delivers_all(folder: Path, port: int, receiver: Receiver) -> None:
    (folder / "yaml/all.yaml").write_text(product() + callback("warehouse", receiver.url))
    receiver.pause = 0.02
    receiver.failures_left = 30
    url = f"http://127.0.0.1:{port}"
    async with angarium(folder, "dev", "yaml", "--port", str(port), "--log-level", "warning") as dev:
        await dev.ready()
        key = dev.api_key
        sending = asyncio.create_task(send_all(url, key, list(range(COUNT))))
        await receiver.has(COUNT // 4)
        await dev.kill()
        accepted = await sending
    seen_before = {name for name, _ in receiver.ledger}
    assert len(accepted) < COUNT
    assert len(seen_before) < COUNT
    async with angarium(folder, "dev", "yaml", "--port", str(port), "--log-level", "warning") as dev:
        await dev.ready()
        assert dev.api_key == key
        again = await send_all(url, key, [number for number in range(COUNT) if number not in accepted])
        assert len(accepted | again) == COUNT
        await receiver.has(COUNT)
    names = {name for name, _ in receiver.ledger}
    assert names == {name.replace("not_", "dlv_") + "_0" for name in (accepted | again).values()}
    assert {orjson.loads(body)["data"]["order"] for _, body in receiver.ledger} == set(range(COUNT))
    assert len(receiver.ledger) - COUNT <= 256  # nothing twice but what was in flight


async def test_valkey_killed_alone_is_started_again_with_its_data(folder: Path, port: int, receiver: Receiver) -> None:
    (folder / "yaml/all.yaml").write_text(product() + callback("warehouse", receiver.url))
    receiver.failures_left = 1
    async with (
        angarium(folder, "dev", "yaml", "--port", str(port)) as dev,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        await dev.ready()
        assert await send(session, dev.api_key, 1)
        await dev.says("attempt 1  retry")
        end_leftover(folder)
        await receiver.has(1)
        async with asyncio.timeout(PATIENCE):
            while await send(session, dev.api_key, 2) is None:  # the gateway has yet to see that it is back
                assert dev.process.returncode is None
        await receiver.has(2)
