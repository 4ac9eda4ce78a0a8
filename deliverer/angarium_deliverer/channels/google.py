"""Access tokens of a Google service account: its key signs an assertion, which buys one for an hour (RFC 7523).

firebase-admin would fetch them too, but by a call that holds up the loop, and past the egress guard; so it is asked for
the signature alone. One that ends soon is renewed while it still serves.
"""

import asyncio
import importlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from angarium.notifications import Outcome, Result
from angarium_deliverer.channels import Way
from angarium_deliverer.channels.apis import LONGEST_SAID, json_object, presentable, wish_of
from angarium_deliverer.channels.webhook import USER_AGENT

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
VALID_S = 300  # of an assertion
EARLY_S = 300.0  # before its end a token is renewed
PAUSE_S = 10.0  # after a renewal that failed while the old one serves

_HEADERS = (("content-type", "application/x-www-form-urlencoded"), ("user-agent", USER_AGENT))


class NoToken(Exception):
    """There is none; `outcome` is what that means for an attempt."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A key file, as far as it is used. `file` is all of it."""

    email: str
    token_uri: str
    project: str
    file: dict[str, Any]

    def __repr__(self) -> str:
        return f"ServiceAccount({self.email})"


def read_service_account(text: str) -> ServiceAccount:
    """Raises ValueError, without saying what stands in it."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError("the service account is no JSON") from None
    needed = ("client_email", "private_key", "token_uri")
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in needed):
        raise ValueError(f"the service account lacks one of {', '.join(needed)}")
    return ServiceAccount(found["client_email"], found["token_uri"], str(found.get("project_id", "")), found)


class AccessTokens:
    """Of one account; any number may ask at once, and one request is made for all."""

    def __init__(self, account: ServiceAccount, way: Way, timeout: float) -> None:
        self._account, self._dialer, self._timeout = account, way.dialer, timeout
        self._signer: Any = None
        self._token, self._renew_at, self._ends_at = "", 0.0, 0.0  # loop times
        self._renewing: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """One that is valid; raises NoToken and DialError."""
        now = asyncio.get_running_loop().time()
        if self._token and now < self._renew_at:
            return self._token
        renewing = self._renew()
        return self._token if self._token and now < self._ends_at else await asyncio.shield(renewing)

    def drop(self, token: str) -> None:
        """It is not taken any more."""
        if token == self._token:
            self._token = ""

    def _renew(self) -> asyncio.Task[str]:
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._fetch(), name="access token")
            self._renewing.add_done_callback(self._renewed)
        return self._renewing

    def _renewed(self, task: asyncio.Task[str]) -> None:
        self._renewing = None
        if not task.cancelled() and task.exception():  # those who wait for it are told by it
            self._renew_at = asyncio.get_running_loop().time() + PAUSE_S

    async def _fetch(self) -> str:
        assertion = await asyncio.to_thread(self._assertion)
        answer = await self._dialer.post(
            self._account.token_uri,
            _HEADERS,
            urlencode({"grant_type": GRANT, "assertion": assertion}).encode(),
            timeout=self._timeout,
            in_cluster=False,
        )
        said = json_object(presentable(answer.body.decode(errors="replace"), (assertion,)))
        token, seconds = said.get("access_token"), said.get("expires_in", 3600)
        if answer.status != 200 or not isinstance(token, str) or not token or not isinstance(seconds, int):
            raise NoToken(_refused(answer.status, said, wish_of(answer)))
        now = asyncio.get_running_loop().time()
        self._token, self._ends_at, self._renew_at = token, now + seconds - 5, now + max(seconds - EARLY_S, seconds / 2)
        return token

    def _assertion(self) -> str:
        """Signed by the account's key. It takes a millisecond, the first time a second for its libraries."""
        if self._signer is None:
            credentials = importlib.import_module("firebase_admin.credentials")
            try:
                self._signer = credentials.Certificate(self._account.file).signer
            except ValueError:
                raise NoToken(
                    Outcome(Result.RETRYABLE, "authentication_failed", "the service account's key can't be read")
                ) from None
        now = int(time.time())
        claims = {
            "iss": self._account.email, "scope": SCOPE, "aud": self._account.token_uri, "iat": now, "exp": now + VALID_S
        }  # fmt: skip
        return str(importlib.import_module("google.auth.jwt").encode(self._signer, claims).decode())


def _refused(status: int, said: Mapping[str, Any], after: float | None) -> Outcome:
    words = " ".join(str(said[name]) for name in ("error", "error_description") if said.get(name))[:LONGEST_SAID]
    detail = f"Google gave no access token: {status} {words}".rstrip()
    if 400 <= status <= 403 and said.get("error"):
        return Outcome(Result.RETRYABLE, "authentication_failed", detail)
    return Outcome(Result.RETRYABLE, f"http_{status}" if status >= 400 else "protocol_error", detail, after)
