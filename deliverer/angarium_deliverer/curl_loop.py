"""libcurl driven by the event loop: its multi-socket interface on a selector of its own, and one timer.

The selector is itself a file that the event loop watches (an epoll in an epoll). libcurl asks for a socket at each
request and forgets it at each answer; with add_reader and remove_reader on uvloop that is six system calls, here two.
pycurl's AsyncCurlMulti has those costs, sets two timers for each request (together a fifth more CPU for a delivery:
tests/benchmarks/clients.py), and leaves a cancelled handle in use until a later tick, when it may long be sending
something else. Works on uvloop and on asyncio's selector loop.
"""

import asyncio
import selectors
from typing import Any

import pycurl

# libcurl keeps this many idle connections; beyond it the one that has been idle longest is closed.
IDLE_CONNECTIONS = 1024
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


class CurlLoop:
    """One pool of connections. Belongs to one event loop; nothing here is safe to call from another thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._selector = selectors.DefaultSelector()
        self._watched: set[int] = set()
        self._waiting: dict[Any, asyncio.Future[tuple[int, str]]] = {}
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._kick: asyncio.Handle | None = None
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_deadline)
        self._multi.setopt(pycurl.M_MAXCONNECTS, IDLE_CONNECTIONS)
        self._loop.add_reader(self._selector, self._on_ready)

    async def perform(self, curl: Any) -> tuple[int, str]:
        """Run one transfer to its end: libcurl's error number (0: none) and its message.

        When this returns, or is cancelled, the handle is free again.
        """
        ended: asyncio.Future[tuple[int, str]] = self._loop.create_future()
        self._multi.add_handle(curl)
        self._waiting[curl] = ended
        try:
            return await ended
        finally:
            self._waiting.pop(curl, None)
            if not self._multi.closed:
                self._multi.remove_handle(curl)

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
            if fd in self._watched:
                self._watched.remove(fd)
                self._selector.unregister(fd)
        elif fd in self._watched:
            self._selector.modify(fd, events)
        else:
            self._watched.add(fd)
            self._selector.register(fd, events)

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
            if self._timer is None or self._timer.when() > self._deadline:
                self._set_timer(self._deadline)

    # What the event loop calls.

    def _on_ready(self) -> None:
        running = len(self._waiting)
        for key, events in self._selector.select(0):
            if key.fd in self._watched:  # else an earlier one of this round has ended it
                _, running = self._multi.socket_action(key.fd, _ACTIONS[events])
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
        self._timer = self._loop.call_at(at, self._on_timer)

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
        if ended is not None and not ended.done():
            ended.set_result((number, message))
