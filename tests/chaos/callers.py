"""The callers of a run: each posts with an Idempotency-Key and asks again until it has an answer that is final."""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson
from tests.chaos.plan import Order, dice_of

PATIENCE = aiohttp.ClientTimeout(total=12)
LONGEST_PAUSE = 0.5  # s; Retry-After asks for more, but waiting for it would leave the system in peace
AGAIN = {503, 409}


class Callers:
    """`bases` tells the URLs of the gateways that are there now; `keys` are API keys by tenant."""

    def __init__(self, seed: int, bases: Callable[[], Sequence[str]], keys: Mapping[str, str]) -> None:
        self._seed, self._bases, self._keys = seed, bases, keys
        self._dice = dice_of("callers", seed)
        self._moved = asyncio.Condition()
        self.accepted = 0
        self.orders: dict[str, Order] = {}  # by notification id
        self.ids: dict[int, set[str]] = defaultdict(set)  # by the number of the order
        self.deliveries: dict[str, str] = {}  # delivery id → callback's name
        self.answers: Counter[str] = Counter()
        self.unexpected: list[str] = []

    async def run(self, orders: Iterable[Order], at_once: int = 48) -> None:
        """Post them all."""
        waiting = iter(orders)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=PATIENCE, connector=connector) as session:
            await asyncio.gather(*[self._caller(session, waiting) for _ in range(at_once)])

    async def reached(self, count: int) -> None:
        """Wait until so many are accepted."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.accepted >= count)

    async def _caller(self, session: aiohttp.ClientSession, waiting: Iterable[Order]) -> None:
        for order in waiting:
            body = _body(order)
            for _ in range(2 if order.twice else 1):
                await self._insist(session, order, body)
            self.accepted += 1
            if self.accepted % 10 == 0:
                async with self._moved:
                    self._moved.notify_all()
        async with self._moved:
            self._moved.notify_all()

    async def _insist(self, session: aiohttp.ClientSession, order: Order, body: bytes) -> None:
        for attempt in itertools.count():
            status, answer = await self._ask(session, order, body)
            if status == 202:
                self._note(order, answer)
                return
            if status and status not in AGAIN:
                return  # final, and not what was hoped for: it stands among the unexpected
            await asyncio.sleep(min(LONGEST_PAUSE, 0.05 * 2**attempt) * self._dice.uniform(0.5, 1.0))

    async def _ask(self, session: aiohttp.ClientSession, order: Order, body: bytes) -> tuple[int, Any]:
        """Status and JSON; 0 where there was no answer."""
        bases = self._bases()
        if not bases:
            return 0, None
        headers = {
            "Authorization": f"Bearer {self._keys[order.tenant]}",
            "Idempotency-Key": f"order-{self._seed}-{order.number}",
            "Content-Type": "application/json",
        }
        url = f"{self._dice.choice(bases)}/v1/notifications"
        try:
            async with session.post(url, data=body, headers=headers) as response:
                answer = orjson.loads(await response.read())
        except (aiohttp.ClientError, ConnectionError):
            self.answers["no connection"] += 1
            return 0, None
        except TimeoutError:
            self.answers["no answer in time"] += 1
            return 0, None
        self._count(response.status, response.headers, answer)
        return response.status, answer

    def _count(self, status: int, headers: Mapping[str, str], answer: Any) -> None:
        kind = "" if status == 202 else " " + str(answer.get("type", "")).rsplit("/", 1)[-1]
        self.answers[f"{status}{kind}"] += 1
        if status != 202 and (status not in AGAIN or "Retry-After" not in headers):
            self.unexpected.append(f"{status}{kind} {dict(headers)} {answer}")

    def _note(self, order: Order, answer: Any) -> None:
        self.ids[order.number].add(answer["id"])
        self.orders[answer["id"]] = order
        for delivery in answer["deliveries"]:
            self.deliveries[delivery["id"]] = delivery["callback"].rsplit("/", 1)[-1]


def _body(order: Order) -> bytes:
    document: dict[str, Any] = {
        "event": order.event,
        "data": {"order": order.number, "tenant": order.tenant, "text": "x" * 200},
        "priority": order.priority,
    }
    if order.due_in:
        document["deliverAt"] = (datetime.now(UTC) + timedelta(seconds=order.due_in)).isoformat()
    return orjson.dumps(document)
