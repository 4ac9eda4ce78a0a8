"""SMS and WhatsApp by Twilio's Messages API: taken at once, and told later whether it arrived.

Twilio knows no idempotency key. So what may have been sent (a time-out, a connection that broke, a deliverer that
died) is looked for among the recipient's latest messages before it is sent again. What was sent is asked after by its
SID until its end is known; where the gateway can be reached from outside, Twilio is asked to tell it by itself.
https://www.twilio.com/docs/messaging/api/message-resource
"""

import re
import time
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote

import orjson
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from angarium.contents import Template, Text
from angarium.notifications import Outcome, Result
from angarium.queue import Report
from angarium_deliverer.channels import MAYBE, Account, Message, Unproven, Way
from angarium_deliverer.channels.apis import excerpt, wrong_content
from angarium_deliverer.channels.twilio_codes import NEVER_ASKED, NOT_TAKEN, follow, judge, pause, unreached
from angarium_deliverer.channels.twilio_http import GuardedHttp, Refused
from angarium_deliverer.dialer import DialError

API = "https://api.twilio.com"
STATUS_PATH = "/v1/providers/{provider}/status"
LONGEST_VALIDITY = 36_000  # s
LOOKED_THROUGH = 50  # messages to one recipient
SKEW = 5.0  # s that Twilio's clock, which tells whole seconds, and ours may differ
_SID = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")
_NO_REGION = {"TWILIO_REGION": "", "TWILIO_EDGE": ""}  # else the package would look into our environment


