"""kopf as an informer: it lists and watches, and hands each event over. Nothing else of kopf is used.

Only `on.event` handlers are registered: all others write annotations or finalizers into every object (20,000 PATCHes
at 10,000 objects), and a finalizer wedges a namespace while the operator is away. kopf has a thread and a loop of its
own: on its way out it cancels every task of its loop that is younger than itself, whoever started it.

kopf speaks through a session of ours, so that each watch can be seen to be alive, by the bytes that came in (its
bookmarks never reach a handler), and a list that kopf has to repeat is noticed: what was deleted while a watch was
broken is in no event, and only a comparison with a list of our own finds it. So kopf's own lists are good for nothing
but the version that its watches begin at, and are empty: it would hold all objects of all kinds as it got them, with a
task for each, until it has handed over a few hundred a second.
"""

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import kopf
from kubernetes.aio.client.api_client import ApiClient

from angarium.telemetry.metrics import API_REQUESTS, WATCH_EVENT
from angarium_operator.api import connect
from angarium_operator.kinds import Kind
from angarium_operator.watches import Stream, check, watched

log = logging.getLogger(__name__)
LONGEST_STOP = 10  # s
NOTHING = "metadata.name=-"  # a field selector: no object can have this name
GRACE = 0.1  # s: aiohttp closes TLS connections in the background
Seen = Callable[[Kind, str | None, dict[str, Any]], None]


class Backoffs:
    """Waits between tries, without end: kopf must never give up on the API server."""

    def __iter__(self) -> Iterator[float]:
        wait = 0.25
        while True:
            yield wait * random.uniform(0.8, 1.2)  # noqa: S311 - it only spreads the load
            wait = min(wait * 2, 30.0)


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
        self._started = False
        self._client: ApiClient | None = None
        self._watches: dict[str, Stream] = {}
        self._session: aiohttp.ClientSession | None = None
        self._expected = sum(len(namespaces or ("",)) if kind.namespaced else 1 for kind in kinds)
        self.established = asyncio.Event()  # each watch was opened once
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def silence(self) -> dict[str, float]:
        """Seconds since each watch last brought something, by its path."""
        return {path: stream.silence for path, stream in list(self._watches.items())}

    def start(self) -> None:
        """Begin."""
        self._started = True
        threading.Thread(target=self._run, name="kopf", daemon=True).start()

    async def stop(self) -> None:
        """End, and wait for it; but not for ever, since kopf may hang on its way out."""
        self._stop.set()
        if not self._started:
            return
        await asyncio.wait([self.ended], timeout=LONGEST_STOP)

    def _run(self) -> None:
        try:
            asyncio.run(self._operate())
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits for the end
            problem: BaseException | None = error
        else:
            problem = None if self._stop.is_set() else RuntimeError("kopf ended by itself")
        self._tell(self._end, problem)

    def _tell(self, heard: Callable[..., None], *arguments: Any) -> None:
        """Call in our own loop, if it still runs."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(heard, *arguments)

    def _end(self, problem: BaseException | None) -> None:
        if self.ended.done():
            return
        if problem is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(problem)

    async def _operate(self) -> None:
        guard = asyncio.create_task(self._guard())
        try:
            await self._run_kopf()
        finally:
            guard.cancel()
        await asyncio.sleep(GRACE)

    async def _guard(self) -> None:
        """Say so when kopf has closed its session for good: one of its watches died and the others wait for ever."""
        closed = 0
        while closed < LONGEST_STOP or self._stop.is_set():
            await asyncio.sleep(1)
            closed = closed + 1 if self._session is not None and self._session.closed else 0
        self._tell(self._end, RuntimeError("kopf hangs"))

    async def _run_kopf(self) -> None:
        await kopf.operator(
            registry=self._registry(),
            settings=self._settings(),
            stop_flag=self._stop,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            standalone=True,
        )

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
                WATCH_EVENT.labels(kind.name).set_to_current_time()
                self._tell(self._seen, kind, event["type"], event["object"])

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
        self._session = session = aiohttp.ClientSession(
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
        path = request.url.path
        kind = next((k for k in self._kinds if path.startswith(k.base) and path.endswith(f"/{k.plural}")), None)
        if kind is not None and not watching:
            request.url = request.url.update_query(fieldSelector=NOTHING)
        if request.session.closed:  # by another watch that logged in anew meanwhile; this error kopf understands
            raise RuntimeError("Session is closed")
        response: aiohttp.ClientResponse = await handler(request)
        API_REQUESTS.labels("watch" if watching else "list", str(response.status)).inc()
        check(response, of_kind=kind is not None)
        if response.status == 200:
            self._logins = 1
            if kind is not None:
                self._note(kind, path, response, watching=watching)
        return response

    def _note(self, kind: Kind, path: str, response: aiohttp.ClientResponse, *, watching: bool) -> None:
        if watching:
            self._watches[path] = watched(response, self._watches.get(path))
            if len(self._watches) >= self._expected:
                self._tell(self.established.set)
        elif path in self._listed and path in self._watches:
            self._tell(self._relisted, kind)
        self._listed.add(path)
