"""Google for tests: the token endpoint of its OAuth server, and FCM's messages:send, as their reference pages say.

Assertions are verified, tokens are asked for, and what a message may not hold is refused in Google's own form.
https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import asyncio
import json
import re
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.deliverer.receivers import Request, reply

DEVICE = "cT9fFJ0sRk2v1a-Zx3QmPe:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx"
PROJECT = "web-shop"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
TARGETS = {"token", "fid", "topic", "condition"}
MEMBERS = {"data": dict, "notification": dict, "android": dict, "apns": dict, "webpush": dict, "fcm_options": dict}


@cache
def key(name: str) -> RSAPrivateKey:
    """A service account's; making one takes a while."""
    return generate_private_key(65537, 2048)


def service_account(origin: str, name: str = "shop") -> str:
    """The key file. `origin`: where tokens are."""
    pem = key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps(
        {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": name,
            "private_key": pem,
            "client_email": f"shop@{PROJECT}.iam.gserviceaccount.com",
            "token_uri": f"{origin}/token",
        }
    )


def failed(status: int, word: str, message: str, fcm: str = "", **headers: str) -> bytes:
    """An error as Google writes it; `fcm` is FCM's own word."""
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    if fcm:
        error["details"] = [{"@type": FCM_ERROR, "errorCode": fcm}]
    return said({"error": error}, status, **headers)


def said(members: dict[str, Any], status: int = 200, **headers: str) -> bytes:
    """A JSON answer."""
    return reply(status, json.dumps(members).encode(), content_type="application/json", **headers)


class Firebase:
    """`answer` is given to each message instead of its own; `silent`: none is. `gone`: devices that are no more.

    `hold` keeps the token endpoint waiting; `seconds` is how long tokens live.
    """

    def __init__(
        self, answer: bytes = b"", *, silent: bool = False, gone: tuple[str, ...] = (), seconds: int = 3600
    ) -> None:
        self._answer, self._silent, self._gone, self._seconds = answer, silent, gone, seconds
        self.got: list[tuple[str, str]] = []  # device and text
        self.messages: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.asked = asyncio.Event()  # for a message
        self.wanted = asyncio.Event()  # a token
        self.hold = asyncio.Event()
        self.hold.set()

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        method, path, _ = request.line.split(" ")
        if (method, path) == ("POST", "/token"):
            self.wanted.set()
            await self.hold.wait()
            writer.write(self._token(request))
        elif (method, path) == ("POST", f"/v1/projects/{PROJECT}/messages:send"):
            self.asked.set()
            if not self._silent:
                writer.write(self._send(request))
        else:
            writer.write(reply(404, b"<html>Not Found</html>"))

    def _token(self, request: Request) -> bytes:
        form = parse_qs(request.body.decode())
        if form.get("grant_type") != [GRANT]:
            return said({"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}, 400)
        audience = f"http://{request.headers['host']}/token"
        try:
            claims = jwt.decode(form["assertion"][0], key("shop").public_key(), ["RS256"], audience=audience)
        except jwt.InvalidTokenError:
            return said({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)
        if claims["scope"] != SCOPE or claims["exp"] - claims["iat"] > 3600:
            return said({"error": "invalid_scope", "error_description": "Invalid OAuth scope."}, 400)
        self.tokens.append(f"ya29.{len(self.tokens)}")
        return said({"access_token": self.tokens[-1], "expires_in": self._seconds, "token_type": "Bearer"})

    def _send(self, request: Request) -> bytes:
        if request.headers.get("authorization") not in {f"Bearer {token}" for token in self.tokens}:
            return failed(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        message = json.loads(request.body).get("message")
        if complaint := complaint_about(message):
            return failed(400, "INVALID_ARGUMENT", complaint, "INVALID_ARGUMENT")
        if self._answer:
            return self._answer
        device = message.get("token") or message["fid"]
        if device in self._gone:
            return failed(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")
        self.messages.append(message)
        self.got.append((device, message.get("notification", {}).get("body", "")))
        return said({"name": f"projects/{PROJECT}/messages/{len(self.got)}"})


def complaint_about(message: object) -> str:
    """What FCM would refuse; nothing where it is well formed."""
    if not isinstance(message, dict) or len(TARGETS & message.keys()) != 1:
        return "Exactly one of token, fid, topic or condition must be specified."
    for name, value in message.items():
        if name not in TARGETS and (name not in MEMBERS or not isinstance(value, MEMBERS[name])):
            return f"Invalid JSON payload received. Unknown name \"{name}\" at 'message': Cannot find field."
    if not all(isinstance(value, str) for value in message.get("data", {}).values()):
        return "Invalid value at 'message.data[0].value' (TYPE_STRING)"
    if message.get("notification", {}).keys() - {"title", "body", "image"}:
        return "Invalid JSON payload received. Unknown name at 'message.notification': Cannot find field."
    ttl = message.get("android", {}).get("ttl")
    if ttl is not None and not re.fullmatch(r"[0-9]+(\.[0-9]{1,9})?s", ttl):
        return "Invalid value at 'message.android.ttl' (type.googleapis.com/google.protobuf.Duration)"
    if (
        len(json.dumps({name: message.get(name) for name in ("data", "notification")}, ensure_ascii=False).encode())
        > 4200
    ):
        return "Message is too big"
    return ""
