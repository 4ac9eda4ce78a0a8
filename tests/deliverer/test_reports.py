"""What Twilio tells by itself: by a real gateway, Valkey and a real deliverer to the end of the delivery."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from aiohttp import ClientSession
from prometheus_client import REGISTRY
from tests.deliverer import twilio_server as twilio
from tests.deliverer.receivers import Receiver
from tests.deliverer.texting import LOGIN, account, provider, text, told
from tests.deliverer.twilio_server import JANE, Twilio, signed
from tests.deliverer.world import SOON, World, callback, deliverer, process, settings, world
from tests.gateway.running import Gateway, running

from angarium.identifiers import notification_id
from angarium.notifications import Notification
from angarium.queue import Ledger, Reports
from angarium.records import ProductRecord
from angarium.settings import RedisSettings

JOHN = "+4930123457"
FORM = "application/x-www-form-urlencoded"
SHOP = ProductRecord(namespace="shop", name="shop", id="prd_shop")


@dataclass
class Scene:
    """A shop with an account, a gateway that Twilio reaches, and Twilio."""

    shop: World
    gateway: Gateway
    server: Twilio
    session: ClientSession
    origin: str

    async def sent(self, to: str = JANE) -> tuple[Notification, str]:
        """A message that Twilio has taken, and its SID."""
        notification = await text(self.shop, to)
        await told(self.shop, notification, outcome="sent")
        return notification, list(self.server.messages)[-1]

    async def post(self, url: str, parameters: dict[str, str], **headers: str) -> int:
        """Make Twilio's request, with the signature that is among the parameters."""
        told = dict(parameters)
        headers = {"X-Twilio-Signature": told.pop("signature", ""), "Content-Type": FORM} | headers
        async with self.session.post(url, data=urlencode(told), headers=headers) as answer:
            return answer.status

    async def tell(self, sid: str, status: str, code: int | None = None, token: str = twilio.TOKEN) -> int:
        """Twilio tells how it stands with a message."""
        return await self.post(*self.server.callback(sid, status, code, token))

    async def kept(self) -> int:
        """Reports that wait."""
        return int(await self.shop.queue.link.call("ZCARD", self.shop.queue.shards[0].reports))

    async def dealt_with(self) -> None:
        """Until none waits."""
        async with asyncio.timeout(SOON):
            while await self.kept():
                await asyncio.sleep(0.01)

    def settings(self, **more: Any) -> Any:
        """Of a deliverer that tells Twilio where the gateway is."""
        return settings(self.shop.redis, public_url=self.gateway.url, **more)


@pytest.fixture
async def scene(redis_settings: RedisSettings) -> AsyncIterator[Scene]:
    """All but the deliverer."""
    server = Twilio()
    async with world(redis_settings) as shop, ClientSession() as session, account(server) as origin:
        await shop.declare(SHOP, provider(origin))
        async with running(redis_settings, session, shop.queue.link) as gateway:
            yield Scene(shop, gateway, server, session, origin)


def counted(result: str) -> float:
    """Reports that came to this."""
    return REGISTRY.get_sample_value("angarium_reports_total", {"result": result}) or 0.0


async def test_a_report_ends_the_delivery_and_stands_in_its_timeline(scene: Scene) -> None:
    async with deliverer(scene.settings()):
        (one, first), (two, second) = await scene.sent(), await scene.sent(JOHN)
        assert await scene.tell(first, "delivered") == 204
        assert await scene.tell(second, "undelivered", 30003) == 204
        [arrived], [failed] = (await scene.shop.settled(one)).deliveries, (await scene.shop.settled(two)).deliveries
        entry = await told(scene.shop, two, type="reported")
    assert (arrived.state.value, arrived.attempts) == ("delivered", 1)
    assert (failed.state.value, failed.reason, failed.attempts) == ("refused", "twilio_30003", 1)
    assert (entry["outcome"], entry["reason"]) == ("refused", "twilio_30003")
    assert entry["response"] == {"provider": "main", "status": 200, "body": "undelivered 30003", "truncated": False}
    assert await scene.shop.counters() == {"accepted": 2, "delivered": 1, "refused": 1, "dead": 0, "waiting": 0}
    assert scene.server.looks == []
    assert await scene.kept() == 0


