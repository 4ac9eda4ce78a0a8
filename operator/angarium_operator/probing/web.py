"""One guarded request to an HTTP API, and its answer as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from socket import socket
from typing import Any

import aiohttp
import orjson

from angarium import __version__
from angarium.egress import EgressPolicy
from angarium_operator.planning.verdicts import Verdict
from angarium_operator.probing.answers import unavailable
from angarium_operator.probing.dialing import AddressRefused, refusal, trust

MOST_BYTES = 65_536
LONGEST_SAID = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is empty where it was no JSON object."""

    status: int
    body: Mapping[str, Any]

    def said(self, *names: str) -> str:
        """The first of these fields that holds text."""
        found = (self.body.get(name) for name in names)
        return next((text[:LONGEST_SAID] for text in found if isinstance(text, str) and text), "")

    def unexpected(self, *names: str) -> Verdict:
        """It is no answer to the question."""
        return unavailable(" ".join(filter(None, [f"the API answered {self.status}", self.said(*names)])))


class Web:
    """Requests of one probe. Redirects are not followed: they could lead anywhere, with the credentials."""

    def __init__(self, egress: EgressPolicy) -> None:
        self._egress = egress

    async def ask(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> Answer:
        """Raises AddressRefused, OSError (aiohttp's errors of connections among them)."""
        refusals: list[str] = []
        connector = aiohttp.TCPConnector(ssl=trust(), force_close=True, socket_factory=self._guard(refusals))
        given = {"User-Agent": f"angarium-operator/{__version__}", "Accept": "application/json"} | dict(headers or {})
        try:
            async with (
                aiohttp.ClientSession(connector=connector, headers=given) as session,
                session.request(method, url, data=form, allow_redirects=False) as response,
            ):
                return Answer(response.status, _object(await _beginning(response)))
        except aiohttp.ClientConnectionError as error:
            if refusals:
                raise AddressRefused(refusals[0]) from error
            raise

    def _guard(self, refusals: list[str]) -> Any:
        def make(info: Any) -> socket:
            family, kind, protocol, _, address = info
            if said := refusal(self._egress, str(address[0])):
                refusals.append(said)
                raise OSError(said)
            return socket(family, kind, protocol)

        return make


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    read = b""
    async for data in response.content.iter_any():
        read += data
        if len(read) > MOST_BYTES:
            break
    return read[:MOST_BYTES]


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
