"""What the servers say of themselves: metrics as Prometheus reads them, records and what pods have applied."""

import asyncio
import re

import httpx
from tests.cluster.api import Api
from tests.scale.world import Operator

from angarium.config import read_live
from angarium.config.store import split_record
from angarium.keys import ConfigKeys
from angarium.link import Link
from angarium.records import RECORD

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')
WRITES = {"POST", "PUT", "PATCH", "APPLY", "DELETE"}
WRITTEN = {"products", "callbacks", "secrets", "events"}
LOOK = 0.005  # s


def samples(text: str, metric: str) -> list[tuple[dict[str, str], float]]:
    """Labels and values of a metric."""
    found = (SAMPLE.match(line) for line in text.splitlines() if line.startswith(metric))
    return [(dict(LABEL.findall(match[2] or "")), float(match[3])) for match in found if match and match[1] == metric]


async def writes(api: Api) -> int:
    """Requests so far that wanted to change what the operator writes, counted by the API server."""
    text = (await api.client.get("/metrics")).text
    counted = samples(text, "apiserver_request_total")
    return int(sum(n for labels, n in counted if labels["verb"] in WRITES and labels["resource"] in WRITTEN))


async def settled(operator: Operator, objects: int, seconds: float = 300) -> None:
    """Once it is ready, has planned for each object, and nothing waits for it."""
    async with asyncio.timeout(seconds), httpx.AsyncClient(base_url=operator.url, trust_env=False) as client:
        while not await _idle(client, objects):
            await asyncio.sleep(0.2)


async def _idle(client: httpx.AsyncClient, objects: int) -> bool:
    try:
        if not (await client.get("/readyz")).is_success:
            return False
        text = (await client.get("/metrics")).text
    except httpx.TransportError:
        return False
    done = sum(n for _, n in samples(text, "angarium_operator_reconciliations_total"))
    return done >= objects and samples(text, "angarium_operator_queue_depth")[0][1] == 0


async def live(link: Link, key: str, generation: int) -> None:
    """Once each pod that lives has applied the record of that generation."""
    stored = 0
    while not stored:
        text = await link.call("HGET", ConfigKeys().records, key)
        revision, document = split_record(text)
        if RECORD.validate_json(document).generation >= generation:
            stored = revision
        else:
            await asyncio.sleep(LOOK)
    while any(pod.applied.revision < stored for pod in await read_live(link)):
        await asyncio.sleep(LOOK)