async def test_what_ends_by_a_report_is_told_to_who_wants_to_hear(scene: Scene) -> None:
    async with Receiver() as hearer, deliverer(scene.settings()):
        events = {"events": ("notification.refused",)}
        await scene.shop.declare(callback("hearer", hearer.url).model_copy(update=events))
        await scene.shop.applied()
        notification, sid = await scene.sent()
        await scene.tell(sid, "undelivered", 30003)
        async with asyncio.timeout(SOON):
            await hearer.came.wait()
    data = orjson.loads(hearer.requests[0].body)["data"]
    assert (data["id"], data["deliveries"][0]["reason"]) == (notification.id, "twilio_30003")


async def test_what_is_not_signed_by_twilio_changes_nothing(scene: Scene) -> None:
    async with deliverer(scene.settings()):
        notification, sid = await scene.sent()
        url, parameters = scene.server.callback(sid, "failed", 30008)
        before = counted("unproven")
        assert await scene.tell(sid, "delivered", token="guessed") == 204
        assert await scene.post(url, parameters | {"MessageStatus": "delivered"}) == 204
        assert await scene.post(url + "&delivery=other", parameters) == 204
        assert await scene.post(f"{url}&x=", parameters) == 204
        await scene.dealt_with()
        assert counted("unproven") == before + 4
        [delivery] = (await scene.shop.stored(notification)).deliveries
        assert (delivery.state.value, delivery.reason) == ("waiting", "sent")
        assert "reported" not in [entry["type"] for entry in await Ledger(scene.shop.queue).timeline(notification.id)]


async def test_no_account_speaks_of_another_products_messages(scene: Scene) -> None:
    await scene.shop.declare(provider(scene.origin, "thief", product_id="prd_rival", login=LOGIN | {"auth-token": "t"}))
    await scene.gateway.applied(scene.shop.revision)
    async with deliverer(scene.settings()):
        notification, sid = await scene.sent()
        url, parameters = scene.server.callback(sid, "delivered")
        url = url.replace("prv_main", "prv_thief")
        parameters["signature"] = signed(url, {k: v for k, v in parameters.items() if k != "signature"}, "t")
        before = counted("unproven")
        assert await scene.post(url, parameters) == 204
        await scene.dealt_with()
        assert counted("unproven") == before + 1
        assert (await scene.shop.stored(notification)).deliveries[0].state.value == "waiting"


async def test_a_report_that_is_played_again_does_nothing(scene: Scene) -> None:
    async with deliverer(scene.settings()):
        notification, sid = await scene.sent()
        for _ in range(3):
            assert await scene.tell(sid, "delivered") == 204
        await scene.shop.settled(notification)
        await scene.tell(sid, "failed", 30008)
        await scene.dealt_with()
    assert await scene.shop.counters() == {"accepted": 1, "delivered": 1, "refused": 0, "dead": 0, "waiting": 0}
    entries = await Ledger(scene.shop.queue).timeline(notification.id)
    assert [entry["type"] for entry in entries].count("reported") == 1


async def test_a_refusal_of_an_earlier_message_leaves_the_one_that_is_waited_for(scene: Scene) -> None:
    async with deliverer(scene.settings()):
        notification, sid = await scene.sent()
        url, parameters = scene.server.callback(sid, "failed", 30008)
        parameters["MessageSid"] = "SM" + "f" * 32
        parameters["signature"] = signed(url, {k: v for k, v in parameters.items() if k != "signature"})
        before = counted("over")
        assert await scene.post(url, parameters) == 204
        await scene.dealt_with()
        assert counted("over") == before + 1
        assert (await scene.shop.stored(notification)).deliveries[0].state.value == "waiting"


async def test_a_report_that_comes_before_the_answer_to_the_post_is_heard_after_it(scene: Scene) -> None:
    scene.server.lost = True
    await scene.shop.declare(provider(scene.origin, timeout_s=1.0, retry_schedule_s=(3600.0,)))
    async with deliverer(scene.settings()):
        notification = await text(scene.shop, JANE)
        async with asyncio.timeout(SOON):
            await scene.server.asked.wait()
        [sid] = scene.server.messages
        assert await scene.tell(sid, "delivered") == 204
        [delivery] = (await scene.shop.settled(notification)).deliveries
    assert (delivery.state.value, delivery.attempts) == ("delivered", 1)
    assert [entry["type"] for entry in await Ledger(scene.shop.queue).timeline(notification.id)].count("reported") == 1


