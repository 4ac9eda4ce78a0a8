"""Keys are rotated under traffic: by age and by annotation, nothing is refused, and every signature holds."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession
from standardwebhooks import Webhook, WebhookVerificationError
from tests.chaos.fleet import Fleet
from tests.cluster.api import Object
from tests.cluster.mounted import Mounted, mounted
from tests.cluster.operating import PATIENCE, Stage
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request

from angarium.settings import RedisSettings

LOOPBACK = "127.0.0.0/8"
A_SECOND = 100  # posts
ENOUGH = 1500  # of them
KUBELET = (0.5, 1.5)  # s
ROTATION = {"interval": "1h", "overlap": "6s"}


class Pods(Fleet):
    """Two gateways, which never learn of a key at the same moment, and a deliverer; their clocks are right."""

    def places(self) -> list[tuple[str, int]]:
        """Every slot."""
        places = [("gateway", 0), ("gateway", 1), ("deliverer", 0)]
        for role, slot in places:
            (self.folder / f"clock-{role}-{slot}").write_text("0")
        return places


@dataclass
class Client:
    """Posts at a steady rate with whatever key its mounted Secret holds at that moment."""

    fleet: Fleet
    secret: Mounted
    keys: list[str] = field(default_factory=list)  # used, the oldest first
    accepted: list[str] = field(default_factory=list)  # ids of deliveries
    refused: Counter[str] = field(default_factory=Counter)

    async def post(self, session: ClientSession) -> None:
        """Until it is cancelled; what was begun is finished."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in range(1_000_000):
                await asyncio.sleep(start + number / A_SECOND - loop.time())
                group.create_task(self._post(session, number))

    async def _post(self, session: ClientSession, number: int) -> None:
        key = self.secret.read("api-key")
        if key not in self.keys:
            self.keys.append(key)
        async with asyncio.timeout(PATIENCE):
            status, deliveries = await ask(self.fleet, session, key, number)
        self.accepted += deliveries
        if status != 202:
            self.refused[f"{status} with key {self.keys.index(key)}"] += 1


async def ask(fleet: Fleet, session: ClientSession, key: str, number: int = 0) -> tuple[int, list[str]]:
    """Post to one of the gateways in turn: the status, and ids of deliveries."""
    base, headers = fleet.gateways()[number % len(fleet.gateways())], {"Authorization": f"Bearer {key}"}
    document = {"event": "order.paid", "data": {"order": number}}
    async with session.post(f"{base}/v1/notifications", json=document, headers=headers) as answer:
        said = await answer.json(content_type=None)
        return answer.status, [each["id"] for each in said.get("deliveries", ())]


@dataclass
class Checking:
    """A receiver's check of each request by one key alone, the one that its mounted Secret holds at that moment."""

    secret: Mounted
    passed: int = 0
    failed: list[str] = field(default_factory=list)

    def check(self, request: Request) -> None:
        """As the library for Standard Webhooks does it."""
        try:
            Webhook(self.secret.read("signing-key")).verify(request.body, request.headers)
        except WebhookVerificationError as error:
            self.failed.append(f"{request.headers['webhook-id']}: {error}")
        else:
            self.passed += 1


@contextlib.asynccontextmanager
async def posting(client: Client) -> AsyncIterator[None]:
    """The client posts while the body runs."""
    async with ClientSession() as session:
        task = asyncio.create_task(client.post(session))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def another(mount: Mounted, key: str, before: str) -> None:
    """Once the file holds another key."""
    async with asyncio.timeout(PATIENCE * 2):
        while mount.read(key) == before:
            mount.changed.clear()
            await mount.changed.wait()


async def by_age(stage: Stage, kind: str, name: str) -> None:
    """Let the key be older than an hour, until another takes its place: the operator may write its own idea of it."""
    first = active(await stage.ready(kind, name))
    made = datetime.fromisoformat(first["createdAt"]) - timedelta(hours=1)
    older = first | {"createdAt": made.strftime("%Y-%m-%dT%H:%M:%SZ")}
    async with asyncio.timeout(PATIENCE * 2):
        while active(found := await stage.api.get(stage.named(kind, name)))["keyID"] == first["keyID"]:
            keys = [older if each == first else each for each in found["status"]["credentials"]]
            await stage.api.patch(stage.named(kind, name), {"status": {"credentials": keys}}, subresource="status")
            await asyncio.sleep(0.2)


def active(found: Object) -> Object:
    """The key that is given out now."""
    return next(each for each in found["status"]["credentials"] if each["state"] == "Active")


async def by_hand(stage: Stage, kind: str, name: str) -> None:
    """Ask for it."""
    await stage.annotate(kind, name, rotate_requested_at="now")


async def heard(receiver: Receiver, wanted: list[str]) -> None:
    """Once the receiver got these deliveries."""
    async with asyncio.timeout(PATIENCE):
        while not set(wanted) <= {request.headers["webhook-id"] for request in receiver.requests}:
            await asyncio.sleep(0.05)


@pytest.mark.timeout(300)
async def test_rotation_under_traffic(stage: Stage, redis_settings: RedisSettings, tmp_path: Path) -> None:
    checks: list[Checking] = []

    async def receive(request: Request, writer: asyncio.StreamWriter) -> None:
        for each in checks:
            each.check(request)
        writer.write(NO_CONTENT)

    url = redis_settings.url.get_secret_value()
    async with (
        Receiver(receive) as receiver,
        Pods(tmp_path, url, stage.seal_key, redis_clock="") as fleet,
        stage.operator(egress_allowed_cidrs=LOOPBACK),
    ):
        await stage.product(credentials={"rotation": ROTATION})
        await stage.callback(url=receiver.url, signing={"rotation": ROTATION})
        await stage.ready("Callback", "warehouse")
        await stage.ready("Product", "shop")
        async with (
            mounted(stage, tmp_path / "api", "shop-angarium", KUBELET) as credentials,
            mounted(stage, tmp_path / "quick", "warehouse-signing") as quick,
            mounted(stage, tmp_path / "late", "warehouse-signing", KUBELET) as late,
        ):
            checks += [Checking(quick), Checking(late)]
            client = Client(fleet, credentials)
            async with posting(client):
                for rotate in (by_age, by_age, by_hand):
                    before = credentials.read("api-key"), late.read("signing-key")
                    await rotate(stage, "Product", "shop")
                    await rotate(stage, "Callback", "warehouse")
                    await another(credentials, "api-key", before[0])
                    await another(late, "signing-key", before[1])
                await refused(stage, fleet, client.keys)
                while len(client.accepted) < ENOUGH:
                    await asyncio.sleep(0.1)
            await heard(receiver, client.accepted)
        await fleet.stop()
    assert client.refused == {}
    assert [each.failed for each in checks] == [[], []]
    assert min(each.passed for each in checks) >= len(client.accepted)
    assert len(client.keys) == 4


async def refused(stage: Stage, fleet: Fleet, keys: list[str]) -> None:
    """All keys but the last are dead once their overlap is over, at every gateway."""
    product = stage.named("Product", "shop")
    await stage.until(product, lambda seen: [c["state"] for c in seen["status"]["credentials"]] == ["Active"])
    current = (await stage.secret("shop-angarium"))["api-key"]
    async with ClientSession() as session:
        for key in {*keys, current}:
            for number in range(len(fleet.gateways())):
                async with asyncio.timeout(PATIENCE):
                    while (await ask(fleet, session, key, number))[0] != (202 if key == current else 401):
                        await asyncio.sleep(0.05)
