"""Quotas and back-pressure: promise 7, full means refused, not lost."""

import asyncio
from typing import Any

import pytest
from tests.gateway.courier import Courier
from tests.gateway.records import product
from tests.gateway.running import Gateway, Start

from angarium.config import ConfigStore
from angarium.link import Link
from angarium.queue import Census, Queue
from angarium.retries import Move
from angarium_gateway.directory import Tenant
from angarium_gateway.limits import RateLimits
from angarium_gateway.problems import Problem


def tenant(rate: int | None, id_: str = "prd_a") -> Tenant:
    return Tenant(id_, "shop", "shop/shop", id_, None, rate, None, 60)


def admitted(limits: RateLimits, one: Tenant, tries: int) -> int:
    """How many of these are let in."""
    count = 0
    for _ in range(tries):
        try:
            limits.admit(one)
        except Problem:
            continue
        count += 1
    return count


class Clock:
    """Time that moves when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("rate", "gateways", "burst", "per_second"), [(10, 1, 10, 10), (10, 5, 2, 2), (1, 4, 1, 0), (1, 1, 1, 1)]
)
def test_a_burst_is_what_a_second_allows_shared_by_the_gateways(
    rate: int, gateways: int, burst: int, per_second: int
) -> None:
    clock = Clock()
    limits = RateLimits(lambda: gateways, clock)
    assert admitted(limits, tenant(rate), 100) == burst
    clock.now += 1
    assert admitted(limits, tenant(rate), 100) == per_second
    assert admitted(limits, tenant(rate, "prd_b"), 1) == 1


def test_without_a_quota_there_are_no_fields() -> None:
    assert RateLimits(lambda: 1).admit(tenant(None)) == {}


@pytest.mark.parametrize(("rate", "gateways", "wait"), [(10, 1, "1"), (1, 4, "4")])
def test_retry_after_is_never_before_there_is_a_token(rate: int, gateways: int, wait: str) -> None:
    clock = Clock()
    limits = RateLimits(lambda: gateways, clock)
    while admitted(limits, tenant(rate), 1):
        pass
    with pytest.raises(Problem) as refused:
        limits.admit(tenant(rate))
    assert refused.value.headers["Retry-After"] == wait
    clock.now += int(wait)
    assert admitted(limits, tenant(rate), 1) == 1


async def test_too_many_requests(gateway: Gateway) -> None:
    await gateway.publish(product(gateway.key, requests_per_second=1))
    answers = [await gateway.ask("GET", "/v1/me") for _ in range(3)]
    assert answers[0].status == 200
    assert answers[0].headers["RateLimit-Policy"] == '"requests";q=1;w=1'
    assert answers[0].headers["RateLimit"].startswith('"requests";r=0;t=')
    refused = answers[2]
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["RateLimit-Policy"] == '"requests";q=1;w=1'
    assert refused.json["type"].endswith("/rate-limited")
    assert (await gateway.ask("GET", "/v1/me", key=gateway.other_key)).status == 200


async def test_a_full_backlog_of_one_tenant_is_no_other_s(gateway: Gateway, courier: Courier) -> None:
    await gateway.publish(product(gateway.key, backlog=2))
    assert [(await gateway.post("order.paid")).status for _ in range(3)] == [202, 202, 429]
    refused = await gateway.post("order.paid")
    assert refused.json["type"].endswith("/backlog-full")
    assert refused.headers["Retry-After"] == "5"
    assert (await gateway.post("nobody.cares")).status == 202
    assert (await gateway.post("order.paid", key=gateway.other_key)).status == 202
    await courier.settle(Move.DELIVERED)
    assert (await gateway.post("order.paid")).status == 202


async def full(queue: Queue, gateway: Gateway, status: int) -> Any:
    """Wait until posting is answered so; the answer."""
    async with asyncio.timeout(10):
        while (answer := await gateway.post("order.paid")).status != status:
            await asyncio.sleep(0.02)
    return answer


async def test_little_memory_left(gateway: Gateway, queue: Queue, courier: Courier) -> None:
    posted = await gateway.post("order.paid")
    used = int((await queue.link.call("INFO", "memory")).decode().partition("used_memory:")[2].split()[0])
    try:
        await queue.link.call("CONFIG", "SET", "maxmemory", int(used * 1.2))
        answer = await full(queue, gateway, 503)
        assert answer.json["type"].endswith("/storage-full")
        assert answer.headers["Retry-After"] == "10"
        assert (await gateway.ask("POST", "/v1/callbacks/warehouse/test")).status == 503
        assert (await gateway.ask("GET", posted.headers["Location"])).status == 200
        assert await courier.settle(Move.DEAD, "http_503")
        assert (await gateway.ask("POST", posted.headers["Location"] + "/retry")).status == 202
    finally:
        await queue.link.call("CONFIG", "SET", "maxmemory", 0)
    await full(queue, gateway, 202)


async def test_no_memory_left_at_all(start: Start, gateway: Gateway, queue: Queue) -> None:
    one = await start(gateway_memory_limit=1.0)
    one.key = gateway.key
    before = (await Census(queue).backlog()).counters.get("notifications", 0)
    try:
        await queue.link.call("CONFIG", "SET", "maxmemory", 1)
        answer = await one.post("order.paid")
        assert answer.status == 503
        assert answer.json["type"].endswith("/storage-full")
        assert (await Census(queue).backlog()).counters.get("notifications", 0) == before
    finally:
        await queue.link.call("CONFIG", "SET", "maxmemory", 0)


async def test_gateways_share_a_rate(gateway: Gateway, start: Start, link: Link) -> None:
    await gateway.publish(product(gateway.key, requests_per_second=4))
    second = await start()
    second.key, second.store = gateway.key, ConfigStore(link)
    async with asyncio.timeout(10):
        while (await gateway.ask("GET", "/v1/me")).headers["RateLimit-Policy"] != '"requests";q=2;w=1':
            await asyncio.sleep(0.25)
