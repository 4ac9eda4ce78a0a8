"""The least that is an HTTP receiver, in a process of its own: counts requests and answers 204."""

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import cast

import uvloop
from tests.benchmarks.processes import LOAD_CORE, pin

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
POLL_S = 0.005
STALLED_S = 60.0
SETTLED_S = 0.3


class Receiver(asyncio.Protocol):
    """Requests come one at a time on a connection."""

    count: "Synchronized[int]"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._seen = b""

    def data_received(self, data: bytes) -> None:
        """Count each whole request, and answer."""
        seen = self._seen = self._seen + data if self._seen else data
        head = seen.find(b"\r\n\r\n")
        if head < 0 or len(seen) < head + 4 + content_length(seen[:head]):
            return
        self._seen = b""
        self.arrived(seen)
        self._transport.write(ANSWER)

    def arrived(self, request: bytes) -> None:
        """What to do with one."""
        self.count.get_obj().value += 1  # one writer needs no lock


def content_length(head: bytes) -> int:
    """What the head says of the body."""
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])


class Sink:
    """The receiver as those who measure see it."""

    def __init__(self, port: int, count: "Synchronized[int]") -> None:
        self.url = f"http://127.0.0.1:{port}/hooks"
        self._count = count

    @property
    def received(self) -> int:
        """So many, since it began."""
        return self._count.get_obj().value

    def now(self) -> float:
        """Seconds, of a clock that only goes forward."""
        return time.perf_counter()

    def rest(self) -> None:
        """Let those that deliver record what they have delivered."""
        time.sleep(SETTLED_S)

    def wait_for(self, count: int) -> None:
        """Until so many came in all; raises TimeoutError when no more come."""
        last, until = self.received, time.monotonic() + STALLED_S
        while last < count:
            time.sleep(POLL_S)
            if (now := self.received) != last:
                last, until = now, time.monotonic() + STALLED_S
            elif time.monotonic() > until:
                raise TimeoutError(f"{count - last} of {count} never came")


def serve(ready: Connection, count: "Synchronized[int]") -> None:
    """The receiver's process: tells its port and runs until it is ended."""

    async def main() -> None:
        Receiver.count = count
        server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0, backlog=1024)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


@contextlib.contextmanager
def sink() -> Iterator[Sink]:
    """A receiver on the load's core."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    count = context.Value("Q", 0)
    process = context.Process(target=serve, args=(there, count), daemon=True)
    process.start()
    try:
        port = here.recv()
        pin(process.pid or 0, LOAD_CORE)
        yield Sink(port, count)
    finally:
        process.terminate()
        process.join()
