"""What a shard is told of limits, from config records."""

from collections.abc import Callable, Mapping
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.deliverer.world import callback

from angarium.config import ConfigTail
from angarium.queue import Queue, Upkeep, pace
from angarium.records import CallbackRecord, OrganizationRecord
from angarium.settings import RedisSettings
from angarium_deliverer.limiter import Limiter, limit_of
from angarium_deliverer.recoverer import Recoverer
from angarium_deliverer.relay import Relay
from angarium_deliverer.service import reading


@given(
    requests=st.integers(1, 5000),
    period=st.floats(0.1, 86_400.0),
    spread=st.integers(1, 4),
)
def test_no_period_sees_more_attempts_than_requested(requests: int, period: float, spread: int) -> None:
    """The most a shard lets through: a burst that was saved up, and then one for each interval."""
    interval, burst = pace(requests, period, spread)
    later = int((period * 1e6 - 1) // interval)  # begun after the burst, before the period is over
    share = max(1, requests // spread)
    assert burst + later <= share
    if requests >= spread:
        assert (burst + later) * spread <= requests


@given(requests=st.integers(1, 5000), spread=st.integers(1, 4))
def test_a_rate_is_nearly_used(requests: int, spread: int) -> None:
    interval, _ = pace(requests, 60.0, spread)
    most = 60e6 / interval * spread
    assert most >= requests * 0.45  # a share is rounded down to whole requests, and the burst is kept back
    assert most <= requests + 1


def test_no_rate_no_pace() -> None:
    assert pace(None, 1.0, 1) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "spread", "text"),
    [
        ({}, 1, ""),
        ({}, 4, "25 0 0"),
        ({"max_in_flight": 5}, 1, "5 0 0"),
        ({"max_in_flight": 2}, 4, "1 0 0"),
        ({"rate_requests": 10, "rate_period_s": 1.0}, 1, "100 100000 1"),
        ({"suspended": True, "max_in_flight": 5}, 1, "0 0 0"),
        ({"disabled": "gone", "suspended": True}, 1, "1000000 0 0"),
    ],
)
def test_what_is_told_of_a_callback(fields: dict[str, object], spread: int, text: str) -> None:
    limit = limit_of(callback("a", "http://127.0.0.1/", **fields), spread)
    assert limit is not None
    assert limit.text == text


@pytest.mark.parametrize(("weight", "text"), [(1, ""), (5, "5")])
def test_what_is_told_of_an_organization(weight: int, text: str) -> None:
    record = OrganizationRecord(
        namespace="shop", name="eu", id="org_eu", product_id="prd_shop", product="shop/shop", weight=weight
    )
    limit = limit_of(record, 4)
    assert limit is not None
    assert (limit.name, limit.tenant, limit.text) == ("org_eu", "", text)


class Config:
    """A config of one callback."""

    revision = 1

    def __init__(self, record: CallbackRecord) -> None:
        self._record = record

    def listen(self, listener: Callable[[Mapping[str, CallbackRecord]], None]) -> None:
        """Tell what there is."""
        listener({self._record.key: self._record})


class Reader:
    """Stands where the relay does: notes which shards know the callback's limit whenever they are read."""

    def __init__(self, queue: Queue, upkeep: Upkeep, callback: str) -> None:
        self._queue, self._upkeep, self._callback = queue, upkeep, callback
        self.read: list[list[bool]] = []

    async def own(self) -> None:
        """There is nothing from before."""

    async def step(self) -> float:
        """Read all shards."""
        self.read.append([self._callback in await self._upkeep.limited(keys) for keys in self._queue.shards])
        return 0.0


async def test_no_shard_is_read_before_it_knows_the_limits(redis_settings: RedisSettings) -> None:
    one = callback("ordered", "http://127.0.0.1:1/", max_in_flight=1)
    async with Queue(redis_settings, 1) as queue:
        upkeep = Upkeep(queue, "d-1")
        limiter, reader = Limiter(queue, upkeep), Reader(queue, upkeep, one.id)
        limiter.follow(cast("ConfigTail", Config(one)))
        step = reading(limiter, cast("Recoverer", reader), cast("Relay", reader))
        await step()
        queue.follow([4], [4])
        await step()
    assert reader.read == [[True], [True] * 4]
