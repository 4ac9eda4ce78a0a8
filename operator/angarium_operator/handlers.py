"""kopf as an informer: it lists and watches, and hands each event over. Nothing else of kopf is used.

Only `on.event` handlers are registered: all others write annotations or finalizers into every object (20,000 PATCHes
at 10,000 objects), and a finalizer wedges a namespace while the operator is away. kopf has a thread and a loop of its
own: on its way out it cancels every task of its loop that is younger than itself, whoever started it.

kopf speaks through a session of ours, so that each watch can be seen to be alive, by the bytes that came in (its
bookmarks never reach a handler), and a list that kopf has to repeat is noticed: what was deleted while a watch was
broken is in no event, and only a comparison with a list of our own finds it.
"""

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import kopf
from kubernetes.aio.client.api_client import ApiClient

from angarium.telemetry.metrics import API_REQUESTS
from angarium_operator.api import connect
from angarium_operator.kinds import Kind

log = logging.getLogger(__name__)
GRACE = 0.1  # s: aiohttp closes TLS connections in the background
Seen = Callable[[Kind, str | None, dict[str, Any]], None]


class Backoffs:
    """Waits between tries, without end: kopf must never give up on the API server."""

    def __iter__(self) -> Iterator[float]:
        wait = 0.25
        while True:
            yield wait * random.uniform(0.8, 1.2)  # noqa: S311 - it only spreads the load
            wait = min(wait * 2, 30.0)


@dataclass
class Watch:
    """One stream of events, and when it last brought anything, be it a bookmark."""

    response: aiohttp.ClientResponse
    heard: float
    bytes: int = 0

    def age(self, now: float) -> float:
        """Seconds of silence."""
        total = self.response.content.total_bytes
        if total != self.bytes:
            self.bytes, self.heard = total, now
        return now - self.heard


class Informer:
    """Runs kopf. `seen` gets each event, `relisted` each kind whose watch had to begin anew, both in our own loop."""

    def __init__(
        self,
        kinds: tuple[Kind, ...],
        namespaces: tuple[str, ...],
        seen: Seen,
        relisted: Callable[[Kind], None],
        *,
        kubeconfig: str = "",
        idle_seconds: float = 70.0,
    ) -> None:
        self._kinds, self._namespaces = kinds, namespaces
        self._seen, self._relisted = seen, relisted
        self._kubeconfig, self._idle_seconds = kubeconfig, idle_seconds
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._listed: set[str] = set()
        self._logins = 0
        self._client: ApiClient | None = None
        self._watches: dict[str, Watch] = {}
        self.ended: asyncio.Future[None] = self._loop.create_future()

    @property
    def expected(self) -> int:
        """How many watches there should be."""
        return sum(len(self._namespaces or ("",)) if kind.namespaced else 1 for kind in self._kinds)

    def established(self) -> bool:
        """Whether each watch was opened once."""
        return len(self._watches) >= self.expected

    def silence(self) -> dict[str, float]:
        """Seconds since each watch last brought something, by its path."""
        now = time.monotonic()
        return {path: watch.age(now) for path, watch in list(self._watches.items())}

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="kopf", daemon=True).start()

    async def stop(self) -> None:
        """End, and wait for it."""
        self._stop.set()
        await asyncio.wait([self.ended])

    def _run(self) -> None:
        try:
            asyncio.run(self._operate())
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits for the end
            problem: BaseException | None = error
        else:
            problem = None if self._stop.is_set() else RuntimeError("kopf ended by itself")
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end, problem)

    def _end(self, problem: BaseException | None) -> None:
        if self.ended.done():
            return
        if problem is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(problem)

    async def _operate(self) -> None:
        await kopf.operator(
            registry=self._registry(),
            settings=self._settings(),
            stop_flag=self._stop,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            standalone=True,
        )
        await asyncio.sleep(GRACE)

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        for kind in self._kinds:
            self._register(registry, kind)

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.AiohttpSession:
            return await self._login()

        return registry

    def _register(self, registry: kopf.OperatorRegistry, kind: Kind) -> None:
        @kopf.on.event(kind.group, kind.version, kind.plural, id=f"see-{kind.name}", registry=registry)
        async def see(event: Any, **_: Any) -> None:
            if not self._stop.is_set():
                self._loop.call_soon_threadsafe(self._seen, kind, event["type"], event["object"])

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.peering.standalone = True
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.networking.connect_timeout = 5
        settings.networking.request_timeout = 60
        settings.networking.error_backoffs = Backoffs()
        settings.networking.enforce_retry_after = True
        settings.watching.connect_timeout = 5
        settings.watching.server_timeout = 600
        settings.watching.client_timeout = 660
        settings.watching.inactivity_timeout = self._idle_seconds
        settings.watching.reconnect_backoff = 1.0
        settings.watching.chunk_size = 500
        settings.queueing.worker_limit = 100
        settings.queueing.idle_timeout = 0.2  # the limit over this is the most objects a second
        for kind in self._kinds:
            if kind.selector:
                settings.watching.label_selectors[kind.group, kind.version, kind.plural] = kind.selector
        return settings

    async def _login(self) -> kopf.AiohttpSession:
        """Credentials, at first and whenever they were refused."""
        if self._logins:
            await asyncio.sleep(min(0.5 * self._logins, 10.0))
        self._logins += 1
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]  # the client leaves it untyped
        self._client = client = await connect(self._kubeconfig)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=client.rest_client.ssl_context),
            headers={"User-Agent": client.user_agent},
            middlewares=(self._observe,),
            trust_env=True,
        )
        return kopf.AiohttpSession(server=client.configuration.host, aiohttp_session=session)

    async def _observe(self, request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        """Each request of kopf's, with the token as it is now."""
        if self._client is not None:
            headers: dict[str, str] = {}
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], request.url.path, "GET", None)
            request.headers.update(headers)
        watching = request.url.query.get("watch") == "true"
        response: aiohttp.ClientResponse = await handler(request)
        API_REQUESTS.labels("watch" if watching else "list", str(response.status)).inc()
        if response.status == 200:
            self._logins = 1
            self._note(request.url.path, response, watching=watching)
        return response

    def _note(self, path: str, response: aiohttp.ClientResponse, *, watching: bool) -> None:
        kind = next((k for k in self._kinds if path.startswith(k.base) and path.endswith(f"/{k.plural}")), None)
        if kind is None:
            return
        if watching:
            self._watches[path] = Watch(response, time.monotonic())
        elif path in self._listed and path in self._watches:
            self._loop.call_soon_threadsafe(self._relisted, kind)
        self._listed.add(path)
