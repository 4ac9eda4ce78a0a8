"""Push messages by Firebase Cloud Messaging, HTTP v1: one for each device.

firebase-admin shapes and checks the messages; they go out by our dialer, since its own client would pass the egress
guard by, hide Retry-After and hold up the loop for its tokens (google.py). Its import takes a second and 50 MB: only
where there is an account, and in a thread.
https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
"""

import asyncio
import importlib
import re
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import orjson

from angarium.contents import Push
from angarium.notifications import Outcome, Result
from angarium_deliverer.channels import Account, Message, Way
from angarium_deliverer.channels.apis import LONGEST_SAID, Api, Reply, wrong_content
from angarium_deliverer.channels.google import AccessTokens, NoToken, read_service_account
from angarium_deliverer.dialer import DialError

API = "https://fcm.googleapis.com"
SERVICE_ACCOUNT = "service-account.json"
LONGEST_TTL_S = 28 * 86400  # FCM keeps a message for four weeks at most

_INSTALLATION = re.compile(r"[A-Za-z0-9_-]{22}")  # an id, which FCM has in another member than registration tokens
_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_REFUSED = frozenset({"UNREGISTERED", "INVALID_ARGUMENT", "SENDER_ID_MISMATCH"})
_UNAUTHENTICATED = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_WORD = re.compile(r"[A-Z_]{1,40}")
_BUSY_S = 60.0  # Google asks for a minute where it names none


class Fcm:
    """Sends as one project."""

    def __init__(self, account: Account, way: Way) -> None:
        """Raises ValueError where the service account can't be read or no project is named."""
        held = read_service_account(account.credentials.get(SERVICE_ACCOUNT, ""))
        project = account.record.settings.get("projectID") or held.project
        if not project:
            raise ValueError("neither the fcm block nor the service account names the project")
        self._url = f"{account.api_url(API)}/v1/projects/{quote(project, safe='')}/messages:send"
        self._timeout = account.record.timeout_s
        self._api = Api(way, self._timeout, ())
        self._tokens = AccessTokens(held, way, self._timeout)
        self._library: Any = None  # firebase_admin.messaging, once it is needed

    async def send(self, message: Message) -> Outcome:
        """One push to one device."""
        if not isinstance(message.content, Push):
            return wrong_content("it is no push message")
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(message, message.content)
        except NoToken as error:
            return error.outcome
        except DialError as error:
            return self._api.unreached(error)
        except TimeoutError:
            return Outcome(Result.RETRYABLE, "timeout", f"not done after {self._timeout:g} s")

    async def _send(self, message: Message, content: Push) -> Outcome:
        token = await self._tokens.get()
        if self._library is None:
            self._library = await asyncio.to_thread(importlib.import_module, "firebase_admin.messaging")
        try:
            members = compose(self._library, message, content, time.time())
        except ValueError as error:
            return wrong_content(str(error))
        bearer = [("authorization", f"Bearer {token}")]
        reply = await self._api.post(self._url, {"message": members}, bearer, secrets=(token,))
        outcome = judge(reply)
        if outcome.reason == "authentication_failed":
            self._tokens.drop(token)
        return outcome

    def retire(self) -> None:
        """Connections are the dialer's; a token that is being fetched is for what is under way."""


def compose(library: Any, message: Message, content: Push, now: float) -> Any:
    """FCM's own form. `library`: firebase_admin.messaging. Raises ValueError.

    What is shown has the delivery's id for a tag, so that a repetition takes its own place on the screen.
    """
    left = int(min(max(message.expires_ms / 1000 - now, 0), LONGEST_TTL_S)) if message.expires_ms else None
    shown = bool(content.title or content.body)
    pushed = library.Message(
        data=content.data or None,
        notification=library.Notification(content.title or None, content.body or None, content.image)
        if shown
        else None,
        android=library.AndroidConfig(
            ttl=timedelta(seconds=left) if left is not None else None,
            notification=library.AndroidNotification(tag=message.id) if shown else None,
        ),
        apns=library.APNSConfig(headers=_apns(message, left, now, shown=shown)),
        webpush=library.WebpushConfig(headers={"TTL": str(left)} if left is not None else None),
    )
    if _INSTALLATION.fullmatch(message.to):
        pushed.fid = message.to
    else:
        pushed.token = message.to  # not by its argument, which warns that apps should have ids one day
    return orjson.loads(str(pushed))


def _apns(message: Message, left: int | None, now: float, *, shown: bool) -> dict[str, str] | None:
    headers = {"apns-collapse-id": message.id} if shown else {}
    if left is not None:
        headers["apns-expiration"] = str(int(now) + left)
    return headers or None


def judge(reply: Reply) -> Outcome:
    """What an answer means."""
    if reply.status == 200 and reply.word("name"):
        return Outcome(Result.DELIVERED, response=reply.shown(reply.without()))
    error = reply.said.get("error")
    if not isinstance(error, dict):
        return reply.unexpected()
    code = _code(error)
    detail, response = (
        f"FCM answered {code or reply.status}: {error.get('message', '')}"[:LONGEST_SAID],
        reply.shown(reply.text),
    )
    if code in _REFUSED:
        return Outcome(
            Result.PERMANENT, f"fcm_{code.lower()}", detail, response=response, blameless=True,
            gone=code == "UNREGISTERED",
        )  # fmt: skip
    if code in _UNAUTHENTICATED:
        return Outcome(Result.RETRYABLE, "authentication_failed", detail, response=response)
    after = reply.after if reply.after is not None or reply.status != 429 else _BUSY_S
    reason = f"fcm_{code.lower()}" if code else f"http_{reply.status}"
    return Outcome(Result.RETRYABLE, reason, detail, after, response)


def _code(error: Mapping[str, Any]) -> str:
    """FCM's own word, or else Google's; nothing where it is none."""
    details = error.get("details")
    own = [
        each.get("errorCode")
        for each in (details if isinstance(details, list) else ())
        if isinstance(each, dict) and each.get("@type") == _FCM_ERROR
    ]
    word = own[0] if own else error.get("status")
    return word if isinstance(word, str) and _WORD.fullmatch(word) else ""
