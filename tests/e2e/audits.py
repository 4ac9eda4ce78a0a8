"""Redis's own account, read through a port of this machine."""

import asyncio
import base64
import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import SecretStr
from tests.chaos.audit import Stand, held_by, stand, totals
from tests.e2e.commands import PATIENCE_S, RELEASE, SYSTEM, Failed, get, kubectl

from angarium.queue import Queue
from angarium.settings import RedisSettings

T = TypeVar("T")
VALKEY = f"{RELEASE}-valkey-0"
ATTEMPTS = {"warehouse": 6}  # of the example: five retries


@contextmanager
def redis() -> Iterator[str]:
    """The URL of the release's only Valkey, as long as its pod lives: the bundled one, or the test's own."""
    selector = ("-l", "app.kubernetes.io/component=valkey", "-o", "name")
    pod = kubectl("get", "pods", "-n", SYSTEM, *selector).strip()
    command = ("kubectl", "port-forward", "-n", SYSTEM, pod, ":6379")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as forwarding:
        try:
            assert forwarding.stdout is not None
            line = forwarding.stdout.readline()
            if not (told := re.match(r"Forwarding from 127\.0\.0\.1:(\d+)", line)):
                raise Failed(f"kubectl port-forward: {line}")
            secret = get("secret", f"{RELEASE}-redis", "-n", SYSTEM)["data"]["password"]
            yield f"redis://:{base64.b64decode(secret).decode()}@127.0.0.1:{told[1]}/0"
        finally:
            forwarding.terminate()


def ask(question: Callable[[Queue], Awaitable[T]]) -> T:
    """What the queue's own code makes of it."""

    async def answer(url: str) -> T:
        async with Queue(RedisSettings(url=SecretStr(url), timeout=30.0)) as queue:
            return await question(queue)

    with redis() as url:
        return asyncio.run(answer(url))


def held(pods: Iterable[str]) -> set[str]:
    """Deliveries that these deliverers had taken and not settled."""
    names = list(pods)
    return ask(lambda queue: held_by(queue, names))


def quiet() -> float:
    """Wait until nothing waits any more; seconds that took."""
    began = time.monotonic()

    async def wait(queue: Queue) -> int:
        while (waiting := (await totals(queue))[1]) and time.monotonic() - began < PATIENCE_S:
            await asyncio.sleep(0.2)
        return waiting

    if waiting := ask(wait):
        raise Failed(f"{waiting} deliveries still wait after {PATIENCE_S} s")
    return time.monotonic() - began


def account(notifications: Iterable[str]) -> Stand:
    """How each of these stands."""
    wanted = list(notifications)
    return ask(lambda queue: stand(queue, wanted, ATTEMPTS))
