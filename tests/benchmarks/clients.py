"""What one delivery costs an HTTP client: CPU µs (user and system) of a POST of 1 KiB with 7 headers, answered by 204.

    .venv/bin/python -m tests.benchmarks.clients [--rounds 5] [--seconds 1]

The receiver runs in a process of its own; the clients take turns in every round, and the medians are printed.

2026-11-21, 2 busy cores (compare, don't quote), Python 3.11, aiohttp 3.14.5, pycurl 7.49 with libcurl 8.23:

    in flight                      1      16     128
    aiohttp on uvloop          117.2    77.6    84.9
    aiohttp on asyncio         148.9    82.9    77.4
    AsyncCurlMulti on uvloop    65.3    52.7    53.9
    AsyncCurlMulti on asyncio  104.7    55.7    60.2
    our Dialer on uvloop        47.8    31.4    31.6
    our Dialer on asyncio       73.6    34.2    32.2

So libcurl does the HTTP. The other reason is the guard: libcurl hands over each address it is about to connect to.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from multiprocessing.connection import Connection
from typing import cast

import aiohttp
import certifi
import pycurl
import uvloop

from angarium.egress import EgressPolicy
from angarium_deliverer.dialer import Dialer, header_lines
from angarium_deliverer.exchange import BASE_HEADERS, Exchange

BODY = b'{"type": "order.paid", "data": "' + b"x" * 990 + b'"}'
IN_FLIGHT = (1, 16, 128)
Post = Callable[[], Awaitable[None]]


def headers() -> list[tuple[str, str]]:
    """As a webhook has them; the time changes, so that nobody can keep them ready."""
    now = time.time_ns()
    return [
        ("content-type", "application/json"),
        ("user-agent", "Angarium/0.2"),
        ("webhook-id", f"dlv_01KAH6ABCDEFGHJKMNPQRSTV00_{now % 97}"),
        ("webhook-timestamp", str(now // 10**9)),
        ("webhook-signature", f"v1,{now}K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
        ("x-tenant", "acme"),
        ("x-environment", "production"),
    ]


class Receiver(asyncio.Protocol):
    """Answers a request when its body of known length is complete; does nothing else."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.seen = b""

    def data_received(self, data: bytes) -> None:
        """Requests come one at a time on a connection."""
        self.seen += data
        if self.seen.endswith(b'x"}'):
            self.seen = b""
            self.transport.write(b"HTTP/1.1 204 No Content\r\nserver: sink\r\n\r\n")


def receive(ready: Connection) -> None:
    """The receiver's process: tells its port and runs until it is ended."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


@asynccontextmanager
async def with_aiohttp(url: str) -> AsyncIterator[Post]:
    """aiohttp's client as the fastest settings have it."""
    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
    timeout = aiohttp.ClientTimeout(total=15)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
    ) as session:

        async def post() -> None:
            async with session.post(url, data=BODY, headers=dict(headers()), allow_redirects=False) as response:
                await response.content.read(16384)
                assert response.status == 204

        yield post


@asynccontextmanager
async def with_async_curl_multi(url: str) -> AsyncIterator[Post]:
    """pycurl by the wrapper that it brings, with a guard, and handles that are used again."""
    idle: list[Exchange] = []
    policy, parsed = EgressPolicy(["127.0.0.1/32"]), pycurl.CurlUrl(url)

    async with pycurl.AsyncCurlMulti() as multi:

        async def post() -> None:
            exchange = idle.pop() if idle else Exchange(policy.check, certifi.where(), lambda _: None)
            exchange.prepare(parsed, [*BASE_HEADERS, *header_lines(headers())], BODY, 15, None)
            await multi.perform(exchange.curl)
            assert exchange.answer(0, "", 0).status == 204
            exchange.forget(len(BODY))
            idle.append(exchange)

        yield post


@asynccontextmanager
async def with_dialer(url: str) -> AsyncIterator[Post]:
    """What the deliverer uses."""
    async with Dialer(EgressPolicy(["127.0.0.1/32"])) as dialer:

        async def post() -> None:
            answer = await dialer.post(url, headers(), BODY, timeout=15, in_cluster=False)
            assert answer.status == 204

        yield post


Client = Callable[[str], AbstractAsyncContextManager[Post]]
CLIENTS: dict[str, Client] = {
    "aiohttp": with_aiohttp,
    "AsyncCurlMulti": with_async_curl_multi,
    "our Dialer": with_dialer,
}


async def cost(client: Client, url: str, in_flight: int, seconds: float) -> float:
    """CPU µs of a delivery, with `in_flight` at a time, once all connections are open."""
    async with client(url) as post:
        await asyncio.gather(*[post() for _ in range(in_flight)])
        ends, count = time.monotonic() + seconds, 0

        async def repeat() -> None:
            nonlocal count
            while time.monotonic() < ends:
                await post()
                count += 1

        before = os.times()
        await asyncio.gather(*[repeat() for _ in range(in_flight)])
        after = os.times()
    return (after.user + after.system - before.user - before.system) / count * 1e6


def measure(url: str, rounds: int, seconds: float) -> dict[tuple[str, str, int], float]:
    """Medians by client, loop and number in flight."""
    figures: dict[tuple[str, str, int], list[float]] = {}
    for _ in range(rounds):
        for in_flight in IN_FLIGHT:
            for loop, run in (("uvloop", uvloop.run), ("asyncio", asyncio.run)):
                for name, client in CLIENTS.items():
                    figure = run(cost(client, url, in_flight, seconds))
                    figures.setdefault((name, loop, in_flight), []).append(figure)
    return {key: statistics.median(values) for key, values in figures.items()}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="CPU of one delivery, by HTTP client")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(there,), daemon=True)
    receiver.start()
    try:
        medians = measure(f"http://127.0.0.1:{here.recv()}/hooks", options.rounds, options.seconds)
    finally:
        receiver.terminate()
        receiver.join()
    print(f"{'CPU µs for each delivery':32}" + "".join(f"{n:>8}" for n in IN_FLIGHT) + "  in flight")
    for name in CLIENTS:
        for loop in ("uvloop", "asyncio"):
            cells = "".join(f"{medians[name, loop, n]:8.1f}" for n in IN_FLIGHT)
            print(f"{name + ' on ' + loop:32}{cells}")


if __name__ == "__main__":
    main()
