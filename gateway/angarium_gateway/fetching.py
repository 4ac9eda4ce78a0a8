"""Small JSON documents from URLs that a tenant wrote: guarded, bounded, and never redirected."""

import errno
import socket
from typing import Any

import orjson
from aiohttp import AddrInfoType, ClientError, ClientSession, ClientTimeout, TCPConnector

from angarium import __version__
from angarium.egress import EgressPolicy

SECONDS = 5.0  # for all of it
LARGEST = 256 * 1024  # bytes
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": f"angarium/{__version__}"}


class Unfetched(Exception):
    """The document can't be had; the message says why."""


class Refused(PermissionError):
    """The egress guard refuses an address."""


class Fetcher:
    """`policy` judges each address that is about to be dialled."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._session: ClientSession | None = None

    async def document(self, url: str) -> dict[str, Any]:
        """The JSON object there; raises Unfetched."""
        try:
            async with self._client().get(url, allow_redirects=False) as response:
                if response.status != 200:
                    raise Unfetched(f"{url} answers {response.status}")
                body = bytearray()
                async for chunk in response.content.iter_chunked(16 * 1024):
                    body += chunk
                    if len(body) > LARGEST:
                        raise Unfetched(f"{url} answers with more than {LARGEST} bytes")
            document = orjson.loads(body)
        except (ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError, too
            raise Unfetched(f"{url}: {str(error) or type(error).__name__}") from error
        if not isinstance(document, dict):
            raise Unfetched(f"{url} is no JSON object")
        return document

    async def close(self) -> None:
        """Let go of the client."""
        if self._session is not None:
            await self._session.close()

    def _client(self) -> ClientSession:
        if self._session is None:
            connector = TCPConnector(socket_factory=self._socket, force_close=True, use_dns_cache=False)
            timeout = ClientTimeout(total=SECONDS)
            self._session = ClientSession(
                connector=connector, headers=HEADERS, timeout=timeout, auto_decompress=False, trust_env=False
            )
        return self._session

    def _socket(self, info: AddrInfoType) -> socket.socket:
        """For the very address that is dialled, after DNS."""
        family, kind, protocol, _, address = info
        refusal = self._policy.check(str(address[0]))
        if refusal is not None:
            raise Refused(errno.EACCES, refusal)
        return socket.socket(family, kind, protocol)
