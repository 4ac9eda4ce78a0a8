"""Does what the plan says to the running system, and remembers what a kill left in flight."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import redis.asyncio
from tests.chaos.fleet import REDIS_CLOCK, Fleet, Valkey
from tests.chaos.plan import Fault, Kind, describe
from tests.chaos.proxy import Proxy
from tests.chaos.receivers import Receiver

FULL = 1_000_000  # bytes: less than what is stored already


@dataclass
class Saboteur:
    """Faults of different kinds overlap; those of the same thing wait for each other."""

    fleet: Fleet
    valkey: Valkey
    proxy: Proxy
    receivers: dict[str, Receiver]
    reached: Callable[[int], Awaitable[None]]
    made: list[tuple[int, str]] = field(default_factory=list)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def run(self, faults: Iterable[Fault]) -> None:
        """Each at its time; returns when the last one is over."""
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await self.reached(fault.at)
                group.create_task(self._make(fault))

    async def _make(self, fault: Fault) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for name in self._concerned(fault):
                await stack.enter_async_context(self._locks.setdefault(name, asyncio.Lock()))
            self.made.append((fault.at, describe(fault)))
            await self._do(fault)

    def _concerned(self, fault: Fault) -> list[str]:
        """What must be in one hand meanwhile, always in the same order."""
        match fault.kind:
            case Kind.KILL_ALL:
                return [*(f"{role} {slot}" for role, slot in self.fleet.places()), "valkey"]
            case Kind.KILL_DELIVERER | Kind.ROLL_DELIVERER | Kind.FREEZE | Kind.CLOCK:
                return [f"deliverer {fault.slot}"]
            case Kind.KILL_GATEWAY | Kind.ROLL_GATEWAY:
                return [f"gateway {fault.slot}"]
            case Kind.KILL_VALKEY | Kind.REDIS_CLOCK | Kind.FULL | Kind.FORGET_SCRIPTS:
                return ["valkey"]
            case Kind.FLAP:
                return ["flapping"]
            case _:
                return ["proxy"]

    async def _do(self, fault: Fault) -> None:
        match fault.kind:
            case Kind.KILL_DELIVERER:
                await self._kill("deliverer", fault)
            case Kind.KILL_GATEWAY:
                await self._kill("gateway", fault)
            case Kind.KILL_ALL:
                await self.kill_all(fault.seconds, same_names=not fault.amount)
            case Kind.ROLL_DELIVERER:
                await self.fleet.replace("deliverer", fault.slot)
            case Kind.ROLL_GATEWAY:
                await self.fleet.replace("gateway", fault.slot)
            case Kind.FREEZE:
                pod = self.fleet.slots["deliverer", fault.slot]
                pod.freeze()
                await asyncio.sleep(fault.seconds)
                pod.thaw()
            case Kind.CLOCK:
                self.fleet.shift(fault.slot, fault.amount)
            case Kind.FLAP:
                await self._flap(fault.seconds)
            case Kind.KILL_VALKEY | Kind.REDIS_CLOCK | Kind.FULL | Kind.FORGET_SCRIPTS:
                await self._trouble_valkey(fault)
            case _:
                await self._disturb(fault)

    async def _trouble_valkey(self, fault: Fault) -> None:
        match fault.kind:
            case Kind.KILL_VALKEY:
                await self._restart_valkey(fault.seconds)
            case Kind.REDIS_CLOCK:
                await self._tell("SET", REDIS_CLOCK, round(fault.amount))
            case Kind.FULL:
                await self._fill(fault.seconds)
            case _:
                await self._tell("SCRIPT", "FLUSH")

    async def _kill(self, role: str, fault: Fault) -> None:
        pod = await self.fleet.kill(role, fault.slot)
        await asyncio.sleep(fault.seconds)
        await self.fleet.start(role, fault.slot, "" if fault.amount else pod.name)

    async def _restart_valkey(self, seconds: float) -> None:
        await self.valkey.kill()
        await asyncio.sleep(seconds)
        await self.valkey.start()

    async def kill_all(self, seconds: float, *, same_names: bool) -> None:
        """Power off, power on."""
        await self.fleet.kill_all()
        await self.restart_all(seconds, same_names=same_names)

    async def restart_all(self, seconds: float, *, same_names: bool) -> None:
        """Valkey is killed too, and all come back."""
        await self._restart_valkey(seconds)
        for (role, slot), pod in list(self.fleet.slots.items()):
            await self.fleet.start(role, slot, pod.name if same_names else "")

    async def _fill(self, seconds: float) -> None:
        await self._tell("CONFIG", "SET", "maxmemory", FULL)
        await asyncio.sleep(seconds)
        await self._tell("CONFIG", "SET", "maxmemory", 0)

    async def _tell(self, *command: str | int) -> None:
        async with redis.asyncio.Redis.from_url(self.valkey.url) as client:
            await client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    async def _flap(self, seconds: float) -> None:
        receiver = self.receivers["flapping"]
        receiver.down = True
        receiver.hang_up()
        await asyncio.sleep(seconds)
        receiver.down = False

    async def _disturb(self, fault: Fault) -> None:
        proxy = self.proxy
        match fault.kind:
            case Kind.DROP_REPLIES:
                proxy.deaf = True
                await asyncio.sleep(fault.seconds)
                proxy.hear()
            case Kind.DELAY:
                proxy.delay = fault.amount
                await asyncio.sleep(fault.seconds)
                proxy.delay = 0.0
            case Kind.TEAR:
                proxy.tear()
            case Kind.HALF_CLOSE:
                proxy.half_close()
            case _:
                proxy.cut()
