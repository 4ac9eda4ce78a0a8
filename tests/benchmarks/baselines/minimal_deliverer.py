"""The least that can be called a deliverer: 64 in flight, signed, and recorded by one Lua call for each batch.

It reads the stream that `bare_gateway` writes, and dials by the same libcurl loop as ours. No retries, no fairness, no
limits, no log, no metrics. Environment: BENCH_REDIS_URL, BENCH_RECEIVER.
"""

import asyncio
import os
import time
from ipaddress import ip_network

import orjson
import uvloop
from pydantic import SecretStr

from angarium.batching import Batcher
from angarium.egress import EgressPolicy
from angarium.link import Link
from angarium.settings import RedisSettings
from angarium.signing import Signer, generate_hmac_key
from angarium_deliverer.dialer import Dialer

STREAM, GROUP, SLOTS = "minimal:stream", "minimal", 64
RECORD = """
for i = 1, #ARGV, 3 do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100000, '*', 'attempt', ARGV[i + 2])
  redis.call('HSET', 'minimal:notification:' .. ARGV[i + 1], 'state', 'delivered')
  redis.call('HINCRBY', KEYS[3], 'delivered', 1)
  redis.call('XACK', KEYS[1], 'minimal', ARGV[i])
  redis.call('XDEL', KEYS[1], ARGV[i])
end
"""
Done = tuple[bytes, str, bytes]  # entry, notification, its attempt as JSON


class Deliverer:
    """One loop that reads, a task for each delivery, a batcher that records."""

    def __init__(self, link: Link, script: bytes, dialer: Dialer) -> None:
        self._link, self._script, self._dialer = link, script, dialer
        self._signer = Signer([generate_hmac_key()])
        self._batcher: Batcher[Done, None] = Batcher(self._record, SLOTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()

    async def run(self, reader: Link) -> None:
        """For ever."""
        while True:
            while (free := SLOTS - len(self._tasks)) == 0:
                self._freed.clear()
                await self._freed.wait()
            reply = await reader.call(
                "XREADGROUP", "GROUP", GROUP, "one", "COUNT", free, "BLOCK", 1000, "STREAMS", STREAM, ">"
            )
            for entry, (_, id_, _, body) in next(iter(dict(reply).values())) if reply else ():
                task = asyncio.create_task(self._deliver(entry, id_.decode(), body))
                self._tasks.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        task.result()
        self._freed.set()

    async def _deliver(self, entry: bytes, id_: str, body: bytes) -> None:
        now = int(time.time())
        headers = [
            ("content-type", "application/json"),
            ("user-agent", "minimal"),
            ("webhook-id", id_),
            ("webhook-timestamp", str(now)),
            ("webhook-signature", self._signer.sign(id_, now, body)),
        ]
        answer = await self._dialer.post(os.environ["BENCH_RECEIVER"], headers, body, timeout=15, in_cluster=False)
        attempt = orjson.dumps({"id": id_, "status": answer.status, "ms": answer.duration * 1000, "at": now})
        await self._batcher.submit((entry, id_, attempt))

    async def _record(self, batch: list[Done]) -> list[None]:
        await self._link.call(
            "EVALSHA",
            self._script,
            3,
            STREAM,
            "minimal:attempts",
            "minimal:counts",
            *[x for item in batch for x in item],
        )
        return [None] * len(batch)


async def main() -> None:
    """Deliver until the process is ended."""
    settings = RedisSettings(url=SecretStr(os.environ["BENCH_REDIS_URL"]))
    policy = EgressPolicy([ip_network("127.0.0.0/8")])
    async with Link(settings) as link, Link(settings, timeout=10) as reader, Dialer(policy) as dialer:
        if not await link.call("EXISTS", STREAM) or not await link.call("XINFO", "GROUPS", STREAM):
            await link.call("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM")
        await Deliverer(link, await link.call("SCRIPT", "LOAD", RECORD), dialer).run(reader)


if __name__ == "__main__":
    uvloop.run(main())
