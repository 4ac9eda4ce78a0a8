"""Telegram: a bot's sendMessage, by Telegram's own servers or a Bot API server of one's own.

The bot's token stands in the URL of each request. Failures have an error_code, that of HTTP, and a description in
words that Telegram may change: only the code decides.
https://core.telegram.org/bots/api#making-requests
"""

import re
from typing import Any

from angarium.contents import Telegram as Content
from angarium.notifications import Outcome, Result
from angarium_deliverer.channels import Account, Message, Way
from angarium_deliverer.channels.apis import TOO_MANY, Api, Reply, wrong_content
from angarium_deliverer.channels.webhook import LONGEST_WISH_S
from angarium_deliverer.dialer import DialError

API = "https://api.telegram.org"

_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,128}")
_NO_TOKEN = frozenset({401, 404})  # 404 is said to what can't be a token
_REFUSED = frozenset({400, 403, 413})  # no such chat or a wrong format; the bot was blocked, kicked or never let in


class Telegram:
    """Sends as one bot."""

    def __init__(self, account: Account, way: Way) -> None:
        """Raises ValueError where the token is none: it would lead to another path."""
        token = account.credentials.get("bot-token", "")
        if not _TOKEN.fullmatch(token):
            raise ValueError("the bot-token is none of Telegram's, which look like 110201543:AAHdqTcv…")
        self._url = f"{account.api_url(API)}/bot{token}/sendMessage"
        self._api = Api(way, account.record.timeout_s, (token, token.partition(":")[2]))

    async def send(self, message: Message) -> Outcome:
        """One message to one chat."""
        content = message.content
        if not isinstance(content, Content):
            return wrong_content("it is no message for Telegram")
        members: dict[str, Any] = {"chat_id": message.to, "text": content.text}
        if content.parse_mode:
            members["parse_mode"] = content.parse_mode
        if content.silent:
            members["disable_notification"] = True
        try:
            return judge(await self._api.post(self._url, members))
        except DialError as error:
            return self._api.unreached(error)

    def retire(self) -> None:
        """Connections are the dialer's."""


def judge(reply: Reply) -> Outcome:
    """What an answer means."""
    if reply.said.get("ok") is True:
        return Outcome(Result.DELIVERED, response=reply.shown(_receipt(reply)))
    code = reply.said.get("error_code")
    if not isinstance(code, int):
        return reply.unexpected()
    parameters = reply.said.get("parameters")
    wishes = parameters if isinstance(parameters, dict) else {}
    detail, response = _told(reply, wishes), reply.shown(reply.without())
    if code in _NO_TOKEN:
        return Outcome(Result.RETRYABLE, "authentication_failed", detail, response=response)
    if code in _REFUSED:
        return Outcome(Result.PERMANENT, f"telegram_{code}", detail, response=response, blameless=True)
    after = _seconds(wishes.get("retry_after")) if code == TOO_MANY else None
    reason = f"telegram_{code}" if 400 <= code <= 599 else "telegram_error"
    return Outcome(Result.RETRYABLE, reason, detail, reply.after if after is None else after, response)


def _receipt(reply: Reply) -> str:
    """Which message it became, without the message and the names of those who are in the chat."""
    result = reply.said.get("result")
    number = result.get("message_id") if isinstance(result, dict) else None
    return f'{{"ok":true,"result":{{"message_id":{number}}}}}' if isinstance(number, int) else '{"ok":true}'


def _told(reply: Reply, wishes: dict[str, Any]) -> str:
    words = f"Telegram answered {reply.word('description') or reply.said['error_code']}"
    moved = wishes.get("migrate_to_chat_id")
    return f"{words}; the chat is now {moved}" if isinstance(moved, int) else words


def _seconds(wish: object) -> float | None:
    """Telegram says it in the body alone."""
    return min(float(wish), LONGEST_WISH_S) if isinstance(wish, int) and wish >= 0 else None
