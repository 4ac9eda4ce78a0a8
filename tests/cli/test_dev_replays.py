"""Replays and tests of callbacks in `angarium dev`: the same plans and loops as on a cluster."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.cli.dev_process import Angarium, Receiver, angarium, callback, product


def manifest(kind: str, name: str, spec: dict[str, Any]) -> str:
    """YAML of an object."""
    metadata = {"name": name, "namespace": "shop"}
    return yaml.safe_dump({"apiVersion": "angarium.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})


async def post(dev: Angarium, gateway: httpx.AsyncClient) -> None:
    """An order is paid."""
    answer = await gateway.post(
        "/v1/notifications", json={"event": "order.paid", "data": 1}, headers={"x-api-key": dev.api_key}
    )
    assert answer.status_code == 202


async def test_dead_letters_go_out_again_from_a_file(
    folder: Path, port: int, receiver: Receiver, gateway: httpx.AsyncClient
) -> None:
    receiver.failures_left = 3
    once = "{retry: {schedule: []}}"
    (folder / "yaml/shop.yaml").write_text(product() + callback("warehouse", receiver.url, delivery=once))
    replay = folder / "yaml/replay.yaml"
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        (folder / "yaml/test.yaml").write_text(manifest("CallbackTest", "try", {"callbackRef": {"name": "warehouse"}}))
        await dev.says(r"callbacktest/try +Http503 +503 Service Unavailable")
        for _ in range(2):
            await post(dev, gateway)
        await dev.says(r"attempt 1 +dead http_503")
        await asyncio.sleep(1.0)  # a replay is for what was accepted before the second in which it was made
        selected = {"productRef": {"name": "shop"}, "select": {"reasons": ["http_503"]}}
        replay.write_text(manifest("Replay", "outage", selected))
        line = await dev.says(r"replay/outage +Completed +2 of 2 deliveries went back in line")
        await receiver.has(2)
        replay.write_text(manifest("Replay", "outage", selected | {"dryRun": True}))
        await dev.says(r"! .*replay\.yaml:\d+: spec\.dryRun: can't change", line)
    assert sorted(json.loads(body)["type"] for _, body in receiver.ledger) == ["order.paid", "order.paid"]
