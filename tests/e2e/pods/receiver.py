"""A customer's receiver: fails its very first request, then checks signatures with the reference library.

One JSON line for each request tells what it made of it.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SIGNING_KEY = Path("/signing/signing-key")
PORT = 8481


class Receiver(BaseHTTPRequestHandler):
    """Answers webhooks at any path."""

    protocol_version = "HTTP/1.1"
    failures_left = 1

    def do_POST(self) -> None:
        """One webhook."""
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        status, verdict = self.judge(body)
        line = {"id": self.headers.get("webhook-id"), "verdict": verdict, "body": body.decode("utf-8", "replace")}
        os.write(1, json.dumps(line).encode() + b"\n")  # whole lines, though several threads write
        self.answer(status, verdict)

    def do_GET(self) -> None:
        """Readiness."""
        self.answer(200, "up")

    def judge(self, body: bytes) -> tuple[int, str]:
        """Status to answer, and why."""
        if Receiver.failures_left > 0:
            Receiver.failures_left -= 1
            return 503, "overloaded"
        try:
            Webhook(SIGNING_KEY.read_text(encoding="ascii").strip()).verify(body, dict(self.headers.items()))
        except WebhookVerificationError as error:
            return 401, f"rejected: {error}"
        return 200, "verified"

    def answer(self, status: int, text: str) -> None:
        """In plain text."""
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Its own line says more."""


class Server(ThreadingHTTPServer):
    """One thread for each connection."""

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


if __name__ == "__main__":
    Server(("", PORT), Receiver).serve_forever()
