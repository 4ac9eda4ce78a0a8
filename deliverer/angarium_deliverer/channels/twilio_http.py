"""How the twilio package gets out: by the dialer, past the guard, over the pool that everything uses.

The package's own client reads answers, but not when to come again; so what is no success is raised here, whole.
"""

import logging
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlencode

from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from angarium_deliverer.channels.apis import LONGEST_SAID, excerpt, json_object, presentable, wish_of
from angarium_deliverer.dialer import Answer, Dialer

LARGEST_ANSWER = 1 << 20  # bytes: fifty messages of the longest text, escaped
ONCE = 1  # a message that libcurl sends again on another connection may be sent twice
SILENT = logging.getLogger(__name__)


class Refused(Exception):
    """Twilio, or somebody before it, answered something else than what was asked for. `code` is Twilio's own, or 0."""

    def __init__(self, answer: Answer, text: str) -> None:
        super().__init__(f"answered {answer.status}")
        said = json_object(text)
        code = said.get("code")
        self.status = answer.status
        self.code = code if isinstance(code, int) else 0
        self.words = str(said.get("message") or text)[:LONGEST_SAID]
        self.after = wish_of(answer)
        self.shown = excerpt(answer.status, text, truncated=answer.truncated)


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
        secrets = (password, fields["Authorization"].removeprefix("Basic "))
        text = presentable(answer.body.decode(errors="replace"), secrets)
        if not 200 <= answer.status <= 299 or not json_object(text):
            raise Refused(answer, text)
        return Response(answer.status, text, answer.headers)
