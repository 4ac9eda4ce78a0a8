"""Promise 3: the same Idempotency-Key, the same answer."""

import asyncio
from typing import Any

import pytest
from tests.gateway.courier import Courier
from tests.gateway.records import product
from tests.gateway.running import Answer, Gateway, Start

from angarium.queue import Queue
from angarium.retries import Move


async def post(gateway: Gateway, idempotency_key: str, data: Any = 1, **more: Any) -> Answer:
    return await gateway.post(data=data, headers={"Idempotency-Key": idempotency_key}, **more)


async def count(queue: Queue) -> int:
    """Notifications in Redis."""
    return int(await queue.link.call("HGET", queue.shards[0].counters, "notifications") or 0)


async def test_the_same_answer_whatever_became_of_it(gateway: Gateway, queue: Queue, courier: Courier) -> None:
    first = await post(gateway, "order-1042")
    assert "Idempotency-Replay" not in first.headers
    await courier.settle(Move.DELIVERED)
    again = await post(gateway, "order-1042")
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replay"] == "true"
    assert await count(queue) == 1


async def test_another_body_is_refused(gateway: Gateway, queue: Queue) -> None:
    await post(gateway, "order-1042", 1)
    answer = await post(gateway, "order-1042", 2)
    assert answer.status == 422
    assert answer.json["title"] == "This Idempotency-Key was used with another body"
    assert await count(queue) == 1


async def test_a_quoted_key_is_the_bare_one(gateway: Gateway) -> None:
    first = await post(gateway, '"order \\"1042\\""')
    assert (await post(gateway, '"order \\"1042\\""')).body == first.body
    assert (await post(gateway, "plain")).json["id"] == (await post(gateway, '"plain"')).json["id"]


@pytest.mark.parametrize("key", ["", '""', "a" * 256, '"open', 'in"side"', "é", '"\\n"'])
async def test_keys_that_are_none(gateway: Gateway, key: str) -> None:
    answer = await post(gateway, key)
    assert answer.status == (202 if key == 'in"side"' else 400)
    if answer.status == 400:
        assert answer.json["type"].endswith("/invalid-idempotency-key")


async def test_keys_belong_to_a_tenant(gateway: Gateway) -> None:
    mine = await post(gateway, "order-1042")
    theirs = await post(gateway, "order-1042", key=gateway.other_key)
    assert theirs.status == 202
    assert theirs.json["id"] != mine.json["id"]


async def test_many_at_once_are_one_notification(gateway: Gateway, queue: Queue) -> None:
    answers = await asyncio.gather(*[post(gateway, "order-1042") for _ in range(30)])
    accepted = [answer for answer in answers if answer.status == 202]
    waiting = [answer for answer in answers if answer.status == 409]
    assert len(accepted) + len(waiting) == 30
    assert len({answer.body for answer in accepted}) == 1
    assert sum("Idempotency-Replay" not in answer.headers for answer in accepted) == 1
    assert all(answer.headers["Retry-After"] == "1" for answer in waiting)
    assert await count(queue) == 1


async def test_while_one_is_in_progress_another_is_told_so(gateway: Gateway, queue: Queue) -> None:
    await queue.link.call("CLIENT", "PAUSE", 1000, "WRITE")  # holds the script of whichever comes first
    answers = await asyncio.gather(post(gateway, "order-1042", 1), post(gateway, "order-1042", 2))
    first, second = sorted(answers, key=lambda answer: answer.status)
    assert (first.status, second.status) == (202, 409)
    assert second.json["title"] == "A request with this Idempotency-Key is in progress"
    assert second.headers["Retry-After"] == "1"


async def test_many_gateways_accept_one_between_them(gateway: Gateway, start: Start, queue: Queue) -> None:
    second = await start()
    second.key = gateway.key
    answers = await asyncio.gather(*[post(one, "order-1042") for _ in range(10) for one in (gateway, second)])
    assert {answer.status for answer in answers} <= {202, 409}
    assert len({answer.body for answer in answers if answer.status == 202}) == 1
    assert await count(queue) == 1


async def test_a_refusal_is_not_remembered(gateway: Gateway, courier: Courier) -> None:
    await gateway.publish(product(gateway.key, backlog=1))
    await gateway.post()
    assert (await post(gateway, "order-1042")).status == 429
    await courier.settle(Move.DELIVERED)
    answer = await post(gateway, "order-1042")
    assert answer.status == 202
    assert "Idempotency-Replay" not in answer.headers


async def test_a_key_outlives_a_notification_that_is_forgotten_early(gateway: Gateway, queue: Queue) -> None:
    first = await post(gateway, "order-1042")
    await queue.link.call("DEL", queue.shards[0].notification(first.json["id"]))
    answer = await post(gateway, "order-1042")
    assert answer.status == 409
    assert answer.json["notification"] == first.json["id"]
