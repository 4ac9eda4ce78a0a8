"""The few requests that the operator makes to the Kubernetes API, by the official client's transport.

Its generated classes for each kind would cost 130 MB more and give nothing: what goes in and out are plain dicts.
Nothing is retried here but a request refused for a stale token; whoever asked comes back later, and looks anew.
"""

import asyncio
import contextlib
import logging
import math
import os
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp.connector import Connection
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.incluster_config import load_incluster_config
from kubernetes.aio.config.kube_config import load_kube_config

from angarium import __version__
from angarium.telemetry.metrics import API_REQUESTS
from angarium_operator.kinds import Kind
from angarium_operator.mandate import Permit, unlimited

log = logging.getLogger(__name__)
FIELD_MANAGER = "angarium-operator"
APPLY, MERGE, JSON = "application/apply-patch+yaml", "application/merge-patch+json", "application/json"
LONGEST = 30.0  # s
TIMEOUT = aiohttp.ClientTimeout(total=LONGEST, sock_connect=5)
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
WATCH_SECONDS = 600
PAGE = 500

Object = dict[str, Any]


class ApiRefused(Exception):
    """The API server said no, or nothing (status 0); `retry_after` in seconds, if it said when to come back.

    `causes` are fields of the object (`spec.url`) and what is wrong with each.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        retry_after: float = 0.0,
        causes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.causes = causes

    @property
    def ending(self) -> bool:
        """Whether it is because the namespace is being deleted: nothing can be made there any more."""
        return self.status == 403 and any("is being terminated" in text for _, text in self.causes)


class NotLeading(ApiRefused):
    """Another operator may lead by now: nothing was sent."""

    def __init__(self) -> None:
        super().__init__(0, "NotLeading", "another operator leads, or may lead by now")


def _guarded(permit: Permit) -> type[aiohttp.ClientRequest]:
    """Requests that ask once more when all that is left to do is sending: making a connection may take its time."""

    class Guarded(aiohttp.ClientRequest):
        async def send(self, conn: Connection) -> aiohttp.ClientResponse:
            if self.method != "GET" and permit() <= 0:
                raise NotLeading
            return await super().send(conn)

    return Guarded


async def connect(kubeconfig: str, permit: Permit = unlimited) -> ApiClient:
    """A client for the pod's own account, a given kubeconfig, or the one that kubectl would use."""
    configuration = Configuration()
    configuration.client_session_kwargs = {"request_class": _guarded(permit)}
    # Python 3.13 refuses authorities without the key usage extension, and those of many clusters lack it. Chain, dates
    # and names are still checked.
    configuration.disable_strict_ssl_verification = True
    if not kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ:
        load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # the client leaves it untyped
    else:
        await load_kube_config(config_file=kubeconfig or None, client_configuration=configuration)  # type: ignore[no-untyped-call]  # likewise
    client = ApiClient(configuration)
    client.user_agent = f"angarium-operator/{__version__}"
    return client


