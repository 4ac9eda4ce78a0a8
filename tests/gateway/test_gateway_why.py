"""Why something was not delivered: each situation as it comes about, with a real gateway, deliverer and Valkey."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request, reply
from tests.deliverer.world import SEAL_KEY, SOON, callback, deliverer, process, settings
from tests.gateway.courier import Courier
from tests.gateway.records import product
from tests.gateway.running import Gateway
from tests.gateway.test_gateway_messages import CONTENT

from angarium.config import read_live
from angarium.keys import pace_key
from angarium.records import CallbackRecord, ProviderRecord, Record
from angarium.retries import Move
from angarium.sealing import Sealer, generate_seal_key
from angarium.settings import RedisSettings

DOWN = reply(503)


async def never(_: Request, __: asyncio.StreamWriter) -> None:
    """Holds the connection until the client gives up."""
    await asyncio.Event().wait()


def subscriber(url: str = "http://127.0.0.1:1/hooks", **more: Any) -> CallbackRecord:
    """The shop's warehouse, which the gateway's own fixture has too, with a key that deliverers can open."""
    return callback("warehouse", url, **{"retry_schedule_s": (600.0,)} | more)


def mail(name: str = "main", **more: Any) -> ProviderRecord:
    """A provider of e-mail, whose server is nowhere."""
    sealed = Sealer([SEAL_KEY]).seal(orjson.dumps({}))
    place = {"host": "127.0.0.1", "port": 1, "tls": "None", "from": "shop@example.com"}
    return ProviderRecord(
        namespace="shop", name=name, id=f"prv_{name}", product_id="prd_shop", type="smtp", channels=("email",),
        settings=place, sealed_credentials=sealed, **more,
    )  # fmt: skip


async def why(gateway: Gateway, posted: Any) -> Any:
    """What is answered; it is held against the OpenAPI document by the way."""
    answer = await gateway.ask("GET", f"/v1/notifications/{posted.json['id']}/why")
    assert answer.status == 200, answer.body
    return answer.json


async def until(gateway: Gateway, posted: Any, state: str, patience: float = SOON) -> Any:
    """The answer once its first delivery is in this state; and that delivery is `it`."""
    async with asyncio.timeout(patience):
        while True:
            told = await why(gateway, posted)
            if told["deliveries"][0]["state"] == state:
                return told | {"it": told["deliveries"][0]}
            await asyncio.sleep(0.02)


@asynccontextmanager
async def served(gateway: Gateway, redis: RedisSettings, *records: Record, **more: Any) -> AsyncIterator[None]:
    """A deliverer that works with these records, as the gateway does."""
    revisions = await gateway.store.publish(records)
    async with deliverer(settings(redis, pod="d-1", **more)):
        async with asyncio.timeout(SOON):
            while any(pod.applied.revision < max(revisions.values()) for pod in await read_live(gateway.link)):
                await asyncio.sleep(0.01)
        yield


def ms(text: str) -> int:
    """Of an instant."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def test_no_deliverer_lives(gateway: Gateway) -> None:
    told = await why(gateway, await gateway.post())
    [it] = told["deliveries"]
    assert (it["state"], it["callback"], it["status"], it["attempts"]) == ("no_deliverer", "warehouse", "pending", 0)
    assert told["because"] == it["because"] == "no deliverer lives, so nothing is sent"
    assert "kubectl get pods" in it["do"][0]


async def test_suspended(gateway: Gateway, redis_settings: RedisSettings) -> None:
    async with served(gateway, redis_settings, subscriber(suspended=True)):
        posted = await gateway.post()
        it = (await until(gateway, posted, "suspended"))["it"]
        assert "the callback warehouse is suspended" in it["because"]
        assert it["do"] == ["set spec.suspend to false: `kubectl edit callback warehouse -n shop`"]
        await gateway.publish(subscriber(suspended=True, api_made=True))
        assert (await why(gateway, posted))["do"] == ["`angarium callbacks activate warehouse`"]


