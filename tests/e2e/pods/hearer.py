"""A customer's receiver under load: takes everything after a while, and keeps a ledger, which it serves at /ledger.

    hearer.py LEAST MOST

Seconds within which it answers, by chance. On bare transports: it is to be no bottleneck.
"""

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import cast

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SIGNING_KEY = Path("/signing/signing-key")
PORT = 8481
SAMPLE = 50  # one in so many signatures is verified
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


class Book:
    """Times are the clock's. `heard`: by delivery when it was first answered; `again`: each time after that."""

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most
        self._webhook = Webhook(SIGNING_KEY.read_text(encoding="ascii").strip())
        self.asked = self.verified = self.forged = 0
        self.heard: dict[str, tuple[float, float]] = {}  # when it was first heard, and how long after it was posted
        self.again: list[tuple[str, float, float]] = []  # delivery, first answered, answered again

    def hear(self, line: "Line", headers: dict[str, str], body: bytes) -> None:
        """One webhook."""
        self.asked += 1
        if self.asked % SAMPLE == 1:
            self._verify(headers, body)
        pause = random.uniform(self._least, self._most)  # noqa: S311 - it guards no secret
        now = time.time()
        asyncio.get_running_loop().call_later(pause, self._take, line, headers["webhook-id"], now, body)

    def _take(self, line: "Line", delivery: str, came: float, body: bytes) -> None:
        if not line.answer(TAKEN):
            return
        if delivery in self.heard:
            self.again.append((delivery, self.heard[delivery][0], time.time()))
        else:
            self.heard[delivery] = came, came - json.loads(body)["data"]["at"]

    def _verify(self, headers: dict[str, str], body: bytes) -> None:
        try:
            self._webhook.verify(body, headers)
            self.verified += 1
        except WebhookVerificationError:
            self.forged += 1

    def page(self) -> bytes:
        """The ledger."""
        known = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        body = json.dumps(known).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, book: Book) -> None:
        self._book, self._buffer = book, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected."""
        self._transport = cast("asyncio.Transport", transport)

    def answer(self, raw: bytes) -> bool:
        """Whether there is still somebody to answer."""
        if self._transport.is_closing():
            return False
        self._transport.write(raw)
        return True

    def data_received(self, data: bytes) -> None:
        """Whole requests are heard."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            if first.startswith("GET"):
                self.answer(self._book.page() if first.startswith("GET /ledger ") else TAKEN)
            else:
                self._book.hear(self, headers, body)


async def main(least: str, most: str) -> None:
    """For ever."""
    book = Book(float(least), float(most))
    server = await asyncio.get_running_loop().create_server(lambda: Line(book), "", PORT, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
