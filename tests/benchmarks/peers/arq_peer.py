"""arq on Redis, 64 at once, no results kept."""

import asyncio
import sys
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from tests.benchmarks.peers.webhook import AT_ONCE, BODY, REDIS_URL, Client


async def deliver(_: dict[str, Any], text: str) -> None:
    """One job."""
    await Client.post(text)


class WorkerSettings:
    """What `arq` reads."""

    functions = (deliver,)
    redis_settings = RedisSettings.from_dsn(REDIS_URL)
    max_jobs = AT_ONCE
    keep_result = 0
    log_results = False


async def fill(count: int) -> None:
    """So many jobs."""
    pool = await create_pool(WorkerSettings.redis_settings)
    for _ in range(count):
        await pool.enqueue_job("deliver", BODY)
    await pool.aclose()


if __name__ == "__main__":
    asyncio.run(fill(int(sys.argv[1])))