async def test_a_product_that_is_suspended_is_named(gateway: Gateway, redis_settings: RedisSettings) -> None:
    async with served(gateway, redis_settings, subscriber(suspended=True)):
        posted = await gateway.post()
        await gateway.publish(product(gateway.key, suspended=True))
        it = (await until(gateway, posted, "suspended"))["it"]
        assert it["because"] == "the product shop/shop is suspended"
        assert it["do"] == ["set spec.suspend of the product shop/shop to false"]


async def test_waiting_for_its_time(gateway: Gateway, redis_settings: RedisSettings) -> None:
    at = (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="milliseconds")
    async with served(gateway, redis_settings, subscriber()):
        it = (await until(gateway, await gateway.post(members={"deliverAt": at}), "scheduled"))["it"]
        assert ms(it["next"]["at"]) == ms(at)
        assert it["next"]["what"] == "its first attempt is made"


async def test_a_retry_is_due(gateway: Gateway, redis_settings: RedisSettings) -> None:
    async with Receiver(DOWN) as down, served(gateway, redis_settings, subscriber(down.url)):
        posted = await gateway.post()
        it = (await until(gateway, posted, "retrying"))["it"]
        assert it["because"] == "attempt 1 of 2 failed: the receiver answered 503 Service Unavailable"
        assert (it["reason"], it["attempts"], it["next"]["what"]) == ("http_503", 1, "attempt 2 is made")
        assert 600_000 <= ms(it["next"]["at"]) - time.time() * 1000 + 60_000 <= 800_000
        assert it["do"][-1] == f"do not wait: `angarium retry {posted.json['id']}`"


async def test_it_expires_before_the_next_attempt(gateway: Gateway, redis_settings: RedisSettings) -> None:
    async with Receiver(DOWN) as down, served(gateway, redis_settings, subscriber(down.url)):
        at = (datetime.now(UTC) + timedelta(minutes=1)).isoformat(timespec="milliseconds")
        it = (await until(gateway, await gateway.post(members={"expiresAt": at}), "refused"))["it"]
        assert "it was not sent before expiresAt" in it["because"]


async def test_dead_and_refused(gateway: Gateway, redis_settings: RedisSettings) -> None:
    record = subscriber(retry_schedule_s=(0.01,), non_retryable_statuses=(404,))
    answers = {"order.dead": DOWN, "order.refused": reply(404)}

    async def script(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[orjson.loads(request.body)["type"]])

    async with Receiver(script) as receiver:
        moved = record.model_copy(update={"url": receiver.url})
        async with served(gateway, redis_settings, moved):
            dead = await gateway.post("order.dead")
            it = (await until(gateway, dead, "dead"))["it"]
            assert it["because"].startswith("all 2 attempts are used up; the last time the receiver answered 503")
            assert it["do"] == ["look into the receiver's log", f"then try again: `angarium retry {dead.json['id']}`"]
            assert "next" not in it
            it = (await until(gateway, await gateway.post("order.refused"), "refused"))["it"]
            assert it["because"].endswith("the receiver answered 404 Not Found")
            assert it["do"][0] == "see that the path of the URL is right"


async def test_the_circuit_is_open(gateway: Gateway, redis_settings: RedisSettings) -> None:
    record = subscriber(retry_schedule_s=(0.01,) * 3)
    async with Receiver(DOWN) as down:
        moved = record.model_copy(update={"url": down.url})
        async with served(gateway, redis_settings, moved):
            for _ in range(4):
                await gateway.post()
            told = await until(gateway, await gateway.post(), "circuit_open")
            it = told["it"]
            assert "the circuit of warehouse is open since" in it["because"]
            assert "attempts failed, the last time as http_503" in it["because"]
            assert 0 < ms(it["next"]["at"]) - time.time() * 1000 <= 60_000
            assert "see whether it answers: `angarium callbacks test warehouse`" in it["do"]