async def test_a_report_that_a_dead_deliverer_had_heard_is_heard_by_another(scene: Scene) -> None:
    async with deliverer(scene.settings()):
        notification, sid = await scene.sent()
    await scene.tell(sid, "delivered")
    heard = await Reports(scene.shop.queue).hear(scene.shop.queue.shards[0], 10)
    assert [each.report and each.report.provider for each in heard] == ["prv_main"]
    async with deliverer(scene.settings(pod="d-heir")):
        [delivery] = (await scene.shop.settled(notification)).deliveries
    assert delivery.state.value == "delivered"


async def test_deliverers_killed_among_reports_lose_and_double_none(scene: Scene) -> None:
    count, more = 60, {"ANGARIUM_PUBLIC_URL": scene.gateway.url}
    async with process(scene.shop.redis, "d-1", **more):
        await text(scene.shop, *[f"+49301234{number:03}" for number in range(count)])
        async with asyncio.timeout(SOON):
            while len(scene.server.messages) < count:
                await asyncio.sleep(0.01)
        for number, sid in enumerate(scene.server.messages):
            assert await scene.tell(sid, *(("delivered",) if number % 3 else ("failed", 30008))) == 204
    for pod in ("d-2", "d-3"):
        async with process(scene.shop.redis, pod, **more):
            await _fewer(scene, (await scene.shop.counters())["waiting"])
    async with process(scene.shop.redis, "d-4", **more):
        await scene.shop.standing(delivered=count - count // 3, refused=count // 3, waiting=0)
    assert len(scene.server.forms) == count


async def _fewer(scene: Scene, than: int) -> None:
    """Until some have ended; then whoever is at it is killed."""
    async with asyncio.timeout(SOON):
        while 0 < than <= (await scene.shop.counters())["waiting"]:
            await asyncio.sleep(0)


Ask = Callable[[Scene, str, dict[str, str]], Awaitable[int]]
UNKNOWN = f"dlv_{notification_id(0)[4:]}_0"


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda scene, url, given: scene.post(url.replace("prv_main", "prv_other"), given), 404),
        (lambda scene, url, given: scene.post(url.partition("?")[0], given), 404),
        (lambda scene, url, given: scene.post(url.partition("?")[0] + "?delivery=dlv_1_0", given), 404),
        (lambda scene, url, given: scene.post(url[:-2] + "ZZ_0", given), 404),
        (lambda scene, url, given: scene.post(f"{url.partition('?')[0]}?delivery={UNKNOWN}", given), 204),
        (lambda scene, url, given: scene.post(url + "&x=" + "x" * 600, given), 400),
        (lambda scene, url, given: scene.post(url, given | {"signature": ""}), 400),
        (lambda scene, url, given: scene.post(url, given | {"signature": "x" * 200}), 400),
        (lambda scene, url, given: scene.post(url, given, **{"Content-Type": "application/json"}), 400),
        (lambda scene, url, given: scene.post(url, given | {"Body": "x" * 20_000}), 413),
        (lambda scene, url, given: scene.post(url, given | {"MessageStatus": "sent"}), 204),
        (lambda scene, url, given: scene.post(url, {"signature": given["signature"]}), 204),
    ],
)
async def test_what_can_be_no_report_is_not_kept(scene: Scene, ask: Ask, status: int) -> None:
    async with deliverer(scene.settings()):
        _, sid = await scene.sent()
    url, parameters = scene.server.callback(sid, "delivered")
    assert await ask(scene, url, parameters) == status
    assert await scene.kept() == 0


async def test_beyond_so_many_reports_no_more_are_kept(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium.queue.reports.MOST_KEPT", 1)
    async with deliverer(scene.settings()):
        (_, first), (_, second) = await scene.sent(), await scene.sent(JOHN)
    assert [await scene.tell(sid, "delivered") for sid in (first, first, second)] == [204, 204, 503]
    assert await scene.kept() == 1


async def test_too_many_reports_at_once_are_turned_away(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium_gateway.limits.Bucket.take", lambda *_: False)
    async with deliverer(scene.settings()):
        _, sid = await scene.sent()
    assert await scene.tell(sid, "delivered") == 429
