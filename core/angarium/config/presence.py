"""Who lives: each pod beats once a second and says which config it has applied.

A deliverer that fell silent has lost what it held to the others. Only one that has itself been beating without a break
for as long may say so: after Redis was away, everybody's last beat is old; and so it is when Redis's clock was put
forward.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from angarium import __version__
from angarium.errors import StorageFull, StorageRefused, StorageUnavailable
from angarium.keys import ConfigKeys
from angarium.link import Link
from angarium.lua import Script

log = logging.getLogger(__name__)
BEAT = Script("angarium.config", "beat")
LIVE = Script("angarium.config", "live")
INTERVAL = 1.0  # s
DEAD_AFTER = 3.0  # s
FORGOTTEN_AFTER = 3600.0  # s
JUMP = 1.0  # s that Redis's clock may go otherwise than ours from one beat to the next


@dataclass(frozen=True, slots=True)
class Applied:
    """The config a pod works with; `rejected` are keys of records it could not read (its last good ones are kept)."""

    epoch: str = ""
    revision: int = 0
    rejected: tuple[str, ...] = ()

    def json(self) -> bytes:
        """As it is stored."""
        return orjson.dumps({"e": self.epoch, "r": self.revision, "x": self.rejected, "v": __version__})


@dataclass(frozen=True, slots=True)
class Pod:
    """A live pod. `role` is gateway or deliverer."""

    role: str
    name: str
    applied: Applied = field(default_factory=Applied)


class Presence:
    """Beats for one pod."""

    def __init__(self, link: Link, role: str, pod: str, applied: Callable[[], Applied], prefix: str = "ang") -> None:
        self._link, self._prefix = link, prefix
        self._role, self._pod = role, pod
        self._applied = applied
        self._keys = ConfigKeys(prefix)
        self._left = False
        self.steady = False  # whether this pod may judge others
        self._now = asyncio.Event()
        self._steady_since: float | None = None
        self._ahead = 0.0  # seconds of Redis's clock before our monotonic one
        self.dead: tuple[str, ...] = ()  # pods of the same role whose work may be taken over

    def hurry(self) -> None:
        """Beat at once: something new was applied."""
        self._now.set()

    async def run(self) -> None:
        """Beat until cancelled; survives Redis being away."""
        while True:
            await self.beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self._now.wait()
            self._now.clear()

    async def beat(self) -> None:
        """One beat; none any more after leaving."""
        if self._left:
            return
        now = asyncio.get_running_loop().time
        began = now()
        try:
            redis_ms, silent = await BEAT.run(
                self._link,
                [self._keys.beats, self._keys.applied],
                [self._role, self._pod, self._applied().json(), int(DEAD_AFTER * 1000), int(FORGOTTEN_AFTER * 1000)],
            )
        except (StorageUnavailable, StorageFull):
            self._unsteady()
            return
        except StorageRefused:
            log.exception("this pod can't say that it lives")
            self._unsteady()
            return
        jumped = self._clock_jumped(redis_ms / 1000 - now())
        if self._steady_since is None or now() - began > INTERVAL or jumped:
            self._steady_since = now()  # the others may have been held up for longer
        self.steady = now() - self._steady_since >= DEAD_AFTER
        self.dead = tuple(pod.decode() for pod in silent) if self.steady else ()

    def _clock_jumped(self, ahead: float) -> bool:
        """Whether Redis's clock, by which beats are old, went otherwise than ours since the last beat."""
        jumped = abs(ahead - self._ahead) > JUMP
        self._ahead = ahead
        return jumped

    def _unsteady(self) -> None:
        self._steady_since, self.steady, self.dead = None, False, ()

    async def living(self) -> set[str]:
        """Pods of the same role that live now."""
        return {pod.name for pod in await read_live(self._link, self._prefix) if pod.role == self._role}

    async def leave(self) -> None:
        """Say goodbye, so that nobody waits for this pod."""
        self._left = True
        me = f"{self._role} {self._pod}"
        await self._link.call_many([("ZREM", self._keys.beats, me), ("HDEL", self._keys.applied, me)])


async def read_live(link: Link, prefix: str = "ang") -> list[Pod]:
    """The pods that live now."""
    keys = ConfigKeys(prefix)
    flat = await LIVE.run(link, [keys.beats, keys.applied], [int(DEAD_AFTER * 1000)])
    pods = []
    for member, text in zip(flat[::2], flat[1::2], strict=True):
        role, _, name = member.decode().partition(" ")
        read = orjson.loads(text)
        pods.append(Pod(role, name, Applied(read.get("e", ""), read.get("r", 0), tuple(read.get("x", ())))))
    return pods
