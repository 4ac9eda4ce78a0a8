"""What senders by JSON APIs share: one guarded POST, and its answer as people may see it.

What is secret may stand in a URL, and whoever answers may say the URL back: nothing is shown before it is taken out.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from pydantic_core import from_json

from angarium.notifications import Outcome, Result
from angarium_deliverer.channels import Way
from angarium_deliverer.channels.webhook import SHOWN_BODY_BYTES, USER_AGENT, retry_after
from angarium_deliverer.dialer import Answer, DialError

HIDDEN = "***"
LONGEST_SAID = 400  # characters of what somebody said, in a detail
TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS

_HEADERS = (("content-type", "application/json; charset=utf-8"), ("user-agent", USER_AGENT))
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Reply:
    """`said`: the JSON object that was answered, as far as it was read; `text`: what else was; `after` in seconds."""

    status: int
    said: Mapping[str, Any]
    text: str
    after: float | None
    resent: bool

    def word(self, name: str) -> str:
        """A member that is text, or nothing."""
        found = self.said.get(name)
        return found[:LONGEST_SAID] if isinstance(found, str) else ""

    def shown(self, body: str) -> dict[str, Any]:
        """For the timeline."""
        response = excerpt(self.status, body)
        return response | {"resent": True} if self.resent else response

    def without(self, *names: str) -> str:
        """The object less what only says back what we sent."""
        return orjson.dumps({name: value for name, value in self.said.items() if name not in names}).decode()

    def unexpected(self) -> Outcome:
        """It is none of the API's own answers: from a proxy before it, or nobody of that name."""
        status = self.status
        detail = f"{status} {_PHRASES.get(status, '')}".strip()
        if 300 <= status <= 399:
            return Outcome(
                Result.RETRYABLE, "http_3xx", f"{detail}; redirects are not followed", response=self.shown("")
            )
        reason = f"http_{status}" if status >= 400 else "protocol_error"
        said = f"{detail}: {self.text[:LONGEST_SAID]}" if self.text else detail
        return Outcome(Result.RETRYABLE, reason, said, self.after, self.shown(self.text))


class Api:
    """`secrets`: what no answer may be shown with."""

    def __init__(self, way: Way, timeout: float, secrets: Iterable[str]) -> None:
        self._dialer, self._timeout = way.dialer, timeout
        self._secrets = tuple(secrets)

    async def post(
        self, url: str, members: Mapping[str, Any], headers: Sequence[tuple[str, str]] = (), secrets: Iterable[str] = ()
    ) -> Reply:
        """`secrets`: further ones, of this request alone. Raises DialError."""
        answer = await self._dialer.post(
            url, (*_HEADERS, *headers), orjson.dumps(members), timeout=self._timeout, in_cluster=False
        )
        text = presentable(answer.body.decode(errors="replace"), (*self._secrets, *secrets))
        said = json_object(text, cut=answer.truncated)
        return Reply(answer.status, said, text, wish_of(answer), answer.resent)

    def unreached(self, error: DialError) -> Outcome:
        """All of it may get better: the provider's settings can be mended while messages wait."""
        return Outcome(Result.RETRYABLE, error.reason.value, presentable(error.detail, self._secrets))


def presentable(text: str, secrets: Iterable[str]) -> str:
    """Without anything secret in it, the longest first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def keys(url: str, shortest: int) -> list[str]:
    """What of a URL may be secret by itself, should somebody say back no more than a part of it."""
    return [piece for piece in re.split("[/?&=:@]", url.partition("://")[2]) if len(piece) >= shortest]


def json_object(text: str | bytes, *, cut: bool = False) -> dict[str, Any]:
    """What was answered, or nothing where it is no JSON object.

    `cut`: some APIs say the message back, which may be longer than what is read of an answer: its beginning will do.
    """
    try:
        found = from_json(text, allow_partial=cut)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def wish_of(answer: Answer) -> float | None:
    """Its Retry-After in seconds from now."""
    return retry_after(answer.headers.get("retry-after"), time.time())


def excerpt(status: int, text: str, *, truncated: bool = False) -> dict[str, Any]:
    """An answer in a timeline; `truncated`: it was longer than what was read of it."""
    return {"status": status, "body": text[:SHOWN_BODY_BYTES], "truncated": truncated or len(text) > SHOWN_BODY_BYTES}


def wrong_content(words: str) -> Outcome:
    """What was accepted for another channel, or by a gateway of another version."""
    return Outcome(Result.PERMANENT, "wrong_content", words, blameless=True)
