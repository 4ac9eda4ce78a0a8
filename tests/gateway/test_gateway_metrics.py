"""What operators of the system see of a gateway."""

import asyncio

import pytest
from prometheus_client import REGISTRY
from tests.gateway.records import callback, product
from tests.gateway.running import Gateway

from angarium.queue import Census, Memory, Queue


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_accepted_unmatched_and_replayed(gateway: Gateway) -> None:
    labels = {"product": "shop/shop"}
    accepted = sample("angarium_notifications_accepted_total", **labels, priority="low")
    unmatched = sample("angarium_notifications_unmatched_total", **labels)
    replayed = sample("angarium_notifications_replayed_total", **labels)
    for _ in range(2):
        await gateway.post("nobody.cares", members={"priority": "low"}, headers={"Idempotency-Key": "order-1042"})
    assert sample("angarium_notifications_accepted_total", **labels, priority="low") == accepted + 1
    assert sample("angarium_notifications_unmatched_total", **labels) == unmatched + 1
    assert sample("angarium_notifications_replayed_total", **labels) == replayed + 1


async def test_requests_by_route_never_by_what_callers_invent(gateway: Gateway) -> None:
    id_ = (await gateway.post()).json["id"]
    one = {"route": "GET /v1/notifications/{id}", "code": "200"}
    other = {"route": "other", "code": "404"}
    before = sample("angarium_requests_total", **one), sample("angarium_requests_total", **other)
    await gateway.ask("GET", f"/v1/notifications/{id_}")
    await gateway.ask("GET", "/invented/by/a/caller")
    await gateway.ask("BREW", "/v1/notifications")
    assert sample("angarium_requests_total", **one) == before[0] + 1
    assert sample("angarium_requests_total", **other) == before[1] + 1
    shown = [each for metric in REGISTRY.collect() for each in metric.samples]
    assert not [each for each in shown if "invented" in repr(each.labels) or "BREW" in repr(each.labels)]


async def test_every_rejection_counts_by_its_reason(gateway: Gateway) -> None:
    await gateway.publish(product(gateway.key, backlog=1))
    before = sample("angarium_notifications_rejected_total", reason="backlog_full")
    for _ in range(3):
        await gateway.post("order.paid")
    assert sample("angarium_notifications_rejected_total", reason="backlog_full") == before + 2
    await gateway.ask("POST", "/v1/callbacks/warehouse/test")  # no notification of a caller's
    assert sample("angarium_notifications_rejected_total", reason="backlog_full") == before + 2


async def test_sampling_goes_on_after_a_round_that_failed(
    gateway: Gateway, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = sample("angarium_loop_errors_total", loop="vitals")
    monkeypatch.setattr("angarium_gateway.vitals.INTERVAL", 0.01)

    async def broken(self: Census) -> Memory:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(Census, "memory", broken)
        async with asyncio.timeout(10):
            while sample("angarium_loop_errors_total", loop="vitals") < failed + 2:
                await asyncio.sleep(0.01)
    await gateway.publish(callback("second"))
    await queue.link.call("HINCRBY", "ang:{config}:state", "revision", 7)  # published, and not yet here
    async with asyncio.timeout(10):
        while sample("angarium_config_revision_lag") != 7:
            await asyncio.sleep(0.01)
    assert sample("angarium_redis_up") == 1
