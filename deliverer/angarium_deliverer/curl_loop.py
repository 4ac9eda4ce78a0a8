"""libcurl driven by the event loop: its multi-socket interface on a selector of its own, and one timer.

The selector is itself a file that the event loop watches (an epoll in an epoll). libcurl asks for a socket at each
request and forgets it at each answer; with add_reader and remove_reader on uvloop that is six system calls, with a
selector two, and here none: a socket stays registered while its connection idles, until it has something to say that
nobody asked for. pycurl's AsyncCurlMulti has those costs, sets two timers for each request (together two thirds more
CPU for a delivery: tests/benchmarks/clients.py), and leaves a cancelled handle in use until a later tick, when it may
long be sending something else. Works on uvloop and on asyncio's selector loop.
"""

import asyncio
import selectors
from typing import Any

import pycurl

OK = 0

_EVENTS = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}
_ACTIONS = {
    selectors.EVENT_READ: pycurl.CSELECT_IN,
    selectors.EVENT_WRITE: pycurl.CSELECT_OUT,
    selectors.EVENT_READ | selectors.EVENT_WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}

Ended = tuple[int, str]  # libcurl's error number (0: none) and its message


class CurlLoop:
    """One pool of connections. Belongs to one event loop; nothing here is safe to call from another thread.

    `idle_connections`: libcurl keeps this many; beyond it the one that has been idle longest is closed.
    """

    def __init__(self, idle_connections: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._selector = selectors.DefaultSelector()
        self._registered: dict[int, int] = {}  # sockets that the selector knows, and for which events
        self._wanted: set[int] = set()  # those of them that libcurl waits for just now
        self._waiting: dict[Any, asyncio.Future[Ended]] = {}
        self._deadline: float | None = None
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0  # uvloop's own handle does not say, where it is due at once
        self._kick: asyncio.Handle | None = None
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_deadline)
        self._multi.setopt(pycurl.M_MAXCONNECTS, idle_connections)
        self._loop.add_reader(self._selector, self._on_ready)

    def start(self, curl: Any) -> asyncio.Future[Ended]:
        """Run one transfer; once the result is there the handle is free again. Who cancels it calls `stop`."""
        ended: asyncio.Future[Ended] = self._loop.create_future()
        self._multi.add_handle(curl)
        self._waiting[curl] = ended
        return ended

    def stop(self, curl: Any) -> None:
        """Cut a transfer short, if it is still going on: its connection is closed, its handle is free."""
        if self._waiting.pop(curl, None) is not None:
            self._multi.remove_handle(curl)

    def opened(self, fd: int) -> None:
        """There is a new socket. What was known of the number was another one's, which libcurl has closed since."""
        if fd in self._registered:
            self._unregister(fd)

    def close(self) -> None:
        """Cancel what is under way and close all connections."""
        for curl, ended in self._waiting.items():
            self._multi.remove_handle(curl)
            ended.cancel()
        self._waiting.clear()
        self._multi.close()
        self._loop.remove_reader(self._selector)
        self._selector.close()
        for handle in (self._timer, self._kick):
            if handle is not None:
                handle.cancel()

    # What libcurl calls. It must not be called back from here, so work is left to the loop's next round.

    def _watch(self, what: int, fd: int, _multi: Any, _data: Any) -> None:
        events = _EVENTS.get(what)
        if events is None:
            self._wanted.discard(fd)
            return
        self._wanted.add(fd)
        registered = self._registered.get(fd)
        if registered != events:
            self._registered[fd] = events
            if registered is None:
                self._selector.register(fd, events)
            else:
                self._selector.modify(fd, events)

    def _set_deadline(self, milliseconds: int) -> None:
        """A timer that is set goes on when the deadline moves back, and looks again when it fires."""
        if milliseconds < 0:
            self._deadline = None
        elif milliseconds == 0:
            self._deadline = None
            if self._kick is None:
                self._kick = self._loop.call_soon(self._on_kick)
        else:
            self._deadline = self._loop.time() + milliseconds / 1000
            if self._timer is None or self._timer_at > self._deadline:
                self._set_timer(self._deadline)

    # What the event loop calls.

    def _on_ready(self) -> None:
        running = len(self._waiting)
        for key, events in self._selector.select(0):
            if key.fd in self._wanted:
                _, running = self._multi.socket_action(key.fd, _ACTIONS[events])
            else:  # the other side has closed it while it idled, or an earlier one of this round has ended it
                self._unregister(key.fd)
        self._collect(running)

    def _on_kick(self) -> None:
        self._kick = None
        self._time_out()

    def _on_timer(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._set_timer(self._deadline)
        else:
            self._deadline = None
            self._time_out()

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(at, self._on_timer), at

    def _unregister(self, fd: int) -> None:
        self._registered.pop(fd, None)
        self._selector.unregister(fd)  # which does not mind that a file is closed

    def _time_out(self) -> None:
        _, running = self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._collect(running)

    def _collect(self, running: int) -> None:
        """End those that libcurl has done with; `running` is how many it has not."""
        if running >= len(self._waiting):
            return
        _, succeeded, failed = self._multi.info_read()
        for curl in succeeded:
            self._end(curl, OK, "")
        for curl, number, message in failed:
            self._end(curl, number, message)

    def _end(self, curl: Any, number: int, message: str) -> None:
        ended = self._waiting.pop(curl, None)
        if ended is not None:
            self._multi.remove_handle(curl)
            if not ended.done():
                ended.set_result((number, message))
