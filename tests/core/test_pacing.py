"""One pace for all pods, in Redis."""

import pytest

from angarium.keys import pace_key
from angarium.queue import Pacing, Queue
from angarium.settings import RedisSettings

HOUR = 3600_000_000  # µs


async def test_so_many_may_go_at_once_and_the_next_when_its_time_has_come(redis_settings: RedisSettings) -> None:
    async with Queue(redis_settings) as queue:
        pacing = Pacing(queue)
        waits = [await pacing.wait("prv_0", HOUR, 3) for _ in range(5)]
    assert waits[:3] == [0.0] * 3
    assert 3500 < waits[4] <= waits[3] <= 3600


async def test_who_is_told_to_wait_costs_the_others_nothing(redis_settings: RedisSettings) -> None:
    async with Queue(redis_settings) as queue:
        pacing = Pacing(queue)
        await pacing.wait("prv_0", HOUR, 1)
        noted = await queue.link.call("GET", pace_key("prv_0"))
        assert await pacing.wait("prv_0", HOUR, 1) > 0
        assert await queue.link.call("GET", pace_key("prv_0")) == noted
        assert await pacing.wait("prv_1", HOUR, 1) == 0.0


async def test_a_clock_that_was_put_back_holds_nobody_up_for_longer_than_the_pace(
    redis_settings: RedisSettings,
) -> None:
    async with Queue(redis_settings) as queue:
        await queue.link.call("SET", pace_key("prv_0"), 10**17)
        assert await Pacing(queue).wait("prv_0", HOUR, 2) == pytest.approx(3600.0)
