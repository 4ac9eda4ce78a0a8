"""A real `angarium` process and a real receiver for the tests of this folder."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis
from aiohttp import web
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE = 30.0  # s
KEY = Path(".angarium/secrets/shop-angarium/api-key")


def product(name: str = "shop", **spec: str) -> str:
    """YAML of a Product."""
    lines = "".join(f"  {field_}: {value}\n" for field_, value in spec.items())
    return _document("Product", name) + (f"spec:\n{lines}" if lines else "")


def callback(name: str, url: str, events: str = "order.*", **spec: str) -> str:
    """YAML of a Callback of the product shop that retries soon."""
    given = {"productRef": "{name: shop}", "events": f'["{events}"]', "url": url} | spec
    given.setdefault("delivery", "{retry: {schedule: [200ms, 1s, 1s, 1s, 5s]}}")
    return (
        _document("Callback", name) + "spec:\n" + "".join(f"  {field_}: {value}\n" for field_, value in given.items())
    )


def _document(kind: str, name: str) -> str:
    return f"---\napiVersion: angarium.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n"


@dataclass
class Angarium:
    """`angarium …` in a folder of its own, with all that it prints."""

    folder: Path
    process: asyncio.subprocess.Process
    printed: list[str] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: asyncio.Task[None] | None = None

    async def read(self) -> None:
        """Collect what is printed until the end."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.printed.append(line.decode().rstrip("\n"))
            self._more.set()
        self._more.set()

    async def says(self, pattern: str, after: int = 0) -> int:
        """Wait until a line from `after` on matches; the number of the next line."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self._more.clear()
                for number, line in enumerate(self.printed[after:], after):
                    if re.search(pattern, line):
                        return number + 1
                ended = self._reading is not None and self._reading.done()
                assert not ended, f"it ended without {pattern!r}:\n" + "\n".join(self.printed)
                await self._more.wait()

    async def ready(self) -> None:
        """Wait until it tells how to send."""
        await self.says("Send one yourself")
        await self.says("--json")

    def signal_group(self, number: signal.Signals) -> None:
        """As a terminal does on Ctrl-C: to each process."""
        os.killpg(self.process.pid, number)

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
            if self._reading:
                await self._reading
            return code

    async def kill(self) -> None:
        """kill -9 of this one process; its Valkey is left alone."""
        self.process.kill()
        await self.ended()

    @property
    def api_key(self) -> str:
        """Of the product shop."""
        return (self.folder / KEY).read_text()


@asynccontextmanager
async def angarium(folder: Path, *arguments: str) -> AsyncIterator[Angarium]:
    """Run it; whatever it leaves is ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "angarium_cli", *arguments, cwd=folder, start_new_session=True,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    running = Angarium(folder, process)
    running._reading = asyncio.create_task(running.read())
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.ended()


def end_leftover(folder: Path) -> None:
    """End the Valkey that a killed process left in this folder."""
    port = folder / ".angarium/valkey.port"
    if port.exists():
        with (
            suppress(redis.ConnectionError),
            redis.Redis(port=int(port.read_text()), retry=Retry(NoBackoff(), 0)) as client,
        ):
            os.kill(client.info("server")["process_id"], signal.SIGKILL)


@dataclass
class Receiver:
    """Takes webhooks at `url`; `ledger` holds each request that was answered well: (webhook-id, body)."""

    url: str = ""
    failures_left: int = 0
    failure: int = 503  # the status of these
    pause: float = 0.0
    ledger: list[tuple[str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        """One webhook."""
        body = await request.read()
        if self.pause:
            await asyncio.sleep(self.pause)
        if self.failures_left:
            self.failures_left -= 1
            return web.Response(status=self.failure, text="overloaded")
        self.ledger.append((request.headers["webhook-id"], body))
        self.headers.append(dict(request.headers))
        self._more.set()
        return web.Response()

    async def has(self, count: int) -> None:
        """Wait until so many distinct deliveries have arrived."""
        async with asyncio.timeout(PATIENCE):
            while len({name for name, _ in self.ledger}) < count:
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[Receiver]:
    """Serve a receiver on a port of its own."""
    app = web.Application()
    app.router.add_post("/hooks", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        yield receiver
    finally:
        await runner.cleanup()
