"""The caller: raw connections in a process of its own, which is also the receiver where one clock must time both ends.

Closed loop: so many connections, each posts again once it was answered (or once its notification was received).
Open loop: Poisson arrivals at a rate; times count from when a request was due, so that a stall costs all it held up.
"""

import asyncio
import contextlib
import multiprocessing
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, cast

import uvloop
from tests.benchmarks.processes import LOAD_CORE, pin
from tests.benchmarks.sink import ANSWER, content_length

STALLED_S = 60.0
MARK, DIGITS = b'"n":"', 12


@dataclass(frozen=True)
class Target:
    """Whom to post to. The n-th request has the n-th key and the n-th event, round and round."""

    port: int
    keys: tuple[str, ...]
    events: tuple[str, ...] = ("order.paid",)
    path: str = "/v1/notifications"

    def request(self, number: int) -> bytes:
        """1 KiB of data, and an Idempotency-Key of its own."""
        event = self.events[number % len(self.events)]
        body = f'{{"event":"{event}","data":{{"n":"{number:0{DIGITS}d}","text":"{"x" * 990}"}}}}'
        return (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.keys[number % len(self.keys)]}\r\nIdempotency-Key: bench-{number}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


@dataclass(frozen=True)
class Run:
    """What to do. `count` and `seconds`: whichever ends first; `rate`: open loop; `received`: wait for the webhook."""

    target: Target
    connections: int = 64
    count: int = 10**9
    seconds: float = 1e9
    rate: float = 0.0
    received: bool = False
    first: int = 0


@dataclass
class Done:
    """How it went: `answered` well and `bad`, in `took` seconds; `waits`: seconds from due to answered or received."""

    answered: int = 0
    bad: int = 0
    took: float = 0.0
    waits: list[float] = field(default_factory=list)


