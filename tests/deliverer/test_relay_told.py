"""Nothing is silent: what each attempt and each end leave for people and machines to see."""

import asyncio
import logging

import pytest
from prometheus_client import REGISTRY
from tests.deliverer.receivers import Receiver, reply
from tests.deliverer.world import callback, deliverer, settings, world

from angarium.queue import Ledger
from angarium.settings import RedisSettings
from angarium.telemetry import logs

LABELS = {"product": "shop/shop", "channel": "webhook"}


def attempts(outcome: str) -> float:
    """By the metric, of this process and all tests before."""
    labels = LABELS | {"outcome": outcome, "reason": "http_503"}
    return REGISTRY.get_sample_value("angarium_attempts_total", labels) or 0.0


def dead() -> float:
    """Likewise."""
    return REGISTRY.get_sample_value("angarium_deliveries_settled_total", LABELS | {"status": "dead"}) or 0.0


async def test_each_attempt_is_logged_counted_and_in_the_timeline(
    redis_settings: RedisSettings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_lines", None)  # by way of logging, where caplog listens
    before, ended = (attempts("retry"), attempts("dead")), dead()
    with caplog.at_level(logging.INFO, "angarium_deliverer"):
        async with world(redis_settings) as shop, Receiver(reply(503)) as receiver:
            warehouse = callback("warehouse", receiver.url, retry_schedule_s=(0.01, 0.01))
            await shop.declare(warehouse)
            async with deliverer(settings(shop.redis)):
                posted = await shop.post(warehouse)
                stored = await shop.settled(posted)
            entries = await Ledger(shop.queue).timeline(posted.id)
    expected = [(1, "retry", "http_503"), (2, "retry", "http_503"), (3, "dead", "http_503")]
    assert [(entry["number"], entry["outcome"], entry["reason"]) for entry in entries] == expected
    lines = [vars(record) for record in caplog.records if record.getMessage() == "attempt"]
    assert [(line["attempt"], line["outcome"], line["reason"]) for line in lines] == expected
    assert {line["delivery"] for line in lines} == {stored.deliveries[0].id}
    assert (attempts("retry") - before[0], attempts("dead") - before[1], dead() - ended) == (2, 1, 1)
    assert stored.deliveries[0].reason == "http_503"


async def test_the_wish_of_a_receiver_is_kept_where_it_is_longer_than_the_schedule(
    redis_settings: RedisSettings,
) -> None:
    async with world(redis_settings) as shop, Receiver(reply(429, retry_after="3600")) as receiver:
        warehouse = callback("warehouse", receiver.url, retry_schedule_s=(0.01, 0.01))
        await shop.declare(warehouse)
        async with deliverer(settings(shop.redis)):
            posted = await shop.post(warehouse)
            while not (entries := await Ledger(shop.queue).timeline(posted.id)):
                await asyncio.sleep(0.01)
    assert 3_600_000 <= entries[0]["next_ms"] - entries[0]["at_ms"] <= 3_600_000 * 1.2