async def test_in_flight_and_as_many_as_may_be(gateway: Gateway, redis_settings: RedisSettings) -> None:
    async with Receiver(never) as slow:
        record = subscriber(slow.url, max_in_flight=1, timeout_s=30.0)
        async with served(gateway, redis_settings, record, drain_seconds=0.0):
            first = await gateway.post()
            it = (await until(gateway, first, "in_flight"))["it"]
            assert it["deliverer"] == "d-1"
            assert it["because"].startswith("attempt 1 is being made by deliverer d-1 since 20")
            assert it["next"]["what"] == "the attempt ends, or is cut short after 30 s"
            assert 0 < ms(it["next"]["at"]) - time.time() * 1000 <= 30_000
            others = [await gateway.post() for _ in range(3)]
            it = (await until(gateway, others[-1], "max_in_flight"))["it"]
            assert it["because"].endswith("(maxInFlight); 2 of the 3 that wait there are before it")


async def test_rate_limited(gateway: Gateway, redis_settings: RedisSettings) -> None:
    async with Receiver(NO_CONTENT) as receiver:
        record = subscriber(receiver.url, rate_requests=1, rate_period_s=60.0)
        async with served(gateway, redis_settings, record):
            done = (await until(gateway, await gateway.post(), "delivered"))["it"]
            assert (done["do"], done["attempts"]) == ([], 1)
            it = (await until(gateway, await gateway.post(), "rate_limited"))["it"]
            assert "the rate limit of warehouse is used up for now; it is next" in it["because"]
            assert 0 < ms(it["next"]["at"]) - time.time() * 1000 <= 60_000


async def test_the_only_deliverer_is_killed_in_an_attempt(gateway: Gateway, redis_settings: RedisSettings) -> None:
    async with Receiver(never) as slow:
        await gateway.publish(subscriber(slow.url, timeout_s=30.0))
        async with process(redis_settings, "d-9") as child:
            posted = await gateway.post()
            await until(gateway, posted, "in_flight", patience=60.0)  # a process has to start first
            child.kill()
            it = (await until(gateway, posted, "no_deliverer"))["it"]
            assert (
                it["because"] == "attempt 1 was being made by deliverer d-9, which is silent; no other deliverer lives"
            )


async def test_deliverers_that_lack_the_seal_key(gateway: Gateway, redis_settings: RedisSettings) -> None:
    strange = Sealer([generate_seal_key()]).seal(b'["x"]')
    record = subscriber().model_copy(update={"sealed_signing_keys": strange})
    async with served(gateway, redis_settings, record):
        it = (await until(gateway, await gateway.post(), "config_rejected"))["it"]
        assert "(d-1): perhaps they lack the seal key" in it["because"]


async def test_a_callback_that_was_deleted_or_given_up(gateway: Gateway, redis_settings: RedisSettings) -> None:
    at = (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="milliseconds")
    now, later = await gateway.post(), await gateway.post(members={"deliverAt": at})
    record = subscriber(disabled="auto_disabled").model_copy(update={"id": "cbk_warehouse"})  # as the fixture's
    async with served(gateway, redis_settings, record):
        assert "the callback failed for too long" in (await until(gateway, now, "refused"))["it"]["because"]
        await gateway.publish(deleted=("callback/shop/warehouse",))
        assert (await why(gateway, later))["deliveries"][0]["state"] == "scheduled"


@pytest.mark.parametrize(
    ("event", "words"),
    [("order.paid.late", "the nearest that is subscribed to: order.*"), ("zebra", "when it was accepted")],
)
async def test_nobody_subscribes(gateway: Gateway, event: str, words: str) -> None:
    posted = await gateway.post(event)
    told = await why(gateway, posted)
    assert (told["status"], told["deliveries"], told["more"]) == ("unmatched", [], 0)
    assert told["because"].endswith(words)
    await gateway.publish(callback("second", "http://127.0.0.1:1/"))  # takes everything
    assert "second does so by now" in (await why(gateway, posted))["because"]
    await gateway.publish(callback("second", "http://127.0.0.1:1/", disabled="gone"))
    assert "second would, but is disabled" in (await why(gateway, posted))["because"]


async def mailed(gateway: Gateway) -> Any:
    """A message by e-mail."""
    document = {"channel": "email", "to": "ann@example.com", "content": CONTENT}
    answer = await gateway.ask("POST", "/v1/notifications", json=document)
    assert answer.status == 202, answer.body
    return answer


