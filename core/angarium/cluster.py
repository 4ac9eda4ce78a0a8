"""A Redis Cluster: a wire for each master, and a map of slots that says which of them a call goes to.

The map is read at start and whenever it is doubted: a wire broke, a server answered MOVED, a slot is on its way. Calls
wait meanwhile, each until its own deadline; those of other masters go on.

ASK is not followed. While the keys of a slot are moved one by one, a script would find some of its shard here and some
there; so its calls wait until the slot has one home again.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError

from angarium.errors import StorageUnavailable
from angarium.redis_url import Place, ask
from angarium.slots import Command, slot_of
from angarium.wire import AWAY, Call, Keeper, Wire

log = logging.getLogger(__name__)
PAUSE = 0.1  # s between two readings of the map
Homes = list[Place | None]  # by slot
WireTo = Callable[[Place, Keeper], Wire]
ConnectionTo = Callable[[Place], AbstractConnection]


class Cluster:
    """`wire_to` makes the wire to a server, `connection_to` a connection to ask for the map."""

    def __init__(self, seeds: tuple[Place, ...], wire_to: WireTo, connection_to: ConnectionTo) -> None:
        self._wire_to, self._connection_to = wire_to, connection_to
        self._seeds = seeds
        self._nodes: set[Place] = set()  # replicas, too
        self._homes: Homes = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._wires: dict[Place, Wire] = {}
        self._homeless: list[Call] = []
        self._doubted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._mapped = False

    @property
    def up(self) -> bool:
        """Whether any part of it answers."""
        return self._mapped and (not self._wires or any(wire.up for wire in self._wires.values()))

    def reaches(self, command: Command) -> bool:
        """Whether the master that serves this command is known, and not known to be away."""
        if not self._nodes:
            return True  # nothing is known yet
        home = self._home(slot_of(command))
        return home is not None and (home not in self._wires or not self._wires[home].away)

    def answering(self) -> list[Wire]:
        """Of each master that is not away."""
        wires = [self._wire(home) for home in dict.fromkeys(self._homes) if home]
        return [wire for wire in wires if not wire.away]

    def start(self) -> None:
        """Read the map in the background; wires are made when they are needed."""
        self._doubted.set()
        self._task = asyncio.create_task(self._run(), name="redis-cluster")

    async def close(self) -> list[Call]:
        """Disconnect; the calls that have no answer."""
        while self._task and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.1)
        left = await asyncio.gather(*[wire.close() for wire in self._wires.values()])
        return [*self._homeless, *[call for calls in left for call in calls]]

    def add(self, call: Call, command: Command) -> None:
        """Send it to the master of its slot."""
        call.slot = slot_of(command)
        self._send(call)

    def expire(self, now: float, error: Exception) -> bool:
        """Tell those who have waited too long; whether others wait."""
        for call in self._homeless:
            if call.deadline <= now:
                call.fail(error)
        self._homeless = [call for call in self._homeless if not call.future.done()]
        open_ = [wire.expire(now, error) for wire in self._wires.values()]
        return bool(self._homeless) or any(open_)

    def misplaced(self, wire: Wire, call: Call, error: Exception) -> None:
        """See Keeper. MOVED says where to; all else waits for the next map."""
        if isinstance(error, MovedError) and call.slot is not None:
            here = next((place for place, known in self._wires.items() if known is wire), None)
            host = error.host or (here.host if here else "")
            self._homes[call.slot] = Place(host, int(error.port))
            self._send(call)
        elif call.patient:
            self._homeless.append(call)
        else:
            call.fail(StorageUnavailable(str(error)))
        self.doubt()

    def doubt(self) -> None:
        """Read the map again."""
        self._doubted.set()

    def _home(self, slot: int | None) -> Place | None:
        if slot is not None:
            return self._homes[slot]
        masters = [home for home in dict.fromkeys(self._homes) if home]
        return next(
            (home for home in masters if home in self._wires and self._wires[home].up), next(iter(masters), None)
        )

    def _send(self, call: Call) -> None:
        home = self._home(call.slot)
        if home:
            self._wire(home).add(call)
        else:
            self._homeless.append(call)
            self.doubt()

    def _wire(self, home: Place) -> Wire:
        wire = self._wires.get(home)
        if wire is None:
            wire = self._wires[home] = self._wire_to(home, self)
            wire.start()
        return wire

    async def _run(self) -> None:
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            try:
                self._homes = await self._read_map()
            except AWAY as error:
                if self._mapped or not self._nodes:
                    log.warning("the map of the cluster can't be read", extra={"error": str(error)})
                self._mapped = False
                self._doubted.set()
            else:
                self._mapped = True
                await self._rehome()
            await asyncio.sleep(PAUSE)

    async def _rehome(self) -> None:
        """Send on what waits in the wrong place, and leave those that are masters no more."""
        calls, self._homeless = self._homeless, []
        for place in set(self._wires).difference(filter(None, self._homes)):
            calls += await self._wires.pop(place).close()
        for place, wire in self._wires.items():
            calls += wire.take(partial(self._lives_elsewhere, place))
        for call in calls:
            if not call.future.done():
                self._send(call)

    def _lives_elsewhere(self, place: Place, call: Call) -> bool:
        return call.slot is not None and self._homes[call.slot] != place

    async def _read_map(self) -> Homes:
        """As some node knows it, whichever answers."""
        places = list({*self._seeds, *self._nodes})
        random.shuffle(places)
        away = {place for place, wire in self._wires.items() if wire.away}
        problem: BaseException = RedisConnectionError("no node is known")
        for place in sorted(places, key=lambda place: place in away):
            try:
                return self._parsed(place, await ask(self._connection_to(place), "CLUSTER", "SLOTS"))
            except AWAY as error:
                problem = error
        raise problem

    def _parsed(self, asked: Place, ranges: list[Any]) -> Homes:
        homes: Homes = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, *nodes in ranges:
            places = [Place(host.decode() if host else asked.host, port) for host, port, *_ in nodes]
            homes[first : last + 1] = [places[0]] * (last + 1 - first)
            self._nodes.update(places)
        if not ranges:
            raise RedisConnectionError(f"{asked} knows of no slots")
        return homes
