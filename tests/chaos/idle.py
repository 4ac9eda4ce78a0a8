"""`make chaos ARGS=--idle`: what a system with nothing to do asks of Redis.

Each kind of pod runs alone, so that its commands are its own. What is promised is what pods send, which MONITOR tells
from what scripts call; beside it stands what INFO counts, and that is both.
"""

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

import redis.asyncio
from tests.chaos.fleet import Fleet, Valkey
from tests.chaos.plan import DELIVERERS, GATEWAYS
from tests.chaos.run import publish

SETTLED = 8.0  # s until a pod that has just started is idle
MEASURED = 20.0  # s
ALLOWED = 5.0  # commands a second for each pod


async def run(folder: Path) -> bool:
    """Print a table; whether it is within what is allowed."""
    valkey = Valkey(folder)
    await valkey.start()
    try:
        async with redis.asyncio.Redis.from_url(valkey.url) as client:
            seal_key = await publish(valkey.url)
            kept = True
            print("| pods | commands/s each sends | INFO counts, with those in scripts | sent by all, by name | |")
            print("|---|---|---|---|---|")
            for role, pods in (("gateway", GATEWAYS), ("deliverer", DELIVERERS)):
                sent, counted, which = await _measure(
                    client, Fleet(folder, valkey.url, seal_key, redis_clock="", roles=(role,))
                )
                good = sent / pods < ALLOWED
                kept = kept and good
                row = [f"{pods} × {role}", f"{sent / pods:.2f}", f"{counted / pods:.2f}", which]
                print("| " + " | ".join([*row, "kept" if good else "**BROKEN**"]) + " |")
            return kept
    finally:
        await valkey.kill()


async def _measure(client: redis.asyncio.Redis, fleet: Fleet) -> tuple[float, float, str]:
    """Commands a second of all pods: sent, as Redis counts them, and the former by name."""
    sent: Counter[str] = Counter()
    async with fleet:
        await asyncio.sleep(SETTLED)
        before = await _carried_out(client)
        async with client.monitor() as monitor:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MEASURED):
                    while True:
                        seen = await monitor.next_command()
                        if seen["client_type"] != "lua":
                            sent[seen["command"].split()[0].lower()] += 1
        counted = await _carried_out(client) - before - 2  # less what we asked ourselves: INFO and MONITOR
        await fleet.stop()
    names = ", ".join(f"{name} {count / MEASURED:.2f}" for name, count in sent.most_common(8))
    return sent.total() / MEASURED, counted / MEASURED, names


async def _carried_out(client: redis.asyncio.Redis) -> int:
    return int((await client.info("stats"))["total_commands_processed"])