async def test_providers_that_are_suspended_missing_or_failing(gateway: Gateway, redis_settings: RedisSettings) -> None:
    async with served(gateway, redis_settings, mail(suspended=True)):
        await gateway.publish(mail(suspended=True))
        posted = await mailed(gateway)
        it = (await until(gateway, posted, "suspended"))["it"]
        assert (it["channel"], it["to"]) == ("email", "ann@example.com")
        assert it["because"] == "all providers of channel email are suspended: main"
        await gateway.publish(deleted=("provider/shop/main",))
        it = (await until(gateway, posted, "no_provider"))["it"]
        assert "kubectl get providers" in it["do"][0]
        await gateway.publish(mail("second"))
        again = await mailed(gateway)
        it = (await until(gateway, again, "retrying"))["it"]
        assert it["because"].startswith("attempt 1 of 10 failed: no connection could be made (")


async def test_a_provider_s_rate_that_others_use_up(gateway: Gateway, redis_settings: RedisSettings) -> None:
    async with served(gateway, redis_settings, mail(rate_requests=1, rate_period_s=3600.0)):
        ahead = round((time.time() + 3600) * 1e6)
        await gateway.link.call("SET", pace_key("prv_main"), ahead)  # as the product's other tenants leave it
        it = (await until(gateway, await mailed(gateway), "provider_limited"))["it"]
        assert it["because"].startswith("the rate of provider main is used up for now")
        assert (it["attempts"], it["next"]["what"]) == (0, "it is tried again, and has spent no attempt")


async def test_a_group_is_summarized(gateway: Gateway, redis_settings: RedisSettings) -> None:
    users = [{"key": f"crm-{n}", "email": f"user-{n}@example.com"} for n in range(6)]
    users += [{"key": f"crm-{n}", "phone": f"+49170123456{n}"} for n in range(6, 9)]
    made = await gateway.ask("POST", "/v1/groups", json={"name": "night-shift", "users": users})
    assert made.status == 201, made.body
    async with served(gateway, redis_settings, mail()):
        document = {"to": {"group": "night-shift"}, "contents": {"email": CONTENT}}
        posted = await gateway.ask("POST", "/v1/notifications", json=document)
        assert posted.status == 202, posted.body
        async with asyncio.timeout(SOON):
            while True:
                told = await until(gateway, posted, "recipients_pending")
                waiting = told["recipients"].get("waiting", {})
                if told["it"]["recipients"]["refused"] == 3 and waiting.get("state") == "retrying":
                    break
        assert told["it"]["because"] == "the group became 9 deliveries: 0 delivered, 3 refused, 6 wait"
        [refused] = told["recipients"]["refused"]
        assert (refused["reason"], refused["count"], told["recipients"]["more"]) == ("no_address", 3, False)
        assert waiting["notification"] != posted.json["id"]
        assert waiting["because"].startswith("attempt 1 of 10 failed: no connection could be made (")
        assert len(told["deliveries"]) == 1


async def test_several_deliveries_those_in_trouble_first(gateway: Gateway, courier: Courier) -> None:
    await gateway.publish(callback("second", "http://127.0.0.1:1/"))
    posted = await gateway.post()
    await courier.settle_each(Move.DELIVERED, Move.DEAD)
    told = await why(gateway, posted)
    assert [each["state"] for each in told["deliveries"]] == ["dead", "delivered"]
    assert told["because"] == "2 deliveries: 1 dead, 1 delivered"
    assert told["do"][-1].startswith("then try again")


async def test_nearly_full_storage_is_noted(start: Callable[..., Any], gateway: Gateway) -> None:
    posted = await gateway.post()
    await gateway.link.call("CONFIG", "SET", "maxmemory", 1 << 40)
    narrow = await start(gateway_memory_limit=1e-9)
    narrow.key = gateway.key
    async with AsyncExitStack() as stack:
        stack.push_async_callback(gateway.link.call, "CONFIG", "SET", "maxmemory", 0)
        async with asyncio.timeout(SOON):
            while not (told := await why(narrow, posted)).get("notes"):
                await asyncio.sleep(0.02)
    assert told["notes"][0].startswith("storage is nearly full")
