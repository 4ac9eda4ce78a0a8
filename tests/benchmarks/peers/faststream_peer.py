"""FastStream on a Redis stream with a consumer group, 64 at once, its logger off (which spares it a tenth)."""

import asyncio
import contextlib
import sys

import redis
import redis.asyncio
from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub
from tests.benchmarks.peers.webhook import AT_ONCE, BODY, REDIS_URL, Client


async def deliver(text: str) -> None:
    """One job."""
    await Client.post(text)


broker = RedisBroker(REDIS_URL, logger=None)
jobs = StreamSub("jobs", group="workers", consumer="one", last_id=">")
broker.subscriber(stream=jobs, max_workers=AT_ONCE)(deliver)
app = FastStream(broker, logger=None)


async def fill(count: int) -> None:
    """So many jobs."""
    async with redis.asyncio.Redis.from_url(REDIS_URL) as client:
        with contextlib.suppress(redis.ResponseError):  # it is there already
            await client.xgroup_create("jobs", "workers", "0", mkstream=True)  # else FastStream begins at the end
    async with broker:
        for _ in range(count):
            await broker.publish(BODY, stream="jobs")


if __name__ == "__main__":
    asyncio.run(fill(int(sys.argv[1])))
