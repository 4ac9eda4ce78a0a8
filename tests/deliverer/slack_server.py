"""Slack as its descriptions of chat.postMessage and of incoming webhooks say, on a port of its own.

It refuses what Slack would: another token, a body that is no JSON, a channel that is archived or that the bot is not
in, nothing to say. Like Slack it says each message back, with everything beyond ASCII escaped.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from tests.deliverer.receivers import Request, reply

TOKEN = "xoxb-2147483648-s3cretOfTheBot"
KEY = "XXXXs3cretOfTheWebhookXX"
HOOK = f"/services/T0SHOP/B0ALERTS/{KEY}"
MOST_TEXT = 40_000
MOST_BLOCKS = 50


@dataclass
class Workspace:
    """With `answer` it answers that to everything. `got`: (channel, text), or the whole message where it had blocks."""

    answer: bytes | None = None
    silent: bool = False
    channels: dict[str, str] = field(
        default_factory=lambda: {
            "C0ALERTS": "",
            "#alerts": "",
            "U0JANE": "",
            "C0ATTIC": "is_archived",
            "C0BOARD": "not_in_channel",
            "C0NEWS": "restricted_action_read_only_channel",
        }
    )
    hook: str = ""  # what is wrong with it
    got: list[tuple[str, str]] = field(default_factory=list)
    members: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        if not self.silent:
            writer.write(self.answer or self._answer(request))

    def _answer(self, request: Request) -> bytes:
        method, path, _ = request.line.split(" ")
        if path == HOOK:
            return self._hooked(request) if method == "POST" else reply(302, b"", location="https://api.slack.com/")
        if path.startswith("/services/"):
            return reply(404, b"no_service", content_type="text/html")
        if path == "/api/auth.test":
            known = request.headers.get("authorization") == f"Bearer {TOKEN}"
            return said(
                {"ok": True, "user": "courier", "team": "Shop"} if known else {"ok": False, "error": "invalid_auth"}
            )
        if path != "/api/chat.postMessage":
            return said({"ok": False, "error": "unknown_method", "req_method": path.rpartition("/")[2]})
        return said(self._posted(request))

    def _posted(self, request: Request) -> dict[str, Any]:
        if request.headers.get("content-type") != "application/json; charset=utf-8":
            return {"ok": False, "error": "invalid_post_type"}
        if "authorization" not in request.headers:  # one within JSON is not looked at
            return {"ok": False, "error": "not_authed"}
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            return {"ok": False, "error": "invalid_auth"}
        message = _read(request.body)
        if message is None:
            return {"ok": False, "error": "invalid_json"}
        if "channel" not in message:
            told = {"messages": ["[ERROR] missing required field: channel"]}
            return {"ok": False, "error": "invalid_arguments", "response_metadata": told}
        wrong = self.channels.get(message["channel"], "channel_not_found") or _wrong(message)
        if wrong:
            return {"ok": False, "error": wrong}
        text = message.get("text", "")[:MOST_TEXT]
        self._keep(message["channel"], text, message)
        back = {"type": "message", "user": "U0BOT", "bot_id": "B0SHOP", "ts": "1763692800.000100", "text": text}
        return {"ok": True, "channel": "C0ALERTS", "ts": "1763692800.000100", "message": back}

    def _hooked(self, request: Request) -> bytes:
        status = {"channel_is_archived": 410, "action_prohibited": 403, "no_service": 404, "team_disabled": 403}
        if self.hook:
            return reply(status[self.hook], self.hook.encode(), content_type="text/html")
        message = _read(request.body)
        wrong = "invalid_payload" if message is None else _wrong(message)
        if message is None or wrong:
            return reply(400, wrong.encode(), content_type="text/html")
        self._keep("", message.get("text", ""), message)
        return reply(200, b"ok", content_type="text/html")

    def _keep(self, channel: str, text: str, message: dict[str, Any]) -> None:
        self.got.append((channel, text))
        self.members.append(message)


def said(answer: dict[str, Any], status: int = 200, **headers: str) -> bytes:
    """As Slack writes it."""
    return reply(status, json.dumps(answer).encode(), content_type="application/json; charset=utf-8", **headers)


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _wrong(message: dict[str, Any]) -> str:
    blocks = message.get("blocks", [])
    if not message.get("text") and not blocks:
        return "no_text"
    if len(blocks) > MOST_BLOCKS or any("type" not in block for block in blocks):
        return "invalid_blocks"
    return ""
