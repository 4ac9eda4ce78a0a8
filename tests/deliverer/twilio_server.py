"""Twilio's Messages API as its description says (twilio/twilio-oai, api_v2010), with one account, on a port of its own.

It refuses what Twilio would: another login, a form that is none, parameters that it doesn't know or that are missing,
numbers and SIDs of a wrong shape. It signs status callbacks as Twilio does: HMAC-SHA1 by the auth token over the URL
and each parameter with its value, sorted. https://www.twilio.com/docs/usage/security#validating-requests
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from tests.deliverer.receivers import Request, reply

ACCOUNT, TOKEN = "AC" + "0a" * 16, "sesame-of-twilio"
KEY, KEY_SECRET = "SK" + "0b" * 16, "secret-of-the-key"
FROM, WHATSAPP, SERVICE = "+15017122661", "+14155238886", "MG" + "0c" * 16
JANE, TEMPLATE = "+4930123456", "HX" + "0d" * 16
KNOWN = frozenset(
    {"To", "From", "MessagingServiceSid", "Body", "ContentSid", "ContentVariables", "StatusCallback", "ValidityPeriod"}
)
NUMBER = re.compile(r"(whatsapp:)?\+[1-9][0-9]{6,14}")
UNSUBSCRIBED, NO_NUMBER = "+15005550610", "+15005550600"
LONGEST = 1600
_BASE = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"


@dataclass
class Twilio:
    """With `answer` it says that to everything, with `silent` nothing; `lost`: it takes messages on and says nothing.

    `messages` by SID, as it shows them; `forms` as they came.
    """

    answer: bytes | None = None
    silent: bool = False
    lost: bool = False
    status: str = "queued"
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def got(self) -> list[tuple[str, str]]:
        """Recipients and texts."""
        return [(form["To"], form.get("Body", "")) for form in self.forms]

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        answer = self._answer(request) if not self.silent and not self.answer else self.answer or b""
        self.asked.set()
        if not (self.lost and request.line.startswith("POST")):
            writer.write(answer)

    def tell(self, sid: str, status: str, code: int | None = None) -> None:
        """From now on it stands so with a message."""
        self.messages[sid] |= {"status": status, "error_code": code}

    def callback(
        self, sid: str, status: str, code: int | None = None, token: str = TOKEN
    ) -> tuple[str, dict[str, str]]:
        """URL and parameters that Twilio would POST to say so, with the signature among them as `signature`."""
        form = next(form for form, known in zip(self.forms, self.messages, strict=True) if known == sid)
        told = {"MessageSid": sid, "SmsSid": sid, "MessageStatus": status, "SmsStatus": status, "To": form["To"]}
        told |= {"AccountSid": ACCOUNT, "From": form.get("From", FROM), "ApiVersion": "2010-04-01"}
        told |= {"ErrorCode": str(code)} if code else {}
        return form["StatusCallback"], told | {"signature": signed(form["StatusCallback"], told, token)}

    def _answer(self, request: Request) -> bytes:
        method, target, _ = request.line.split(" ")
        url = urlsplit(target)
        if not _logged_in(request.headers.get("authorization", "")):
            return failed(401, 20003, "Authenticate")
        if url.path == f"{_BASE.removesuffix('/Messages')}.json" and method == "GET":
            return said({"sid": ACCOUNT, "status": "active", "type": "Full"})
        if url.path == f"{_BASE}.json" and method == "POST":
            return self._create(request)
        if url.path == f"{_BASE}.json" and method == "GET":
            return self._list({name: values[0] for name, values in parse_qs(url.query).items()})
        sid = url.path.removeprefix(f"{_BASE}/").removesuffix(".json")
        if method != "GET" or sid not in self.messages:
            return failed(404, 20404, f"The requested resource {url.path} was not found")
        self.looks.append(sid)
        return said(self.messages[sid])

    def _create(self, request: Request) -> bytes:
        if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            return failed(415, 20415, "Unsupported Media Type")
        parsed = parse_qs(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
        assert parsed.keys() <= KNOWN
        assert all(len(values) == 1 for values in parsed.values())
        form = {name: values[0] for name, values in parsed.items()}
        if refused := _refused(form):
            return refused
        sid = f"SM{next(self._numbers):032x}"
        self.forms.append(form)
        self.messages[sid] = _shown(sid, form, self.status)
        return said(self.messages[sid], 201)

    def _list(self, query: dict[str, str]) -> bytes:
        assert query.keys() <= {"To", "From", "PageSize", "DateSent", "DateSent>", "DateSent<"}
        found = [
            each
            for each in reversed(self.messages.values())
            if each["to"] == query.get("To", each["to"]) and each["from"] == query.get("From", each["from"])
        ]
        size = int(query.get("PageSize", 50))
        return said({"messages": found[:size], "page": 0, "page_size": size, "next_page_uri": None, "uri": _BASE})


def signed(url: str, parameters: Mapping[str, str], token: str = TOKEN) -> str:
    """X-Twilio-Signature."""
    text = url + "".join(name + parameters[name] for name in sorted(parameters))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _logged_in(header: str) -> bool:
    logins = [f"{ACCOUNT}:{TOKEN}", f"{KEY}:{KEY_SECRET}"]
    return header in [f"Basic {base64.b64encode(login.encode()).decode()}" for login in logins]


def _refused(form: dict[str, str]) -> bytes | None:
    to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    url = urlsplit(form.get("StatusCallback", "http://a"))
    if not to:
        return failed(400, 21604, "A 'To' phone number is required.")
    if not NUMBER.fullmatch(to) or to == NO_NUMBER:
        return failed(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if to == UNSUBSCRIBED:
        return failed(400, 21610, "Attempt to send to unsubscribed recipient")
    if not sender and form.get("MessagingServiceSid") != SERVICE:
        return failed(400, 21603, "A 'From' phone number is required.")
    if sender and sender not in (FROM, f"whatsapp:{WHATSAPP}"):
        return failed(400, 21606, f"The 'From' phone number {sender} is not a valid, message-capable number")
    if sender and sender.startswith("whatsapp:") != to.startswith("whatsapp:"):
        return failed(400, 21910, "Invalid 'From' and 'To' pair")
    if len(body) > LONGEST:
        return failed(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    if not body and form.get("ContentSid") != TEMPLATE:
        return failed(400, 21619, "A text message body or media urls must be specified.")
    if "ContentVariables" in form and not isinstance(orjson.loads(form["ContentVariables"]), dict):
        return failed(400, 21656, "The ContentVariables Parameter is invalid")
    if not 1 <= int(form.get("ValidityPeriod", 36000)) <= 36000:
        return failed(400, 21624, "ValidityPeriod is out of range")
    if url.scheme not in ("http", "https") or not url.hostname or "_" in url.hostname:
        return failed(400, 21609, "The StatusCallback URL is not a valid URL.")
    return None


def _shown(sid: str, form: dict[str, str], status: str) -> dict[str, Any]:
    now = formatdate(time.time(), usegmt=True).replace("GMT", "+0000")
    return {
        "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": form.get("Body", "Hello, Jane."),
        "date_created": now, "date_sent": None, "date_updated": now, "direction": "outbound-api", "error_code": None,
        "error_message": None, "from": form.get("From"), "messaging_service_sid": form.get("MessagingServiceSid"),
        "num_media": "0", "num_segments": "1", "price": None, "price_unit": "USD", "sid": sid, "status": status,
        "subresource_uris": {}, "to": form["To"], "uri": f"{_BASE}/{sid}.json",
    }  # fmt: skip


def said(document: dict[str, Any], status: int = 200, **headers: str) -> bytes:
    """JSON."""
    return reply(status, orjson.dumps(document), content_type="application/json", **headers)


def failed(status: int, code: int, message: str, **headers: str) -> bytes:
    """As Twilio says no."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return said({"code": code, "message": message, "more_info": more, "status": status}, status, **headers)
