"""A Secret as a pod has it mounted: a file that follows the object, some time later, as the kubelet does it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

from tests.cluster.api import Object
from tests.cluster.operating import Stage, plain


class Mounted:
    """One Secret, in a folder of its own; each version goes in `delay` (s) after it was written, or at once."""

    def __init__(self, folder: Path, delay: tuple[float, float] = (0.0, 0.0)) -> None:
        folder.mkdir()
        self._folder, self._delay = folder, delay
        self._number = 0
        self.seen: list[Object] = []  # the versions, as they came
        self.changed = asyncio.Event()

    def read(self, name: str) -> str:
        """What the application finds now."""
        return (self._folder / "data" / name).read_text()

    async def follow(self, stage: Stage, name: str) -> None:
        """Until it is cancelled."""
        await stage.until(stage.named("Secret", name), self._came)

    def _came(self, secret: Object) -> bool:
        self.seen.append(secret)
        if self._number == 0:
            self._put(secret)
        else:
            asyncio.get_running_loop().call_later(random.uniform(*self._delay), self._put, secret)  # noqa: S311 - a delay
        return False

    def _put(self, secret: Object) -> None:
        """All keys of a version at once, by a link that is turned over."""
        self._number += 1
        version = self._folder / str(self._number)
        version.mkdir()
        for name, text in plain(secret).items():
            (version / name).write_text(text)
        link = self._folder / "next"
        link.symlink_to(version.name)
        link.replace(self._folder / "data")
        self.changed.set()


@contextlib.asynccontextmanager
async def mounted(
    stage: Stage, folder: Path, name: str, delay: tuple[float, float] = (0.0, 0.0)
) -> AsyncIterator[Mounted]:
    """Mounted while the body runs, from its first version on."""
    mount = Mounted(folder, delay)
    task = asyncio.create_task(mount.follow(stage, name))
    try:
        async with asyncio.timeout(30):
            await mount.changed.wait()
        yield mount
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
