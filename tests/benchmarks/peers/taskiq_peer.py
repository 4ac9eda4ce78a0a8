"""taskiq on a Redis stream, 64 at once in one worker process, no results."""

import asyncio
import sys

from taskiq_redis import RedisStreamBroker
from tests.benchmarks.peers.webhook import BODY, REDIS_URL, Client


async def deliver(text: str) -> None:
    """One job."""
    await Client.post(text)


broker = RedisStreamBroker(REDIS_URL)
task = broker.task(task_name="deliver")(deliver)


async def fill(count: int) -> None:
    """So many jobs."""
    await broker.startup()
    for _ in range(count):
        await task.kiq(BODY)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(fill(int(sys.argv[1])))
