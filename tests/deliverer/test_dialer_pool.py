"""The pool of connections: warm ones are used again, and there are never more than the process may have files."""

import asyncio
import resource
from pathlib import Path

import pytest
from tests.deliverer.conftest import LOCAL
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request

from angarium_deliverer import dialer as dialing
from angarium_deliverer.dialer import Dialer, idle_connections

FILES = Path("/proc/self/fd")


def open_files() -> int:
    """How many this process has open."""
    return len(list(FILES.iterdir()))


async def post(dialer: Dialer, host: str, port: int, body: bytes = b"{}") -> int:
    """The status."""
    return (await dialer.post(f"http://{host}:{port}/", [], body, timeout=20, in_cluster=False)).status


@pytest.mark.skipif(not FILES.is_dir(), reason="needs the whole of 127.0.0.0/8, and counts files the Linux way")
async def test_many_destinations_share_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "idle_connections", lambda: 8)
    async with Receiver(host="0.0.0.0") as receiver, Dialer(LOCAL) as dialer:  # noqa: S104 - all of this machine's
        before = open_files()
        for number in range(200):
            assert await post(dialer, f"127.0.1.{number + 1}", receiver.port) == 204
        assert receiver.connections == 200
        while open_files() > before + 2 * 8:  # both ends are this process's
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("limit", "kept"), [(resource.RLIM_INFINITY, 1024), (1_048_576, 1024), (1024, 256), (256, 64), (1, 1)]
)
def test_files_bound_the_pool(monkeypatch: pytest.MonkeyPatch, limit: int, kept: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert idle_connections() == kept


async def test_connections_come_and_go_while_others_stay(dialer: Dialer) -> None:
    """Numbers of closed sockets are given to new ones: what was known of the old ones must not be held against them."""

    async def now_and_then(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(NO_CONTENT)
        if request.body == b"bye":
            writer.close()

    async with Receiver(now_and_then) as one, Receiver(now_and_then) as other:
        for turn in range(60):
            ends = [
                post(dialer, "127.0.0.1", each.port, b"bye" if (turn + number) % 3 == 0 else b"{}")
                for number in range(5)
                for each in (one, other)
            ]
            assert await asyncio.gather(*ends) == [204] * 10
            if turn % 4 == 0:
                await asyncio.sleep(0)
    assert one.connections > 5


async def test_an_idle_connection_that_is_closed_is_watched_no_more(dialer: Dialer) -> None:
    """Else the event loop would wake up for it again and again."""
    leave = asyncio.Event()

    async def hang_up_later(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(NO_CONTENT)
        await leave.wait()
        writer.close()

    loop = dialer._pools[False].loop
    async with Receiver(hang_up_later) as receiver:
        assert await post(dialer, "127.0.0.1", receiver.port) == 204
        watched = set(loop._registered)
        leave.set()
        async with asyncio.timeout(30):
            while set(loop._registered) == watched:
                await asyncio.sleep(0)
