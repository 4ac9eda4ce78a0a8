"""A Bot API server as https://core.telegram.org/bots/api says, on a port of its own, with one bot and some chats.

It refuses what Telegram would: another token, a chat that it doesn't know or may not write to, no text or too much of
it, tags that are not closed. Like Telegram it says each message back, with everything beyond ASCII escaped.
"""

import asyncio
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from tests.deliverer.receivers import Request, reply

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
CHAT, GROUP, MOVED = "4711", "-100200300", "-200300"
MOST_TEXT = 4096
TAGS = {
    "a",
    "b",
    "blockquote",
    "code",
    "del",
    "em",
    "i",
    "ins",
    "pre",
    "s",
    "span",
    "strike",
    "strong",
    "tg-spoiler",
    "u",
}


@dataclass
class Bot:
    """With `answer` it answers that to everything. `refusals` by chat: code, description and parameters."""

    answer: bytes | None = None
    silent: bool = False
    refusals: dict[str, tuple[int, str, dict[str, int]]] = field(
        default_factory=lambda: {
            "13": (403, "Forbidden: bot was blocked by the user", {}),
            "-14": (403, "Forbidden: bot was kicked from the group chat", {}),
            MOVED: (
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": int(GROUP)},
            ),
        }
    )
    chats: set[str] = field(default_factory=lambda: {CHAT, GROUP, "@alerts"})
    got: list[tuple[str, str]] = field(default_factory=list)
    members: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        if not self.silent:
            writer.write(self.answer or self._answer(request))

    def _answer(self, request: Request) -> bytes:
        path = request.line.split(" ")[1]
        token, _, method = path.removeprefix("/bot").partition("/")
        if not path.startswith("/bot") or not token.partition(":")[2]:
            return failed(404, "Not Found")
        if token != TOKEN:
            return failed(401, "Unauthorized")
        if method.lower() == "getme":
            bot = {"id": 110201543, "is_bot": True, "first_name": "Shop", "username": "shopbot"}
            return reply(200, json.dumps({"ok": True, "result": bot}).encode(), content_type="application/json")
        if method.lower() != "sendmessage":
            return failed(404, "Not Found: method not found")
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return failed(400, "Bad Request: message text is empty")  # what it can't read it takes for nothing
        try:
            message = json.loads(request.body)
        except ValueError:
            return failed(400, "Bad Request: can't parse JSON object")
        return self._send(message)

    def _send(self, message: dict[str, Any]) -> bytes:
        chat, text = str(message.get("chat_id", "")), message.get("text", "").strip(" \t\r\n")
        if chat in self.refusals:
            code, words, parameters = self.refusals[chat]
            return failed(code, words, **parameters)
        wrong = "chat_id is empty" if not chat else "" if chat in self.chats else "chat not found"
        wrong = wrong or _wrong(text, message.get("parse_mode"))
        if wrong:
            return failed(400, f"Bad Request: {wrong}")
        self.got.append((chat, text))
        self.members.append(message)
        place = {"id": 4711, "first_name": "Jane", "type": "private"}
        result = {"message_id": len(self.got), "chat": place, "date": 1763692800, "text": text}
        return reply(200, json.dumps({"ok": True, "result": result}).encode(), content_type="application/json")


def failed(code: int, description: str, **parameters: int) -> bytes:
    """As Telegram says it."""
    said: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        said["parameters"] = parameters
    return reply(code, json.dumps(said).encode(), content_type="application/json")


def _wrong(text: str, parse_mode: str | None) -> str:
    if not text:
        return "message text is empty"
    if parse_mode not in (None, "HTML", "Markdown", "MarkdownV2"):
        return "unsupported parse_mode"
    if parse_mode == "HTML" and (wrong := _Tags.wrong(text)):
        return f"can't parse entities: {wrong}"
    return "message is too long" if len(text) > MOST_TEXT else ""


class _Tags(HTMLParser):
    """Those that Telegram knows, each closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.unknown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.unknown = self.unknown or ("" if tag in TAGS else tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    @classmethod
    def wrong(cls, text: str) -> str:
        """What Telegram says of it, or nothing."""
        tags = cls()
        tags.feed(text)
        tags.close()
        if tags.unknown:
            return f'Unsupported start tag "{tags.unknown}" at byte offset 0'
        return f'Can\'t find end tag corresponding to start tag "{tags.open[-1]}"' if tags.open else ""
