"""How everything talks to Redis: `call`, whatever the URL leads to.

Many callers share few round trips (see wire.py). A Link leads to one server, to the master that Sentinels name at each
(re)connecting, or to all masters of a Cluster, by each command's slot.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from angarium.cluster import Cluster
from angarium.errors import StorageUnavailable
from angarium.lineage import lineage_of
from angarium.redis_url import Kind, Place, RedisUrl
from angarium.sentinels import Sentinels
from angarium.settings import RedisSettings
from angarium.slots import Argument, Command
from angarium.wire import Call, Confirm, ConfirmedWire, Dial, Keeper, Wire

__all__ = ["Argument", "Command", "Confirm", "Link"]


class Servers(Protocol):
    """What a Link sends through."""

    @property
    def up(self) -> bool: ...
    def start(self) -> None: ...
    async def close(self) -> list[Call]: ...
    def add(self, call: Call, command: Command, /) -> None: ...
    def expire(self, now: float, error: Exception) -> bool: ...
    def reaches(self, command: Command, /) -> bool: ...
    def answering(self) -> list[Wire]: ...


class Link:
    """`async with Link(settings):` connects in the background and reconnects for ever."""

    def __init__(self, settings: RedisSettings, timeout: float | None = None, confirm: Confirm | None = None) -> None:
        """`timeout`: seconds a call may take in all; a blocking link's must exceed what its commands block for.

        `confirm`: answer only what replicas have confirmed; else a call raises NotReplicated.
        """
        self.timeout = settings.timeout if timeout is None else timeout
        self.clustered = settings.where.kind is Kind.CLUSTER  # then commands that block need a Link for each shard
        self._servers = _servers(settings, self.timeout, confirm)
        self._sweep: asyncio.TimerHandle | None = None
        self._patient = True  # whether its calls wait while their server is away

    def hasty(self) -> "Link":
        """This link, for calls that had rather fail than wait for a master of a Cluster while others could be asked."""
        return _Hasty(self) if self.clustered else self

    def start(self) -> None:
        """As entering does."""
        self._servers.start()

    async def __aenter__(self) -> "Link":
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        left = await self._servers.close()
        if self._sweep:
            self._sweep.cancel()
        for call in left:
            call.fail(StorageUnavailable("the connection is closed"))

    @property
    def up(self) -> bool:
        """Whether the last exchange went well; in a Cluster, with any of its masters."""
        return self._servers.up

    def reaches(self, key: str) -> bool:
        """False where the master of a Cluster that holds `key` is away: its calls would wait while others needn't."""
        return self._servers.reaches(("EXISTS", key))

    async def call(self, *command: Argument) -> Any:
        """The reply to one command; raises StorageUnavailable, StorageFull, StorageRefused."""
        call = self._begun(command)
        self._servers.add(call, command)
        return await call.future

    async def call_many(self, commands: Iterable[Command]) -> list[Any]:
        """The replies to several commands, sent together."""
        return list(await asyncio.gather(*[self.call(*command) for command in commands]))

    async def call_each(self, *command: Argument) -> list[Any]:
        """The replies of all masters that are not away; there is one, but in a Cluster."""
        calls = []
        for wire in self._servers.answering():
            call = self._begun(command)
            wire.add(call)
            calls.append(call.future)
        return list(await asyncio.gather(*calls)) if calls else [await self.call(*command)]

    def _begun(self, command: Command) -> Call:
        loop = asyncio.get_running_loop()
        packed = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub says a tuple of one
        if self._sweep is None:
            self._sweep = loop.call_later(self.timeout / 4, self._expire)
        return Call(packed, loop.time() + self.timeout, loop.create_future(), self._patient)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        open_ = self._servers.expire(loop.time(), StorageUnavailable("redis did not answer in time"))
        self._sweep = loop.call_later(self.timeout / 4, self._expire) if open_ else None


class _Hasty(Link):
    """Goes through another Link's connections."""

    def __init__(self, other: Link) -> None:
        vars(self).update(vars(other), _sweep=None, _patient=False)


class _Single:
    """One wire for everything."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @property
    def up(self) -> bool:
        return self._wire.up

    def start(self) -> None:
        self._wire.start()

    async def close(self) -> list[Call]:
        return await self._wire.close()

    def add(self, call: Call, _: Command, /) -> None:
        self._wire.add(call)

    def expire(self, now: float, error: Exception) -> bool:
        return self._wire.expire(now, error)

    def reaches(self, _: Command, /) -> bool:
        return True

    def answering(self) -> list[Wire]:
        return [self._wire]


def _servers(settings: RedisSettings, timeout: float, confirm: Confirm | None) -> Servers:
    """`timeout` seconds for each read; redis-py's own default is a silent 5, and it would retry."""
    where, mounted = settings.where, settings.mounted()
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": settings.connect_timeout,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "decode_responses": False,
        "client_name": settings.client_name,
        "maint_notifications_config": None,
    }
    brief = {**options, "socket_timeout": settings.connect_timeout}
    lineage = lineage_of(settings.url.get_secret_value(), where.kind is not Kind.CLUSTER)

    def wire(dial: Dial, keeper: Keeper | None = None) -> Wire:
        return ConfirmedWire(dial, lineage, keeper, confirm) if confirm else Wire(dial, lineage, keeper)

    def current() -> RedisUrl:
        mounted.look()
        return mounted.value

    async def dial(place: Place | None = None) -> AbstractConnection:
        return current().connection(place, **options)

    if where.kind is Kind.CLUSTER:
        return Cluster(
            where.places,
            lambda place, keeper: wire(partial(dial, place), keeper),
            lambda place: current().connection(place, **brief),
        )
    if where.kind is Kind.SENTINEL:
        sentinels = Sentinels(where.places, where.master, lambda place: current().sentinel_connection(place, **brief))

        async def dial_master() -> AbstractConnection:
            return await dial(await sentinels.master())

        return _Single(wire(dial_master))
    return _Single(wire(dial))
