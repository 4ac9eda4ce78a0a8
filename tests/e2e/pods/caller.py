"""A customer's services under load: posts so many notifications a second until it gets SIGUSR1, each with an
Idempotency-Key and again until it is accepted, and keeps a ledger of every answer, which it serves at /ledger.

    caller.py NAME RATE [--fresh]

NAME goes into the keys; `--fresh` makes a connection for each request, else each of its threads keeps its own.
"""

import itertools
import json
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

BINDING = Path("/binding")
PORT = 8482
THREADS = 32
PATIENCE = 10.0  # s for one answer
LONGEST_PAUSE = 0.5  # s; Retry-After asks for more, but waiting for it would leave the system in peace
TWICE = 0.03  # of what was accepted is asked again, with the same key


@dataclass
class Ledger:
    """What was answered. `accepted`: number, id, when it was first asked, seconds that its answer took; `failed`: when,
    status (0: no answer), the problem's type, Retry-After or what kept the answer away, seconds."""

    begun: int = 0
    accepted: list[tuple[int, str, float, float]] = field(default_factory=list)
    failed: list[tuple[float, int, str, str, float]] = field(default_factory=list)
    repeated: list[tuple[int, str]] = field(default_factory=list)
    done: bool = False


class Caller:
    """Threads that share one schedule: what an outage held up is made up for afterwards."""

    def __init__(self, name: str, rate: float, *, fresh: bool) -> None:
        self.ledger, self.stop = Ledger(), threading.Event()
        self._name, self._rate, self._fresh = name, rate, fresh
        self._counting, self._began = threading.Lock(), time.monotonic()
        where = urlsplit(secret("uri"))
        # Once: a lookup for each request would test the cluster's DNS, and the Service's address stays.
        self._host, self._port = socket.gethostbyname(where.hostname or ""), where.port or 80

    def run(self) -> None:
        """Until told to stop; what was begun is insisted on."""
        threads = [threading.Thread(target=self._work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.ledger.done = True

    def _work(self) -> None:
        line = HTTPConnection(self._host, self._port, timeout=PATIENCE)
        for number in self._schedule():
            first = time.time()
            body = json.dumps({"event": "order.paid", "data": {"order": number, "at": first}})
            id_, seconds = self._insist(line, number, body)
            self.ledger.accepted.append((number, id_, first, seconds))
            if random.random() < TWICE:  # noqa: S311 - it guards no secret
                self.ledger.repeated.append((number, self._insist(line, number, body)[0]))

    def _schedule(self) -> Iterator[int]:
        """Each number when it is due."""
        while True:
            with self._counting:
                due = self._began + self.ledger.begun / self._rate
                if self.stop.wait(max(0.0, due - time.monotonic())):
                    return
                self.ledger.begun += 1
                number = self.ledger.begun
            yield number

    def _insist(self, line: HTTPConnection, number: int, body: str) -> tuple[str, float]:
        """The notification's id, and how long the answer took that told it."""
        for attempt in itertools.count():
            began = time.time()
            status, answer, told = self._ask(line, number, body)
            if status == 202:
                return answer["id"], time.time() - began
            self.ledger.failed.append((began, status, answer.get("type", ""), told, time.time() - began))
            time.sleep(min(LONGEST_PAUSE, 0.05 * 2**attempt) * random.uniform(0.5, 1.0))  # noqa: S311 - likewise
        raise AssertionError

    def _ask(self, line: HTTPConnection, number: int, body: str) -> tuple[int, dict[str, str], str]:
        """Status (0: no answer), JSON, and Retry-After or what kept the answer away."""
        headers = {
            "Authorization": f"Bearer {secret('api-key')}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"{self._name}-{number}",
        }
        try:
            line.request("POST", "/v1/notifications", body, headers)
            response = line.getresponse()
            answer = json.loads(response.read())
        except (OSError, HTTPException) as error:
            line.close()
            return 0, {}, what(error)
        if self._fresh:
            line.close()
        return response.status, answer, response.getheader("Retry-After", "")


def what(error: Exception) -> str:
    """Why there was no answer, in one word."""
    match error:
        case ConnectionRefusedError():
            return "refused"
        case TimeoutError():
            return "late"
        case ConnectionError() | HTTPException():  # RemoteDisconnected is both
            return "broken"
        case _:
            return type(error).__name__


def secret(name: str) -> str:
    """One key of the binding."""
    return (BINDING / name).read_text(encoding="utf-8").strip()


class Page(BaseHTTPRequestHandler):
    """Shows the ledger."""

    ledger: Ledger

    def do_GET(self) -> None:
        """All of it."""
        body = json.dumps(vars(self.ledger)).encode() if self.path == "/ledger" else b"up"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Nobody reads it."""


def main(name: str, rate: str, *flags: str) -> None:
    """Serve the ledger until the end, which is the pod's."""
    caller = Caller(name, float(rate), fresh="--fresh" in flags)
    Page.ledger = caller.ledger
    signal.signal(signal.SIGUSR1, lambda *_: caller.stop.set())
    threading.Thread(target=caller.run).start()
    ThreadingHTTPServer(("", PORT), Page).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