class Api:
    """`async with Api(kubeconfig) as api:`; any write needs the permit, or raises NotLeading."""

    def __init__(self, kubeconfig: str = "", permit: Permit = unlimited) -> None:
        self._kubeconfig, self._permit = kubeconfig, permit
        self._client: ApiClient | None = None
        self._login = asyncio.Lock()
        self._writes = 0  # under way
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def __aenter__(self) -> Self:
        self._client = await connect(self._kubeconfig, self._permit)
        return self

    async def quiet(self) -> None:
        """Once no write is under way."""
        await self._quiet.wait()

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]  # likewise

    async def pages(self, kind: Kind, namespace: str = "") -> AsyncGenerator[tuple[list[Object], int], None]:
        """All objects of a kind, some at a time, and the version at which that was so.

        Refused with 410 where that version has grown too old in the meantime: begin again.
        """
        query = {"limit": str(PAGE)} | ({"labelSelector": kind.selector} if kind.selector else {})
        while True:
            page = await self.request("list", "GET", kind.path(namespace), query=query)
            metadata = page["metadata"]
            yield page["items"], int(metadata["resourceVersion"])
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def first(self, kind: Kind, namespace: str = "") -> None:
        """See whether the kind is served to us."""
        await self.request("list", "GET", kind.path(namespace), query={"limit": "1"})

    async def version(self, kind: Kind, namespace: str = "") -> str:
        """The version that a watch may begin at, to hear of all that happens from now on."""
        headers = {"Accept": METADATA.replace("Metadata", "MetadataList")}
        page = await self.request("list", "GET", kind.path(namespace), query={"limit": "1"}, headers=headers)
        return str(page["metadata"]["resourceVersion"])

    async def watch_metadata(
        self, kind: Kind, namespace: str, version: str, idle_seconds: float
    ) -> AsyncGenerator[Object, None]:
        """Events with nothing but the metadata of objects, until the server ends it; raises ApiRefused."""
        query = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        url = f"{kind.path(namespace)}?{urlencode(query)}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=idle_seconds)
        response = await self._respond("watch", "GET", url, None, {"Accept": METADATA}, timeout)
        try:
            async with contextlib.aclosing(_lines(response)) as lines:
                async for line in lines:
                    yield _parsed(response.status, line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiRefused(0, "Unreachable", str(error) or type(error).__name__) from error
        finally:
            response.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object."""
        return await self.request("get", "GET", kind.path(namespace, name))

    async def create(self, kind: Kind, namespace: str, body: Object, *, manager: str = FIELD_MANAGER) -> Object:
        """A new object; refused with 409 where one of its name exists."""
        query = {"fieldManager": manager}
        return await self.request("create", "POST", kind.path(namespace), query=query, body=body)

    async def apply(self, kind: Kind, namespace: str, name: str, body: Object, *, subresource: str = "") -> Object:
        """Server-side apply; what we manage is ours."""
        path = kind.path(namespace, name) + (f"/{subresource}" if subresource else "")
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self.request("apply", "PATCH", path, query=query, body=body, content_type=APPLY)

    async def replace(self, kind: Kind, namespace: str, name: str, body: Object) -> Object:
        """All of an object; refused with 409 where the body names another version of it."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self.request("update", "PUT", kind.path(namespace, name), query=query, body=body)

    async def merge(
        self, kind: Kind, namespace: str, name: str, body: Object, *, manager: str = FIELD_MANAGER
    ) -> Object:
        """Merge into an object; None removes. Refused with 409 where the body names another version of it."""
        query = {"fieldManager": manager}
        path = kind.path(namespace, name)
        return await self.request("patch", "PATCH", path, query=query, body=body, content_type=MERGE)

    async def delete(self, kind: Kind, namespace: str, name: str, *, version: str) -> None:
        """Delete an object; refused with 409 where it is no longer of that version."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": version}}
        await self.request("delete", "DELETE", kind.path(namespace, name), body=body)

    async def request(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Object:
        """Any request; raises ApiRefused."""
        given = {"Accept": JSON, "Content-Type": content_type} | dict(headers or {})
        asked = dict(query or {})
        with contextlib.nullcontext(TIMEOUT) if method == "GET" else self._writing(asked) as timeout:
            url = f"{path}?{urlencode(asked)}" if asked else path
            response = await self._respond(verb, method, url, body, given, timeout)
            try:
                return _parsed(response.status, await response.read())
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise ApiRefused(0, "Unreachable", str(error) or type(error).__name__) from error

    @contextlib.contextmanager
    def _writing(self, query: dict[str, str]) -> Iterator[aiohttp.ClientTimeout]:
        """A write may take no longer than the mandate: the server is told so, since we may be stopped meanwhile."""
        rest = self._permit()
        if rest <= 0:
            raise NotLeading
        if rest < math.inf:
            query["timeout"] = f"{min(rest, LONGEST):.3f}s"
        self._writes += 1
        self._quiet.clear()
        try:
            yield aiohttp.ClientTimeout(total=min(rest, LONGEST), sock_connect=5)
        finally:
            self._writes -= 1
            if not self._writes:
                self._quiet.set()

    async def _respond(
        self,
        verb: str,
        method: str,
        url: str,
        body: Object | None,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the client's own kind, in several parts
    ) -> aiohttp.ClientResponse:
        """A good answer, yet to be read; where the token is refused, with another one."""
        client = self._client
        try:
            return await self._send(verb, method, url, body, headers, timeout)
        except ApiRefused as refused:
            if refused.status != 401:
                raise
        await self._log_in_again(client)
        return await self._send(verb, method, url, body, headers, timeout)

    async def _log_in_again(self, stale: ApiClient | None) -> None:
        async with self._login:
            if self._client is not stale:
                return  # somebody else did it
            log.warning("the Kubernetes API refused our token; reading it again")
            self._client = await connect(self._kubeconfig, self._permit)
        if stale is not None:
            await stale.close()  # type: ignore[no-untyped-call]  # likewise

    async def _send(
        self,
        verb: str,
        method: str,
        url: str,
        body: Object | None,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - likewise
    ) -> aiohttp.ClientResponse:
        client = self._client
        if client is None:
            raise ApiRefused(0, "Closed", "the client is closed")
        prepared = await client.param_serialize(
            method, url, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            response: aiohttp.ClientResponse = (await client.call_api(*prepared, _request_timeout=timeout)).response
            text = await response.read() if response.status >= 300 else b""
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            API_REQUESTS.labels(verb, "none").inc()
            raise ApiRefused(0, "Unreachable", str(error) or type(error).__name__) from error
        API_REQUESTS.labels(verb, str(response.status)).inc()
        if response.status >= 300:
            raise _refusal(response.status, response.headers, text)
        return response


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Whole lines, of any length: annotations alone may be 256 KiB."""
    rest = b""
    async for data in response.content.iter_any():
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                yield line


def _parsed(status: int, text: bytes) -> Object:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ApiRefused(status, "Unreadable", "the answer is no JSON") from error
    if not isinstance(found, dict):
        raise ApiRefused(status, "Unreadable", "the answer is no object")
    return found


def _refusal(status: int, headers: Mapping[str, str], text: bytes) -> ApiRefused:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        said = {}
    said = said if isinstance(said, dict) else {}
    after = headers.get("Retry-After", "")
    message = said.get("message") or text[:200].decode(errors="replace")
    causes = tuple(
        (str(cause.get("field", "")), str(cause.get("message", "")))
        for cause in (said.get("details") or {}).get("causes") or ()
    )
    return ApiRefused(status, said.get("reason", ""), message, float(after) if after.isdigit() else 0.0, causes)
