"""Names to addresses, without blocking the event loop and without one dead zone holding up the rest.

libcurl has a resolver of its own, but it looks up each request anew on at most 20 threads that pycurl can't raise: a
tenant whose name servers are silent would hold all of them for ten seconds and more, and nobody else's new connection
would get an address. Here a name is looked up once for all who ask, on a thread of its own.

Whatever an answer says is only a proposal: the guard judges each address when it is dialled.
"""

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FRESH_S = 30.0  # getaddrinfo tells no TTL; cluster DNS keeps what it knows as long
FAILURE_FRESH_S = 5.0
STALE_S = 3600.0  # how long an old answer helps while name servers don't answer (RFC 8767)
STALE_AFTER_S = 1.8  # how long a new answer is waited for before the old one is taken (RFC 8767, section 5)
MOST_THREADS = 512
MOST_NAMES = 10_000

_GONE = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))  # macOS knows no EAI_NODATA

Found = tuple[str, ...] | OSError
LookUp = Callable[[str], Sequence[str]]


def look_up(host: str) -> Sequence[str]:
    """Ask the system; blocks. Addresses come in the order in which they should be tried (RFC 6724)."""
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


@dataclass(frozen=True, slots=True)
class _Entry:
    found: Found
    fresh_until: float
    stale_until: float


class Resolver:
    """A cache in front of `look_up`; belongs to one event loop."""

    def __init__(self, look_up: LookUp = look_up) -> None:
        self._look_up = look_up
        self._loop = asyncio.get_running_loop()
        self._entries: dict[str, _Entry] = {}
        self._asked: dict[str, asyncio.Future[Found]] = {}
        self._queue: deque[str] = deque()
        self._threads = 0

    def fresh(self, host: str) -> tuple[str, ...] | None:
        """What is known and need not be asked again; None where `addresses` has to be awaited."""
        entry = self._entries.get(host)
        if entry is None or isinstance(entry.found, OSError) or self._loop.time() > entry.fresh_until:
            return None
        return entry.found

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Raises OSError where the name has none. Cancelling the caller leaves the look-up to those who come later."""
        entry = self._entries.get(host)
        if entry is not None and self._loop.time() <= entry.fresh_until:
            return _addresses(entry.found)
        asked = self._asked.get(host) or self._ask(host)
        patience = None if entry is None or isinstance(entry.found, OSError) else STALE_AFTER_S
        done, _ = await asyncio.wait([asked], timeout=patience)
        if done or entry is None:
            return _addresses(asked.result())
        return _addresses(entry.found)

    def close(self) -> None:
        """Nobody waits any more. Threads that still do are daemons: they end with their look-up or the process."""
        self._queue.clear()
        for asked in self._asked.values():
            asked.cancel()
        self._asked.clear()

    def _ask(self, host: str) -> asyncio.Future[Found]:
        asked = self._asked[host] = self._loop.create_future()
        if self._threads < MOST_THREADS:
            self._start(host)
        else:
            self._queue.append(host)
        return asked

    def _start(self, host: str) -> None:
        self._threads += 1
        threading.Thread(target=self._run, args=(host,), name=f"resolve {host}", daemon=True).start()

    def _run(self, host: str) -> None:
        found: Found
        try:
            found = tuple(self._look_up(host))
        except OSError as error:
            found = error
        except UnicodeError:  # labels that are empty or longer than 63 characters
            found = socket.gaierror(socket.EAI_NONAME, "not a host name")
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody wants to know
            self._loop.call_soon_threadsafe(self._settle, host, found)

    def _settle(self, host: str, found: Found) -> None:
        self._threads -= 1
        if self._queue:
            self._start(self._queue.popleft())
        asked = self._asked.pop(host, None)
        if asked is None or asked.done():
            return
        entry = self._remember(host, found)
        asked.set_result(entry.found)

    def _remember(self, host: str, found: Found) -> _Entry:
        now, old = self._loop.time(), self._entries.pop(host, None)
        if not isinstance(found, OSError):
            entry = _Entry(found, now + FRESH_S, now + STALE_S)
        elif old is not None and now < old.stale_until and found.errno not in _GONE:
            entry = _Entry(old.found, now + FAILURE_FRESH_S, old.stale_until)
        else:
            entry = _Entry(found, now + FAILURE_FRESH_S, now)
        self._entries[host] = entry
        if len(self._entries) > MOST_NAMES:
            del self._entries[next(iter(self._entries))]
        return entry


def _addresses(found: Found) -> tuple[str, ...]:
    if isinstance(found, OSError):
        raise found
    return found
