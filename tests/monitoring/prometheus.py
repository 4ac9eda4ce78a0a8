"""A real Prometheus for tests: scrapes these targets each second, with our rules."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.monitoring.tools import ALERTS, tool
from tests.ports import free_port

PATIENCE = 30.0  # s


@contextlib.asynccontextmanager
async def prometheus(folder: Path, targets: Mapping[str, int]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of its API; `targets` are ports of this machine by the name of their pod."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_config(targets)))
    process = await asyncio.create_subprocess_exec(
        tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            await _ready(client)
            yield client
    finally:
        process.terminate()
        await process.wait()


def _config(targets: Mapping[str, int]) -> dict[str, Any]:
    scraped = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": "a", "pod": pod}} for pod, port in targets.items()
    ]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in sorted(ALERTS.glob("*.yaml"))],
        "scrape_configs": [{"job_name": "angarium", "static_configs": scraped}],
    }


async def _ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get("/-/ready")).is_success:
                    return
            await asyncio.sleep(0.1)


async def query(client: httpx.AsyncClient, expr: str) -> list[float]:
    """The values of its series now, without those that are no number."""
    answer = (await client.get("/api/v1/query", params={"query": expr})).json()
    if answer["status"] != "success":
        raise AssertionError(f"{expr}: {answer['error']}")
    values = [float(each["value"][1]) for each in answer["data"]["result"]]
    return [value for value in values if not math.isnan(value)]