class Caller(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, session: "Session") -> None:
        self._session, self._seen = session, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes) -> None:
        """The next one."""
        self._transport.write(request)

    def close(self) -> None:
        """No more."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Until an answer is whole."""
        seen = self._seen = self._seen + data if self._seen else data
        head = seen.find(b"\r\n\r\n")
        if head < 0:
            return
        length = content_length(seen[:head]) if b"ength:" in seen[:head] else 0
        if len(seen) >= head + 4 + length:
            self._seen = b""
            self._session.answered(self, seen[9:12] in {b"202", b"204"})

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody hangs up on us but in an error."""
        self._session.lost()


class Session:
    """One run."""

    def __init__(self, run: Run) -> None:
        self._run, self._next, self.done = run, run.first, Done()
        self._due: dict[int, float] = {}  # by number, of those under way
        self._asked: dict[Caller, int] = {}
        self._idle: deque[Caller] = deque()
        self._waiting: deque[int] = deque()  # due, with no connection free
        self._owed = 0  # to be posted once a connection is free
        self._ended, self._closing = asyncio.Event(), False
        self._began = self._until = 0.0

    async def go(self) -> Done:
        """To its end."""
        loop = asyncio.get_running_loop()
        callers: list[Caller] = []
        for _ in range(self._run.connections):
            _, caller = await loop.create_connection(lambda: Caller(self), "127.0.0.1", self._run.target.port)
            callers.append(caller)
        self._began = time.perf_counter()
        self._until = self._began + self._run.seconds
        self._idle.extend(callers)
        if self._run.rate:
            await self._arrive()
        else:
            while self._idle:
                self._again()
        async with asyncio.timeout(STALLED_S + self._run.seconds if self._run.seconds < 1e9 else 600):
            while self._due or self._asked:
                self._ended.clear()
                await self._ended.wait()
        self.done.took = time.perf_counter() - self._began
        self._closing = True
        for caller in callers:
            caller.close()
        return self.done

    async def _arrive(self) -> None:
        numbers = random.Random(7)  # noqa: S311 - it is a load
        at = self._began
        while (
            self._next - self._run.first < self._run.count
            and (at := at + numbers.expovariate(self._run.rate)) < self._until
        ):
            if (wait := at - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            self._due[self._next] = at
            self._waiting.append(self._next)
            self._next += 1
            self._send()

    def _again(self) -> None:
        """Closed loop: one ended, so another begins."""
        now = time.perf_counter()
        if now >= self._until or self._next - self._run.first >= self._run.count:
            self._idle.clear()
            return
        self._due[self._next] = now
        self._waiting.append(self._next)
        self._next += 1
        self._send()

    def _send(self) -> None:
        while self._idle and self._waiting:
            caller, number = self._idle.popleft(), self._waiting.popleft()
            self._asked[caller] = number
            caller.send(self._run.target.request(number))

    def answered(self, caller: Caller, good: bool) -> None:
        """By its gateway."""
        number = self._asked.pop(caller)
        self._idle.append(caller)
        if good:
            self.done.answered += 1
        else:
            self.done.bad += 1
        if not self._run.received or not good:
            self._over(number)
        elif self._run.rate:
            self._send()
        elif self._owed:
            self._owed -= 1
            self._again()
        self._ended.set()

    def came(self, number: int) -> None:
        """Its webhook; which may be there before the answer is."""
        if self._run.received and number in self._due:
            self._over(number)

    def _over(self, number: int) -> None:
        self.done.waits.append(time.perf_counter() - self._due.pop(number))
        if self._run.rate:
            self._send()
        elif self._idle:
            self._again()
        else:
            self._owed += 1  # received before it was answered: no connection is free
        self._ended.set()

    def lost(self) -> None:
        """A connection broke."""
        if not self._closing:
            raise ConnectionResetError("the server under test hung up")


class Receiver(asyncio.Protocol):
    """Tells the session which notification a webhook is of."""

    session: Session | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A deliverer came."""
        self._transport, self._seen = cast("asyncio.Transport", transport), b""

    def data_received(self, data: bytes) -> None:
        """Until a request is whole."""
        seen = self._seen = self._seen + data if self._seen else data
        head = seen.find(b"\r\n\r\n")
        if head < 0 or len(seen) < head + 4 + content_length(seen[:head]):
            return
        self._seen = b""
        self._transport.write(ANSWER)
        at = seen.find(MARK) + len(MARK)
        if Receiver.session:
            Receiver.session.came(int(seen[at : at + DIGITS]))


def serve(commands: Connection) -> None:
    """The process: tells its receiver's port, then runs what it is asked to."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Receiver, "127.0.0.1", 0, backlog=1024)
        commands.send(server.sockets[0].getsockname()[1])
        while True:
            run = await asyncio.to_thread(commands.recv)
            session = Receiver.session = Session(run)
            try:
                commands.send(await session.go())
            except (OSError, TimeoutError) as error:
                commands.send(RuntimeError(f"{type(error).__name__} {error}: {session.done.answered} answered"))

    with contextlib.suppress(EOFError, KeyboardInterrupt):
        uvloop.run(main())


class Load:
    """The caller as those who measure see it."""

    def __init__(self, commands: "Connection[Any, Any]", port: int) -> None:
        self._commands, self.receiver = commands, f"http://127.0.0.1:{port}/hooks"
        self._numbers = 0

    def __call__(self, target: Target, during: Callable[[], None] = lambda: None, **how: Any) -> Done:
        """Run, and wait for its end; raises RuntimeError where anything went wrong. `during` is called once it runs."""
        self._numbers += 10**7
        self._commands.send(Run(target, first=self._numbers, **how))
        during()
        done = self._commands.recv()
        if isinstance(done, Exception):
            raise done
        if done.bad or not done.answered:
            raise RuntimeError(f"{done.bad} of {done.answered + done.bad} were refused")
        return cast("Done", done)


@contextlib.contextmanager
def load() -> Iterator[Load]:
    """On the core of the load."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    process.start()
    try:
        port = here.recv()
        pin(process.pid or 0, LOAD_CORE)
        yield Load(here, port)
    finally:
        process.terminate()
        process.join()
