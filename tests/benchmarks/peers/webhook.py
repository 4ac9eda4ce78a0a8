"""What each peer's task does: sign 1 KiB with HMAC-SHA256 and POST it. Recorded is nothing.

These files run in environments of their own (requirements/bench*.txt); they import nothing of ours. As a program, each
puts so many jobs into its queue; its framework's own command is the worker.
Environment: BENCH_REDIS_URL, BENCH_RECEIVER.
"""

import base64
import hashlib
import hmac
import os
import time
import uuid

import aiohttp

REDIS_URL, RECEIVER = os.environ["BENCH_REDIS_URL"], os.environ["BENCH_RECEIVER"]
BODY = '{"type":"order.paid","data":{"text":"' + "x" * 985 + '"}}'
KEY = b"k" * 32
AT_ONCE = 64


def headers(body: bytes) -> dict[str, str]:
    """As Standard Webhooks has them."""
    id_, now = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
    signature = hmac.digest(KEY, f"{id_}.{now}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "user-agent": "peer",
        "webhook-id": id_,
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


class Client:
    """One session for the whole worker, opened where its loop runs."""

    session: aiohttp.ClientSession | None = None

    @classmethod
    async def post(cls, text: str) -> None:
        """One delivery."""
        session = cls.session
        if session is None:
            connector = aiohttp.TCPConnector(limit=0)
            session = cls.session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=15))
        body = text.encode()
        async with session.post(RECEIVER, data=body, headers=headers(body)) as response:
            response.raise_for_status()