class Twilio:
    """Sends from one account."""

    def __init__(self, account: Account, way: Way) -> None:
        """Raises ValueError where the credentials are not whole."""
        settings, held = account.record.settings, account.credentials
        sid, self._token = held.get("account-sid", ""), held.get("auth-token", "")
        key = "api-key-sid" in held
        user, password = (held["api-key-sid"], held.get("api-key-secret", "")) if key else (sid, self._token)
        if not (sid and user and password):
            raise ValueError("the Secret lacks account-sid, auth-token or api-key-secret")
        self._client = Client(
            user, password, quote(sid, safe=""), http_client=GuardedHttp(way.dialer, account.record.timeout_s),
            environment=_NO_REGION,
        )  # fmt: skip
        self._client.api.base_url = account.api_url(API)
        self._service = settings.get("messagingServiceSid")
        self._from = {"sms": settings.get("from"), "whatsapp": settings.get("whatsappFrom")}
        self._id, self._timeout = account.record.id, account.record.timeout_s
        told = way.public_url and self._token and settings.get("statusCallbacks", True)
        self._callback = f"{way.public_url}{STATUS_PATH.format(provider=self._id)}" if told else ""
        self._public = way.public_url

    async def send(self, message: Message) -> Outcome:
        """One message to one recipient; or what became of it."""
        content = message.content
        if not isinstance(content, Text):
            return wrong_content("it is neither SMS nor WhatsApp")
        sid, _, since = message.reference.partition(" ")
        if _SID.fullmatch(sid):
            return await self._ask_after(sid, float(since or 0))
        if message.reference.startswith(MAYBE):
            began = float(message.reference.removeprefix(MAYBE))
            found = await self._find(message, content, began, began + self._timeout)
        elif message.recovered:
            found = await self._find(message, content, message.created_ms / 1000, time.time())
        else:
            found = None
        return found or await self._post(message, content)

    async def _post(self, message: Message, content: Text) -> Outcome:
        began = time.time()
        left = message.expires_ms / 1000 - began if message.expires_ms else LONGEST_VALIDITY
        if left < 1:
            return Outcome(Result.PERMANENT, "expired", "it was not sent before its expiresAt", blameless=True)
        maybe = f"{MAYBE}{began:.3f}"
        try:
            taken = await self._client.messages.create_async(**self._fields(message, content, int(left)))
        except DialError as error:
            outcome = unreached(error)
            outcome.reference = "" if error.reason in NEVER_ASKED else maybe
            return outcome
        except Refused as error:
            outcome = judge(error)
            if 200 <= error.status <= 299 or (error.status >= 500 and error.status not in NOT_TAKEN):
                outcome.reference = maybe
            return outcome
        if not _SID.fullmatch(str(taken.sid)):
            return Outcome(Result.RETRYABLE, "protocol_error", "Twilio named no SID", reference=maybe)
        said = {"sid": taken.sid, "status": taken.status, "segments": taken.num_segments}
        shown = excerpt(201, orjson.dumps(said, default=str).decode())
        return Outcome(
            Result.SENT, retry_after=pause(0, bool(self._callback)), response=shown, reference=_named(taken.sid, began)
        )

    def _fields(self, message: Message, content: Text, left: int) -> dict[str, Any]:
        fields: dict[str, Any] = {"to": self._address(message.channel, message.to)}
        if sender := self._from.get(message.channel):
            fields["from_"] = self._address(message.channel, sender)
        else:
            fields["messaging_service_sid"] = self._service
        if message.expires_ms:
            fields["validity_period"] = min(left, LONGEST_VALIDITY)
        if self._callback:
            fields["status_callback"] = f"{self._callback}?delivery={message.id}"
        if isinstance(content.template, Template):
            fields["content_sid"] = content.template.id
            if content.template.variables:
                fields["content_variables"] = orjson.dumps(content.template.variables).decode()
        else:
            fields["body"] = content.body
        return fields

    @staticmethod
    def _address(channel: str, number: str) -> str:
        return f"whatsapp:{number}" if channel == "whatsapp" else number

    async def _ask_after(self, sid: str, since: float) -> Outcome:
        """What fails here spends no attempt: it was sent, and only news of it is late."""
        age = max(0.0, time.time() - since)
        try:
            found = await self._client.messages(sid).fetch_async()
            status, code, problem = str(found.status), found.error_code, ""
        except DialError as error:
            status, code, problem = "unknown", None, error.detail
        except Refused as error:
            if error.status == 404:
                return Outcome(
                    Result.PERMANENT, "twilio_20404", "Twilio took it and knows it no more", response=error.shown,
                    blameless=True,
                )  # fmt: skip
            may_not = error.status in (401, 403)  # others who may not ask never get to know either
            status, code, problem = "sent" if may_not else "unknown", None, judge(error).detail
        outcome = follow(status, code, age, bool(self._callback))
        if outcome.result is Result.SENT:
            outcome.reference, outcome.detail = _named(sid, since), problem
        return outcome

    async def _find(self, message: Message, content: Text, since: float, until: float) -> Outcome | None:
        """What became of a message that may have been sent in that time; None: it was not."""
        asked: dict[str, Any] = {"to": self._address(message.channel, message.to)}
        if sender := self._from.get(message.channel):
            asked["from_"] = self._address(message.channel, sender)
        try:
            listed = await self._client.messages.list_async(**asked, limit=LOOKED_THROUGH, page_size=LOOKED_THROUGH)
        except (DialError, Refused) as error:
            outcome = unreached(error) if isinstance(error, DialError) else judge(error)
            outcome.result, outcome.reference = Result.RETRYABLE, f"{MAYBE}{since:.3f}"
            return outcome
        for each in listed:
            made = each.date_created.timestamp() if isinstance(each.date_created, datetime) else 0.0
            if since - SKEW <= made <= until + SKEW and _same(each, content):
                return self._found(each, made)
        return None

    def _found(self, found: Any, made: float) -> Outcome:
        age = max(0.0, time.time() - made)
        outcome = follow(str(found.status), found.error_code, age, bool(self._callback))
        if outcome.result is Result.SENT:
            outcome.reference, outcome.detail = _named(found.sid, made), "it had been sent before"
        return outcome

    def told(self, report: Report) -> Outcome:
        """What a status callback says; raises Unproven where it is not Twilio's. `reference` begins with the SID."""
        parameters = parse_qs(report.body, keep_blank_values=True)
        url = f"{self._public}{STATUS_PATH.format(provider=self._id)}?{report.query}"
        if not self._token or not self._public or parse_qs(report.query).get("delivery") != [report.delivery]:
            raise Unproven
        if not RequestValidator(self._token).validate(url, _Many(parameters), report.signature):
            raise Unproven
        said = {name: values[0] for name, values in parameters.items()}
        code = said.get("ErrorCode", "")
        outcome = follow(
            said.get("MessageStatus", ""), int(code) if code.isdigit() else None, 0.0, bool(self._callback)
        )
        outcome.reference = said.get("MessageSid", "")
        return outcome

    def retire(self) -> None:
        """Connections are the dialer's."""


class _Many(dict[str, list[str]]):
    """As the validator wants parameters that may be given several times."""

    def getall(self, name: str) -> list[str]:
        return self[name]


def _named(sid: str, since: float) -> str:
    return f"{sid} {since:.3f}"


def _same(found: Any, content: Text) -> bool:
    """Of a template only the time is known; trial accounts put a sentence before each body."""
    if not str(found.direction).startswith("outbound"):
        return False
    return bool(content.template) or str(found.body) == content.body or str(found.body).endswith(f" - {content.body}")
