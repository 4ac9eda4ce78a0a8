"""How the twilio package gets out: by the dialer, past the guard, over the pool that everything uses.

The package's own client reads answers, but not when to come again; so what is no success is raised here, whole.
"""

import logging
import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from angarium_deliverer.channels.webhook import SHOWN_BODY_BYTES, retry_after
from angarium_deliverer.dialer import Answer, Dialer

LARGEST_ANSWER = 1 << 20  # bytes: fifty messages of the longest text, escaped
ONCE = 1  # a message that libcurl sends again on another connection may be sent twice
SILENT = logging.getLogger(__name__)


class Refused(Exception):
    """Twilio, or somebody before it, answered something else than what was asked for. `code` is Twilio's own, or 0."""

    def __init__(self, answer: Answer, text: str) -> None:
        super().__init__(f"answered {answer.status}")
        said = _object(text)
        code = said.get("code")
        self.status = answer.status
        self.code = code if isinstance(code, int) else 0
        self.words = str(said.get("message") or text)[:400]
        self.after = retry_after(answer.headers.get("retry-after"), time.time())
        self.shown: dict[str, Any] = {
            "status": answer.status,
            "body": text[:SHOWN_BODY_BYTES],
            "truncated": answer.truncated or len(text) > SHOWN_BODY_BYTES,
        }


class GuardedHttp(AsyncHttpClient):  # type: ignore[misc]  # the package has no types
    """`timeout` in seconds, of each request."""

    def __init__(self, dialer: Dialer, timeout: float) -> None:
        super().__init__(SILENT, True, timeout)
        self._dialer, self._seconds = dialer, timeout

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the package's signature
        allow_redirects: bool = False,  # noqa: ARG002 - none is ever followed
    ) -> Response:
        """Raises DialError and Refused."""
        user, password = auth or ("", "")
        fields = {
            **(headers or {}),
            "Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}",
        }
        body = urlencode(data or {}, doseq=True).encode() if method == "POST" else None
        query = f"?{urlencode(params, doseq=True)}" if params else ""
        answer = await self._dialer.post(
            url + query, list(fields.items()), body, timeout=self._seconds, in_cluster=False,
            bounds=(LARGEST_ANSWER, ONCE),
        )  # fmt: skip
        text = answer.body.decode(errors="replace")
        for secret in filter(None, (password, fields["Authorization"].removeprefix("Basic "))):
            text = text.replace(secret, "***")
        if not 200 <= answer.status <= 299 or not _object(text):
            raise Refused(answer, text)
        return Response(answer.status, text, answer.headers)


def _object(text: str) -> dict[str, Any]:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
