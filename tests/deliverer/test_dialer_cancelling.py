"""Cancelling, closing and doing much at once: nothing is mixed up, nothing is left behind."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.deliverer.conftest import LOCAL
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request, reply

from angarium_deliverer.dialer import Dialer

FILES = Path("/proc/self/fd")


def open_files() -> int:
    """How many this process has open."""
    return len(list(FILES.iterdir()))


async def echo(request: Request, writer: asyncio.StreamWriter) -> None:
    """Send the body back, some a little later."""
    if request.body[-1] % 3 == 0:
        await asyncio.sleep(0.001)
    writer.write(reply(200, request.body))


async def test_a_cancelled_request_is_hung_up(dialer: Dialer) -> None:
    async with Receiver(b"") as receiver:
        task = asyncio.create_task(dialer.post(receiver.url, [], b"{}", timeout=60, in_cluster=False))
        await receiver.came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await receiver.gone.wait()
        assert not dialer._pools[False].loop._waiting


async def test_after_a_cancelled_request_others_go_on(dialer: Dialer) -> None:
    async with Receiver(b"") as silent, Receiver(NO_CONTENT) as receiver:
        for _ in range(5):
            task = asyncio.create_task(dialer.post(silent.url, [], b"{}", timeout=60, in_cluster=False))
            await silent.came.wait()
            task.cancel()
            answer = await dialer.post(receiver.url, [], b"{}", timeout=20, in_cluster=False)
            assert answer.status == 204
        assert receiver.connections == 1


async def test_cancelled_before_it_began(dialer: Dialer) -> None:
    async with Receiver() as receiver:
        task = asyncio.create_task(dialer.post(receiver.url, [], b"{}", timeout=60, in_cluster=False))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert receiver.connections == 0


async def test_each_gets_its_own_answer_whatever_else_is_cancelled(dialer: Dialer) -> None:
    chance = random.Random(7)  # noqa: S311 - the same each time
    async with Receiver(echo) as receiver:

        async def send(number: int) -> bool:
            body = b"%d:" % number + bytes([65 + number % 26]) * (number % 3000 + 1)
            answer = await dialer.post(receiver.url, [], body, timeout=60, in_cluster=number % 2 == 0)
            assert answer.body == body
            return True

        done = 0
        for _ in range(6):
            tasks = [asyncio.create_task(send(number)) for number in range(100)]
            for task in chance.sample(tasks, 30):
                for _ in range(chance.randrange(8)):
                    await asyncio.sleep(0)
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            assert not [end for end in ends if isinstance(end, Exception)]
            done += ends.count(True)
    assert done >= 6 * 70
    assert not any(pool.loop._waiting for pool in dialer._pools.values())


async def test_closing_cancels_what_is_under_way() -> None:
    async with Receiver(b"") as receiver:
        dialer = Dialer(LOCAL)
        tasks = [
            asyncio.create_task(dialer.post(receiver.url, [], b"{}", timeout=60, in_cluster=tier))
            for tier in (False, True)
        ]
        while len(receiver.requests) < 2:
            await asyncio.sleep(0)
        await dialer.aclose()
        await dialer.aclose()
        assert [task.cancelled() for task in tasks] == [True, True]
        await receiver.gone.wait()
        with pytest.raises(RuntimeError, match="closed"):
            await dialer.post(receiver.url, [], b"{}", timeout=1, in_cluster=False)


@pytest.mark.skipif(not FILES.is_dir(), reason="counts files the Linux way")
async def test_closing_leaves_no_file_open() -> None:
    async with Receiver(NO_CONTENT) as receiver:
        before = open_files()
        for _ in range(3):
            async with Dialer(LOCAL) as dialer:
                await asyncio.gather(
                    *[dialer.post(receiver.url, [], b"{}", timeout=20, in_cluster=False) for _ in range(20)]
                )
        while open_files() > before:  # until the receiver's side has closed, too
            await asyncio.sleep(0.001)


async def test_two_dialers_live_side_by_side() -> None:
    async with Receiver(NO_CONTENT) as receiver, Dialer(LOCAL) as one, Dialer(LOCAL) as other:
        posts = [each.post(receiver.url, [], b"", timeout=20, in_cluster=False) for each in (one, other) * 5]
        assert {answer.status for answer in await asyncio.gather(*posts)} == {204}
