"""Who lives: each pod beats once a second and says which config it has applied.

A deliverer that fell silent has lost what it held to the others. Whoever judges measures silence by its own clock, from
the moment at which it saw a beat: Redis's may jump. And it must have listened without a break: while Redis was away,
nobody could beat.
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
    """Beats for one pod, and listens to the others of its role."""

    def __init__(self, link: Link, role: str, pod: str, applied: Callable[[], Applied], prefix: str = "ang") -> None:
        self._link = link
        self._role, self._pod = role, pod
        self._applied = applied
        self._keys = ConfigKeys(prefix)
        self._left = False
        self._now = asyncio.Event()
        self._since: float | None = None  # when the beats without a break began
        self._heard: dict[str, tuple[str, float]] = {}  # by pod: its last beat, and when we first saw it
        self.steady = False  # whether this pod may judge others
        # Those of its role whose work may be taken over. Judged with a beat, not between two: while Redis is away all
        # are silent.
        self.dead: tuple[str, ...] = ()

    @property
    def known(self) -> set[str]:
        """Pods of the same role that live, or are not forgotten yet."""
        return {self._pod, *self._heard}

    def _silent(self, seconds: float, now: float) -> list[tuple[str, str]]:
        return [(pod, beat) for pod, (beat, seen) in self._heard.items() if now - seen >= seconds]

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
        forgotten = [text for pair in self._silent(FORGOTTEN_AFTER, began) for text in pair]
        try:
            others = await BEAT.run(
                self._link,
                [self._keys.beats, self._keys.applied],
                [self._role, self._pod, self._applied().json(), *forgotten],
            )
        except (StorageUnavailable, StorageFull):
            self._unsteady()
            return
        except StorageRefused:
            log.exception("this pod can't say that it lives")
            self._unsteady()
            return
        if now() - began > INTERVAL:
            self._unsteady()  # the others may have been held up for longer
        self._hear(dict(zip(others[::2], others[1::2], strict=True)), now())

    def _hear(self, beats: dict[bytes, bytes], now: float) -> None:
        self._since = now if self._since is None else self._since
        self.steady = now - self._since >= DEAD_AFTER
        heard = {pod.decode(): beat.decode() for pod, beat in beats.items()}
        self._heard = {
            pod: before if (before := self._heard.get(pod)) and before[0] == beat else (beat, now)
            for pod, beat in heard.items()
        }
        self.dead = tuple(pod for pod, _ in self._silent(DEAD_AFTER, now))

    def _unsteady(self) -> None:
        self._since, self.steady, self._heard, self.dead = None, False, {}, ()

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
