"""`helm test`: sends one notification to the gateway with a key of a Product, and receives it as an endpoint does.

Runs in a pod of the gateway's image, so it takes nothing but the standard library. It waits for what a cluster brings
about in its own time (the key in the gateways, the record in the deliverers), two minutes in all.
"""

import base64
import hashlib
import hmac
import json
import os
import queue
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

FOLDER = Path(os.environ.get("FOLDER", "/"))  # where the Secrets are mounted
API_KEY = FOLDER / "binding/api-key"
SIGNING_KEY = FOLDER / "signing/signing-key"
CERTIFICATE = FOLDER / "tls/tls.crt"
PORT = int(os.environ.get("PORT", "8481"))
PATIENCE = 120.0  # s, for everything

received: queue.Queue[str] = queue.Queue()


class Endpoint(BaseHTTPRequestHandler):
    """Takes what bears a good signature."""

    def do_POST(self) -> None:
        """One webhook."""
        body = self.rfile.read(int(self.headers["content-length"]))
        good = self.signed(body)
        self.send_response(204 if good else 401)
        self.end_headers()
        sys.stdout.write(f"received {self.headers['webhook-id']}, signature {'good' if good else 'BAD'}\n")
        if good:
            received.put(self.headers["webhook-id"])

    def signed(self, body: bytes) -> bool:
        """As Standard Webhooks wants it."""
        key = base64.b64decode(SIGNING_KEY.read_text(encoding="ascii").strip().removeprefix("whsec_"))
        said = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        mac = "v1," + base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode()
        return any(hmac.compare_digest(mac, each) for each in self.headers["webhook-signature"].split())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Our own line says more."""


def context() -> ssl.SSLContext | None:
    """Trusts the very certificate that the gateways have, whatever names it bears."""
    if not CERTIFICATE.exists():
        return None
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.check_hostname = False
    return trusting


def call(path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    """Status and JSON; status 0 where nobody answered."""
    request = Request(  # noqa: S310 - the chart's own Service
        os.environ["GATEWAY"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {API_KEY.read_text(encoding='ascii').strip()}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urlopen(request, timeout=20, context=context()) as answer:  # noqa: S310 - likewise
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)
    except (URLError, TimeoutError) as error:
        return 0, {"detail": str(error)}


def accepted(deadline: float) -> tuple[str, str]:
    """The id of a notification that has somebody to go to, and that of its delivery, which is the webhook's."""
    while True:
        status, answer = call("/v1/notifications", {"event": "angarium.test", "data": {"from": "helm test"}})
        if status == 202 and answer["status"] == "pending":
            sys.stdout.write(f"accepted {answer['id']}\n")
            (delivery,) = answer["deliveries"]
            return answer["id"], delivery["id"]
        if time.monotonic() > deadline:
            sys.exit(f"not accepted within {PATIENCE:.0f} s; the last answer was {status} {answer}")
        time.sleep(1)


def main() -> None:
    """One line for each step; exit code 1 with a reason where one fails."""
    deadline = time.monotonic() + PATIENCE
    threading.Thread(target=HTTPServer(("", PORT), Endpoint).serve_forever, daemon=True).start()
    sent, delivery = accepted(deadline)
    try:
        while received.get(timeout=max(0.1, deadline - time.monotonic())) != delivery:
            pass  # an earlier one
    except queue.Empty:
        sys.exit(f"{sent} was not received within {PATIENCE:.0f} s: {call(f'/v1/notifications/{sent}/timeline')}")
    while call(f"/v1/notifications/{sent}?wait=10")[1].get("status") != "delivered":
        if time.monotonic() > deadline:
            sys.exit(f"{sent} was received, but isn't told to be delivered: {call(f'/v1/notifications/{sent}')}")
        time.sleep(0.5)
    sys.stdout.write(f"delivered {sent}\n")


if __name__ == "__main__":
    main()
