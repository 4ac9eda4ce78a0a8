"""Processes under test: started, pinned to a core, and asked what CPU they have used.

Where there is no /proc (macOS), `ps` is asked, and nothing is pinned: figures are rougher there.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, 1
READY_S = 30.0
TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc/self/stat").exists()
PINS = PROC and (os.cpu_count() or 1) > 1


class NotReady(RuntimeError):
    """A process ended, or did not begin to serve in time."""


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used: user and system, all its threads."""
    if not PROC:
        return _seconds(_ps("-o", "time=", "-p", str(pid)))
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def tree_cpu_seconds(pid: int) -> float:
    """Its own and that of all processes below it that live."""
    return cpu_seconds(pid) + sum(tree_cpu_seconds(child) for child in children(pid))


def children(pid: int) -> list[int]:
    """The processes that it has started, and that live."""
    if not PROC:
        pairs = [line.split() for line in _ps("-axo", "pid=,ppid=").splitlines()]
        return [int(child) for child, parent in pairs if int(parent) == pid]
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text(encoding="ascii").split()]


def descendants(pid: int) -> list[int]:
    """All below it."""
    return [below for child in children(pid) for below in (child, *descendants(child))]


def resident_mib(pid: int) -> float:
    """Memory that a process holds."""
    if not PROC:
        return int(_ps("-o", "rss=", "-p", str(pid))) / 1024
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def _seconds(clock: str) -> float:
    """Of `1-02:03:04` or `3:04.56`."""
    days, _, rest = clock.rpartition("-")
    seconds = 0.0
    for part in rest.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + int(days or 0) * 86_400


def pin(pid: int, core: int | None) -> None:
    """Keep a process to one core, where there are two; with the threads that it has now, and those it will have."""
    if core is None or not PINS:
        return
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {core})  # type: ignore[attr-defined,unused-ignore]  # Linux has it


@contextlib.contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], core: int | None, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own, ended with all below it. What it says of errors goes to BENCH_LOG, where that is set."""
    with Path(os.environ.get("BENCH_LOG", os.devnull)).open("ab") as log:
        child = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log, cwd=folder)
    pin(child.pid, core)
    try:
        yield child
    finally:
        below = descendants(child.pid) if child.poll() is None else []
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(15)
        for pid in (child.pid, *below) if child.poll() is None else below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        child.wait()


@contextlib.contextmanager
def python(module: str, environment: Mapping[str, str], core: int | None) -> Iterator[subprocess.Popen[bytes]]:
    """A module of this environment, in a process of its own."""
    with running([sys.executable, "-m", module], environment, core) as child:
        yield child


def until_ready(child: subprocess.Popen[bytes], url: str) -> None:
    """Until `url` answers 200."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if child.poll() is not None:
            raise NotReady(f"{child.args!r} ended with {child.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise NotReady(f"{child.args!r} is not ready after {READY_S:.0f} s")


@contextlib.asynccontextmanager
async def started(module: str, environment: dict[str, str], port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A service in a process of its own, once it is ready; for those who measure from within a loop."""
    with python(module, environment, None) as child:
        await asyncio.to_thread(until_ready, child, f"http://127.0.0.1:{port}/readyz")
        yield child
