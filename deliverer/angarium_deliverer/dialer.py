"""The one way out: POST to a receiver, or GET from one, through the egress guard, on a warm pool of connections.

libcurl does the HTTP: it takes less than half the CPU that aiohttp's client does (tests/benchmarks/clients.py),
and its OPENSOCKETFUNCTION hands every address to the guard right before it is connected to, so that neither a name that
changes its address nor an odd spelling of a number gets around it. A connection in the pool was checked when it was
opened; targets of serviceRefs, which may reach more, have a pool of their own.
"""

import asyncio
import re
import resource
import time
from collections.abc import Sequence
from functools import lru_cache, partial
from ipaddress import ip_address
from types import TracebackType
from typing import Any, NamedTuple, Self

import certifi
import pycurl

from angarium.egress import EgressPolicy
from angarium.telemetry import metrics
from angarium_deliverer.curl_loop import CurlLoop
from angarium_deliverer.exchange import BASE_HEADERS, Answer, DialError, DialReason, Exchange, Trace
from angarium_deliverer.resolver import Resolver

__all__ = ["FRAMING_HEADERS", "Answer", "DialError", "DialReason", "Dialer", "Trace", "header_lines"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
# No sign in front: CURLOPT_RESOLVE, by which libcurl is told addresses, would read "+name" and "-name" as commands.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# They say where a message ends or who it is for; a second opinion on that is how requests get smuggled.
FRAMING_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class _Destination(NamedTuple):
    """Where addresses are told for."""

    name: str
    port: int


class _Address(NamedTuple):
    """A URL as it was read: `destination` is None where its host is an address and there is nothing to look up."""

    url: Any  # CurlUrl
    destination: _Destination | None


def idle_connections() -> int:
    """For each of the two pools: a quarter of the files that this process may open, and 1024 at most.

    With TLS one holds 118 KiB, so 1024 hold 118 MiB; a delivery on a new one costs five times as much CPU and more.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1024 if most == resource.RLIM_INFINITY else max(1, min(1024, most // 4))


class _Pool:
    """Connections of one tier, with idle handles and the addresses that libcurl has been told."""

    def __init__(self, policy: EgressPolicy, ca_file: str, *, in_cluster: bool) -> None:
        self.loop = CurlLoop(idle_connections())
        self.told: dict[_Destination, tuple[str, ...]] = {}
        self._guard = partial(policy.check, in_cluster=in_cluster)
        self._ca_file = ca_file
        self._idle: list[Exchange] = []

    def take(self) -> Exchange:
        return self._idle.pop() if self._idle else self.make()

    def make(self) -> Exchange:
        return Exchange(self._guard, self._ca_file, self.loop.opened)

    def give_back(self, exchange: Exchange, length: int) -> None:
        exchange.forget(length)
        self._idle.append(exchange)

    def close(self) -> None:
        self.loop.close()
        for exchange in self._idle:
            exchange.close()
        self._idle.clear()


class Dialer:
    """Sends requests; one for each process and event loop. How many at once is up to the caller.

    `ca_file`: PEM bundle of the authorities to trust instead of those of certifi.
    """

    def __init__(self, policy: EgressPolicy, *, ca_file: str | None = None, resolver: Resolver | None = None) -> None:
        authorities = ca_file or certifi.where()
        self.resolver = resolver or Resolver()
        self._pools = {tier: _Pool(policy, authorities, in_cluster=tier) for tier in (False, True)}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel what is under way and close all connections; may be called twice."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()
        self.resolver.close()
        await asyncio.sleep(0)  # those who were cancelled end before we do

    async def post(
        self,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | None,
        *,
        timeout: float,  # noqa: ASYNC109 - libcurl keeps it, and tells what it was that took so long
        in_cluster: bool,
        lines: Sequence[str] = (),
        bounds: tuple[int, int] | None = None,
    ) -> Answer:
        """Send it once and return what the receiver answered, whatever its status. Raises DialError.

        `timeout` in seconds is for all of it: look-up, connect, request and answer. `lines` are headers that
        `header_lines` has read before. A pooled connection that turns out to be closed is replaced and the request
        sent again, once, as RFC 9110 (9.2.2) allows where nothing was answered; the answer says so.

        Without a `body` it is a GET. `bounds`: bytes that are read of the answer, and how often it may be sent at most,
        instead of the usual ones.
        """
        started = time.perf_counter()
        lines = [*BASE_HEADERS, *lines, *header_lines(headers)]
        parsed, destination = _parsed(url)
        if not self._pools:
            raise RuntimeError("the dialer is closed")
        pool = self._pools[in_cluster]
        left, told, addresses = timeout, None, None
        if destination is not None:
            addresses = self.resolver.fresh(destination.name)
            if addresses is None:
                addresses = await self._addresses(destination.name, timeout)
                left -= time.perf_counter() - started
            told = None if pool.told.get(destination) == addresses else _told(destination, addresses)
        exchange = pool.take()
        try:
            exchange.prepare(parsed, lines, body, left, told)
            if bounds is not None:
                exchange.bound(*bounds)
            number, message = await pool.loop.start(exchange.curl)
        except BaseException:
            pool.loop.stop(exchange.curl)
            exchange.close()  # cancelled half-way: what libcurl remembers of it must not reach the next request
            raise
        if destination is not None and addresses is not None:
            pool.told[destination] = addresses
        if exchange.resent:
            metrics.RESENT.inc()
        try:
            return exchange.answer(number, message, time.perf_counter() - started)
        finally:
            if bounds is not None:
                exchange.bound()
            pool.give_back(exchange, len(body) if body else 0)

    async def trace(
        self,
        trace: Trace,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        timeout: float,  # noqa: ASYNC109 - libcurl keeps it, and tells what it was that took so long
        in_cluster: bool,
        lines: Sequence[str] = (),
    ) -> Answer:
        """As `post`, by a connection of its own; `trace` tells how far it went, also where this raises DialError."""
        started = time.perf_counter()
        lines = [*BASE_HEADERS, *lines, *header_lines(headers)]
        parsed, destination = _parsed(url)
        trace.secure = parsed.scheme == "https"
        if not self._pools:
            raise RuntimeError("the dialer is closed")
        pool, told = self._pools[in_cluster], None
        if destination is not None:
            trace.host, trace.known = destination.name, self.resolver.fresh(destination.name) is not None
            trace.addresses = await self._addresses(destination.name, timeout)
            trace.lookup = time.perf_counter() - started
            told = _told(destination, trace.addresses)
        exchange = pool.make()
        try:
            exchange.trace_from_now_on()
            exchange.prepare(parsed, lines, body, timeout - (trace.lookup or 0.0), told)
            number, message = await pool.loop.start(exchange.curl)
            exchange.tell(trace)
            if destination is not None:
                pool.told[destination] = trace.addresses
            return exchange.answer(number, message, time.perf_counter() - started)
        finally:
            pool.loop.stop(exchange.curl)
            exchange.close()

    async def _addresses(self, name: str, seconds: float) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(seconds):
                return await self.resolver.addresses(name)
        except TimeoutError:
            raise DialError(DialReason.DNS_ERROR, f"no answer about {name} in {seconds:g} s") from None
        except OSError as error:
            raise DialError(DialReason.DNS_ERROR, f"{name}: {error.strerror or error}") from None


def _told(destination: _Destination, addresses: tuple[str, ...]) -> str:
    """As CURLOPT_RESOLVE wants it. Without a leading "+" libcurl keeps it until it is told something else."""
    return f"{destination.name}:{destination.port}:{','.join([f'[{a}]' if ':' in a else a for a in addresses])}"


@lru_cache(maxsize=32_768)
def _parsed(url: str) -> _Address:
    """Read by libcurl's own parser, whose very result is dialled: we can't read one host where it dials another."""
    if not url.isascii():
        raise DialError(DialReason.INVALID_URL, "not ASCII: write the host in punycode and the path percent-encoded")
    try:
        parts = pycurl.CurlUrl(url)
        scheme, host, secret = parts.scheme, parts.host, parts.user or parts.password
        port = int(parts.getpart(pycurl.UPART_PORT, pycurl.U_DEFAULT_PORT))
    except (pycurl.error, ValueError) as error:  # ValueError: a zero byte
        raise DialError(DialReason.INVALID_URL, str(error.args[-1])) from None
    if scheme not in ("http", "https") or not host or not port:
        raise DialError(DialReason.INVALID_URL, "not an http or https URL")
    if secret:
        raise DialError(DialReason.INVALID_URL, "credentials don't belong into a URL; use a header")
    if _is_address(host):
        return _Address(parts, None)
    if not _HOST.fullmatch(host):
        raise DialError(DialReason.INVALID_URL, f"{host} is not a host name")
    return _Address(parts, _Destination(host, port))


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def header_lines(headers: Sequence[tuple[str, str]]) -> list[str]:
    """Each as libcurl wants it. What could end the line early, or the head, goes nowhere: raises DialError."""
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers]
    text = "".join(lines)
    if not text.isascii() or "\n" in text or "\r" in text or "\0" in text:
        raise DialError(DialReason.PROTOCOL_ERROR, "a header holds a line break, a zero or something beyond ASCII")
    for name, _ in headers:
        if not _is_ours_to_send(name):
            raise DialError(DialReason.PROTOCOL_ERROR, f"{name!r} can't be sent as a header")
    return lines


@lru_cache(maxsize=1024)
def _is_ours_to_send(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None and name.lower() not in FRAMING_HEADERS
