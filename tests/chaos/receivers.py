"""The receivers of a run and their book: who heard what, how often, and how it was answered.

They are written on bare transports, since one process plays all of them, the callers and the network beside the system
that is tested.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

import orjson
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.chaos.plan import Subscription, dice_of

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
LATER = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
GONE = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
RETRY_AFTER = 1.0
EARLY = 0.05  # s by which two clocks' readings of the same pause may differ
SAMPLE = 16  # one in so many requests is looked at closely


@dataclass
class Book:
    """By webhook-id, except where a total is enough. Times are the loop's."""

    attempts: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)  # answered 2xx
    refused: set[str] = field(default_factory=set)  # answered 410
    last_at: dict[str, float] = field(default_factory=dict)
    not_before: dict[str, float] = field(default_factory=dict)  # as Retry-After asked
    asked_to_wait: int = 0
    undercut: int = 0
    verified: int = 0
    forged: int = 0
    strangers: int = 0  # deliveries of another tenant


class Receiver:
    """One callback's endpoint."""

    def __init__(self, subscription: Subscription, signing_key: str, seed: int) -> None:
        self.subscription = subscription
        self.book = Book()
        self.down = False
        self.port = 0
        self._webhook = Webhook(signing_key)
        self._dice = dice_of(subscription.name, seed)
        self._connections: set[_Connection] = set()

    @property
    def url(self) -> str:
        """By address, so that no name has to be looked up."""
        return f"http://127.0.0.1:{self.port}/{self.subscription.name}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.hang_up()

    def opened(self, connection: "_Connection") -> None:
        """Somebody connected."""
        self._connections.add(connection)

    def closed(self, connection: "_Connection") -> None:
        """And is gone."""
        self._connections.discard(connection)

    def hang_up(self) -> None:
        """Break all connections."""
        for connection in list(self._connections):
            connection.abort()

    def hear(self, connection: "_Connection", headers: Mapping[str, str], body: bytes) -> None:
        """One request."""
        id_, now = headers["webhook-id"], asyncio.get_running_loop().time()
        book = self.book
        book.attempts[id_] += 1
        book.last_at[id_] = now
        if now < book.not_before.pop(id_, 0.0) - EARLY:
            book.undercut += 1
        if book.attempts[id_] == 1 and book.attempts.total() % SAMPLE == 0:
            self._examine(headers, body)
        self._answer(connection, id_, now)

    def _answer(self, connection: "_Connection", id_: str, now: float) -> None:
        match self.subscription.behaviour:
            case "silent":
                pass
            case "gone":
                self.book.refused.add(id_)
                connection.answer(GONE)
            case "flapping" if self.down:
                connection.answer(BUSY)
            case "failing" if self._dice.random() < 0.1:
                connection.answer(BUSY)
            case "failing" if self._dice.random() < 0.1:
                self.book.asked_to_wait += 1
                self.book.not_before[id_] = now + RETRY_AFTER
                connection.answer(LATER)
            case "slow":
                pause = self._dice.uniform(0.05, 0.5)
                asyncio.get_running_loop().call_later(pause, self._accept, connection, id_)
            case _:
                self._accept(connection, id_)

    def _accept(self, connection: "_Connection", id_: str) -> None:
        if connection.answer(OK):
            self.book.accepted[id_] += 1

    def _examine(self, headers: Mapping[str, str], body: bytes) -> None:
        try:
            self._webhook.verify(body, dict(headers))
            self.book.verified += 1
        except WebhookVerificationError:
            self.book.forged += 1
        if orjson.loads(body)["data"]["tenant"] != self.subscription.tenant:
            self.book.strangers += 1


class _Connection(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not of that class
        self._receiver.opened(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._receiver.closed(self)

    def abort(self) -> None:
        self._transport.abort()

    def answer(self, raw: bytes) -> bool:
        """Whether there is still somebody to answer."""
        if self._transport.is_closing():
            return False
        self._transport.write(raw)
        return True

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            lines = self._buffer[:end].decode("latin-1").split("\r\n")[1:]
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self._receiver.hear(self, headers, body)
