"""A Gotify server as its API description says (POST /message), for what goes out by Apprise."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from tests.deliverer.receivers import Request, reply

TOKEN = "AKs3cretOfGotify"


@dataclass
class Gotify:
    """With `answer` it answers that to everything. `got`: (title, message)."""

    answer: bytes | None = None
    silent: bool = False
    got: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        if not self.silent:
            writer.write(self.answer or self._answer(request))

    def _answer(self, request: Request) -> bytes:
        method, path, _ = request.line.split(" ")
        if (method, path) != ("POST", "/message"):
            return failed(404, "Not Found", "page not found")
        if request.headers.get("x-gotify-key") != TOKEN:
            return failed(401, "Unauthorized", "you need to provide a valid access token or user credentials")
        message: dict[str, Any] = json.loads(request.body)
        if not message.get("message"):
            return failed(400, "Bad Request", "Field 'message' is required")
        self.got.append((message.get("title", ""), message["message"]))
        return reply(200, json.dumps({"id": len(self.got), "appid": 1} | message).encode())


def failed(code: int, error: str, description: str) -> bytes:
    """As Gotify says it."""
    said = {"error": error, "errorCode": code, "errorDescription": description}
    return reply(code, json.dumps(said).encode(), content_type="application/json")
