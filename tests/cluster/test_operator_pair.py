"""Two operators, one leader: what becomes of the other's work when one is killed, frozen or told to go.

That no two of them write at a time is read in the API server's audit log, where each has a name of its own.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio
from tests.cluster.conftest import ActAs
from tests.cluster.operating import Stage
from tests.cluster.pair import Pair, pair_of, twice

TAKEOVER = 15  # s, as docs/operations.md promises

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif("KUBEBUILDER_ASSETS" not in os.environ, reason="the audit log is that of a server of our own"),
]


@contextlib.asynccontextmanager
async def changes(stage: Stage) -> AsyncIterator[None]:
    """Somebody changes a Callback without a pause while the body runs."""

    async def change() -> None:
        for number in range(1_000_000):
            spec = {"url": f"https://warehouse.example.com/{number}"}
            await stage.api.patch(stage.named("Callback", "warehouse"), {"spec": spec})
            await asyncio.sleep(0.02)

    task = asyncio.create_task(change())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def shop(stage: Stage) -> None:
    """A product and a callback, Ready."""
    await stage.product()
    await stage.callback()
    await stage.ready("Product", "shop")
    await stage.ready("Callback", "warehouse")


def one_after_the_other(pair: Pair, first: str, second: str) -> None:
    """Nothing by the second came in before the last answer to the first; no object was written twice as it stood."""
    before, after = pair.writes(first), pair.writes(second)
    assert before
    assert after
    assert max(write.answered for write in before) < min(write.received for write in after)
    assert twice([write for write in (*before, *after) if write.right.resource != "events"]) == []


async def test_a_killed_leader_is_succeeded_and_no_change_is_missed(
    stage: Stage,
    act_as: ActAs,
    kubeconfig: Path,
    tmp_path: Path,
    redis_client: redis.asyncio.Redis,
) -> None:
    async with stage.data_plane(), pair_of(stage, act_as, kubeconfig, tmp_path) as pair:
        first = await pair.start("operator-a")
        await pair.led_by("operator-a")
        await pair.start("operator-b")
        await shop(stage)
        await stage.callback("old")
        await stage.ready("Callback", "old")
        key = (await stage.secret("shop-angarium"))["api-key"]
        await first.kill()
        killed = time.monotonic()
        await stage.callback("billing")
        await stage.annotate("Product", "shop", rotate_requested_at="1")
        await stage.api.delete(stage.named("Callback", "old"))
        await pair.led_by("operator-b")
        took = time.monotonic() - killed
        print(f"taken over {took:.1f} s after kill -9")
        assert took < TAKEOVER
        await stage.ready("Callback", "billing")
        await stage.secret("shop-angarium", lambda found: found["data"]["api-key"] != key)
        async with asyncio.timeout(30):
            while await redis_client.hexists("ang:{config}:records", f"callback/{stage.namespace}/old"):
                await asyncio.sleep(0.1)
        one_after_the_other(pair, "operator-a", "operator-b")
        assert twice([*pair.writes("operator-a"), *pair.writes("operator-b")]) == []  # no Event either


async def test_a_frozen_leader_that_wakes_up_writes_nothing_and_stands_by(
    stage: Stage, act_as: ActAs, kubeconfig: Path, tmp_path: Path
) -> None:
    async with stage.data_plane(), pair_of(stage, act_as, kubeconfig, tmp_path) as pair:
        first = await pair.start("operator-a")
        await pair.led_by("operator-a")
        second = await pair.start("operator-b")
        await shop(stage)
        async with changes(stage):
            await pair.wrote("operator-a", 20)
            first.freeze()
            frozen = time.monotonic()
            await pair.led_by("operator-b")
            print(f"taken over {time.monotonic() - frozen:.1f} s after SIGSTOP")
            await pair.wrote("operator-b", 20)
            first.thaw()
            await pair.says("operator-a", leads=False)
            await pair.wrote("operator-b", 60)
            one_after_the_other(pair, "operator-a", "operator-b")
            count = len(pair.writes("operator-a"))
            await second.kill()
            await pair.led_by("operator-a")
            await pair.wrote("operator-a", count + 20)
        await stage.ready("Callback", "warehouse")
        again = pair.writes("operator-a")[count:]
        assert max(write.answered for write in pair.writes("operator-b")) < min(write.received for write in again)


async def test_a_leader_that_is_told_to_go_hands_over_at_once(
    stage: Stage, act_as: ActAs, kubeconfig: Path, tmp_path: Path
) -> None:
    async with stage.data_plane(), pair_of(stage, act_as, kubeconfig, tmp_path) as pair:
        first = await pair.start("operator-a")
        await pair.led_by("operator-a")
        await pair.start("operator-b")
        await shop(stage)
        async with changes(stage):
            await pair.wrote("operator-a", 20)
            handing_over = asyncio.create_task(pair.holders("operator-b"))
            told = time.monotonic()
            first.process.terminate()
            assert (await handing_over)[-2:] == ["", "operator-b"]  # it may have gone before it was looked at
            print(f"handed over {time.monotonic() - told:.1f} s after SIGTERM")
            assert await first.process.wait() == 0
            await pair.wrote("operator-b", 20)
        await stage.ready("Callback", "warehouse")
        one_after_the_other(pair, "operator-a", "operator-b")
