"""One request and its answer on one of libcurl's handles, which are used again and again.

All that keeps a receiver from harming us is set here: no redirects, no proxy, no cookies, nothing but HTTP, TLS 1.2 or
newer with verification, an answer that is read up to a bound, and the guard asked before every single connect.
HTTP/1.1 on purpose: every receiver speaks it, a slow answer holds up nobody else's, and a warm pool makes HTTP/2 save
little (26 instead of 33 µs with TLS).
"""

import errno
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import pycurl

MOST_BODY_BYTES = 16 * 1024
CONNECT_TIMEOUT_S = 10.0
IDLE_S = 50  # below the 60 s after which most load balancers close: no request meets a connection that is being closed
MOST_SENDS = 2  # of one request: one pooled connection may have been closed already, two are the receiver's doing
LONGEST_CONNECTION_S = 600  # then the name is looked up again, so receivers can move

KEPT_HEADERS = frozenset({"retry-after", "content-type", "location", "webhook-delivery"})

_KEPT_LENGTHS = frozenset(map(len, KEPT_HEADERS))

# libcurl would add these by itself; a name without a value says not to. `Expect: 100-continue` costs a round trip.
BASE_HEADERS = ["Expect:", "Content-Type:"]

LARGEST_REMEMBERED_BODY = 4096  # bytes; a longer one does not stay with its handle until the next request


class DialReason(StrEnum):
    """Why there is no answer; stable words that go into metrics and timelines."""

    DNS_ERROR = "dns_error"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    TIMEOUT = "timeout"
    TLS_ERROR = "tls_error"
    ADDRESS_REFUSED = "address_refused"
    CONNECTION_RESET = "connection_reset"
    INVALID_URL = "invalid_url"
    PROTOCOL_ERROR = "protocol_error"


class DialError(Exception):
    """No answer came. `detail` is for people."""

    def __init__(self, reason: DialReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Answer(NamedTuple):
    """What the receiver said. `headers` by lower-case name, those of KEPT_HEADERS alone; `duration` in seconds.

    `body` holds at most 16 KiB; where there was more, `truncated` is set and the rest was never read. `resent`: the
    first connection ended without an answer, so the receiver may have got the request twice.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration: float
    truncated: bool = False
    resent: bool = False


@dataclass(slots=True)
class Trace:
    """The way of one request, as far as it went, for whoever tests a receiver; times in seconds, each part's own."""

    host: str = ""  # that was looked up; empty: the URL holds an address
    addresses: tuple[str, ...] = ()
    known: bool = False  # they had been looked up before
    lookup: float | None = None
    address: str = ""  # that was dialled, with its port
    secure: bool = False
    connect: float | None = None
    tls: float | None = None
    answer: float | None = None
    certificate_expires: float | None = None  # epoch seconds

    def as_json(self) -> dict[str, Any]:
        """As timelines show it; times in ms."""
        shown = {"host": self.host, "addresses": list(self.addresses), "known": self.known, "address": self.address}
        times = {"lookupMs": self.lookup, "connectMs": self.connect, "tlsMs": self.tls, "answerMs": self.answer}
        kept = {name: round(value * 1000) for name, value in times.items() if value is not None}
        if self.certificate_expires is not None:
            kept["certificateExpiresMs"] = round(self.certificate_expires * 1000)
        return shown | {"secure": self.secure} | kept


_TLS_ERRORS = frozenset(
    {
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CIPHER,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_ENGINE_NOTFOUND,
        pycurl.E_SSL_ENGINE_SETFAILED,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_SHUTDOWN_FAILED,
        pycurl.E_SSL_CRL_BADFILE,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_SSL_PINNEDPUBKEYNOTMATCH,
        pycurl.E_SSL_INVALIDCERTSTATUS,
    }
)
_REASONS = {
    pycurl.E_URL_MALFORMAT: DialReason.INVALID_URL,
    pycurl.E_COULDNT_RESOLVE_HOST: DialReason.DNS_ERROR,
    pycurl.E_GOT_NOTHING: DialReason.CONNECTION_RESET,
    pycurl.E_SEND_ERROR: DialReason.CONNECTION_RESET,
    pycurl.E_PARTIAL_FILE: DialReason.CONNECTION_RESET,
    pycurl.E_ABORTED_BY_CALLBACK: DialReason.CONNECTION_RESET,  # by _send
    **dict.fromkeys(_TLS_ERRORS, DialReason.TLS_ERROR),
}

Guard = Callable[[str], str | None]


class Exchange:
    """A handle with everything set that stays the same, and the few options that don't.

    `guard` judges each address that is about to be connected to; `opened` hears of each socket made for it.
    """

    __slots__ = (
        "_body",
        "_dialled",
        "_guard",
        "_lines",
        "_most_body",
        "_most_sends",
        "_opened",
        "_refusal",
        "_sent",
        "_size",
        "_timeout",
        "_truncated",
        "_url",
        "curl",
    )

    def __init__(self, guard: Guard, ca_file: str, opened: Callable[[int], None]) -> None:
        self._guard, self._opened = guard, opened
        self._url, self._timeout = None, 0.0
        self._lines: list[bytes] = []
        self._body: list[bytes] = []
        self._size = self._sent = 0
        self._most_body, self._most_sends = MOST_BODY_BYTES, MOST_SENDS
        self._truncated = self._dialled = False
        self._refusal = ""
        self.curl: Any = pycurl.Curl()
        for option, value in _fixed_options(ca_file):
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._write)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)  # libcurl stops at 300 KiB of headers
        self.curl.setopt(pycurl.PREREQFUNCTION, self._send)

    @property
    def resent(self) -> bool:
        """Whether libcurl has sent the request again: a pooled connection had ended without an answer."""
        return self._sent > 1 and self._most_sends > 1

    def prepare(self, url: Any, lines: list[str], body: bytes | None, timeout: float, addresses: str | None) -> None:
        """Set what this request is. `url`: a CurlUrl; `lines`: all headers that are not libcurl's own affair.

        `body`: None for a GET. `addresses`: "host:port:address,…", where the pool doesn't know them yet.
        """
        setopt = self.curl.setopt
        if url is not self._url:
            setopt(pycurl.CURLU, url)
            self._url = url
        if timeout != self._timeout:
            setopt(pycurl.TIMEOUT_MS, max(1, round(timeout * 1000)))
            setopt(pycurl.CONNECTTIMEOUT_MS, max(1, round(min(timeout, CONNECT_TIMEOUT_S) * 1000)))
            self._timeout = timeout
        setopt(pycurl.HTTPHEADER, lines)
        if body is None:
            setopt(pycurl.HTTPGET, 1)
        else:
            setopt(pycurl.POSTFIELDS, body)  # which makes it a POST again
        if addresses is not None:
            setopt(pycurl.RESOLVE, [addresses])

    def bound(self, most_body: int = MOST_BODY_BYTES, most_sends: int = MOST_SENDS) -> None:
        """How many bytes of answers are read from now on, and how often libcurl may send a request."""
        self._most_body, self._most_sends = most_body, most_sends

    def answer(self, number: int, message: str, duration: float) -> Answer:
        """What came of it; `number` and `message` are libcurl's. Raises DialError."""
        if number and not (number == pycurl.E_WRITE_ERROR and self._truncated):
            raise DialError(self._reason(number), self._detail(number, message))
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        body = b"".join(self._body) if self._body else b""
        return Answer(status, kept_headers(self._lines), body, duration, self._truncated, self.resent)

    def trace_from_now_on(self) -> None:
        """Dial anew, and remember certificates."""
        self.curl.setopt(pycurl.FRESH_CONNECT, 1)
        self.curl.setopt(pycurl.FORBID_REUSE, 1)
        self.curl.setopt(pycurl.OPT_CERTINFO, 1)

    def tell(self, trace: Trace) -> None:
        """How far it went; before the handle is used again."""
        info = self.curl.getinfo
        connected, secured = info(pycurl.CONNECT_TIME), info(pycurl.APPCONNECT_TIME)
        begun, answered = info(pycurl.PRETRANSFER_TIME), info(pycurl.STARTTRANSFER_TIME)
        trace.address = _spelled(info(pycurl.PRIMARY_IP), info(pycurl.PRIMARY_PORT))
        trace.connect = connected - info(pycurl.NAMELOOKUP_TIME) if connected else None
        trace.tls = secured - connected if secured else None
        trace.answer = answered - begun if info(pycurl.RESPONSE_CODE) else None
        chain = info(pycurl.INFO_CERTINFO) if trace.secure else []
        trace.certificate_expires = _expiry(chain[0]) if chain else None

    def forget(self, length: int) -> None:
        """Ready for the next request. `length` in bytes of the body sent: long ones don't stay until it comes."""
        self._lines.clear()
        self._sent = 0
        if self._size:
            self._body.clear()
            self._size = 0
        if self._refusal or self._dialled or self._truncated:
            self._truncated = self._dialled = False
            self._refusal = ""
        if length > LARGEST_REMEMBERED_BODY:
            self.curl.setopt(pycurl.POSTFIELDS, b"")

    def close(self) -> None:
        """Free the handle."""
        self.curl.close()

    def _open(self, _purpose: int, address: Any) -> int:
        """Called for each address that is about to be connected to, after DNS, whatever it was written like."""
        refusal = self._guard(address.addr[0])
        if refusal is not None:
            self._refusal = refusal
            return int(pycurl.SOCKET_BAD)
        self._dialled = True
        try:
            fd = socket.socket(address.family, address.socktype, address.protocol).detach()
        except OSError as error:  # no address family, no file descriptor: the next address may do
            self._refusal = f"no socket for {address.addr[0]}: {error}"
            return int(pycurl.SOCKET_BAD)
        self._opened(fd)
        return fd

    def _send(self, *_connection: object) -> int:
        """Called each time the request is about to be sent.

        Where a pooled connection ends without an answer libcurl sends it again by itself, up to five times.
        """
        self._sent += 1
        return int(pycurl.PREREQFUNC_OK if self._sent <= self._most_sends else pycurl.PREREQFUNC_ABORT)

    def _write(self, chunk: bytes) -> int:
        room = self._most_body - self._size
        if len(chunk) > room:
            self._body.append(chunk[:room])
            self._truncated = True
            return -1  # anything but its length: libcurl drops the connection
        self._body.append(chunk)
        self._size += len(chunk)
        return len(chunk)

    def _reason(self, number: int) -> DialReason:
        if number == pycurl.E_OPERATION_TIMEDOUT:
            sent = self.curl.getinfo(pycurl.REQUEST_SIZE)  # its times are filled in at the end, whatever happened
            return DialReason.TIMEOUT if sent else DialReason.CONNECT_TIMEOUT
        if number == pycurl.E_COULDNT_CONNECT:
            return self._connect_reason()
        if number == pycurl.E_RECV_ERROR:  # also an answer that is none, such as endless headers
            reset = self.curl.getinfo(pycurl.OS_ERRNO) or not self._lines
            return DialReason.CONNECTION_RESET if reset else DialReason.PROTOCOL_ERROR
        return _REASONS.get(number, DialReason.PROTOCOL_ERROR)

    def _connect_reason(self) -> DialReason:
        if self._refusal and not self._dialled:
            return DialReason.ADDRESS_REFUSED
        timed_out = self.curl.getinfo(pycurl.OS_ERRNO) == errno.ETIMEDOUT
        return DialReason.CONNECT_TIMEOUT if timed_out else DialReason.CONNECT_REFUSED

    def _detail(self, number: int, message: str) -> str:
        detail = self._connect_detail(message) if number == pycurl.E_COULDNT_CONNECT else message or self.curl.errstr()
        return f"{detail}; the request was sent twice" if self.resent else detail

    def _connect_detail(self, message: str) -> str:
        if self._refusal:
            return self._refusal
        code = self.curl.getinfo(pycurl.OS_ERRNO)
        return f"{message}: {os.strerror(code)}" if code else message


def _spelled(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}" if address else ""


def _expiry(certificate: Sequence[tuple[str, str]]) -> float | None:
    """`Expire date` as OpenSSL prints it: `Nov 21 14:32:46 2027 GMT`."""
    try:
        return float(ssl.cert_time_to_seconds(dict(certificate)["Expire date"]))
    except (KeyError, ValueError):
        return None


def _fixed_options(ca_file: str) -> list[tuple[int, Any]]:
    return [
        (pycurl.NOSIGNAL, 1),
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
        (pycurl.POST, 1),
        (pycurl.USERAGENT, ""),  # none but the caller's
        (pycurl.FOLLOWLOCATION, 0),
        (pycurl.PROXY, ""),  # with NOPROXY: whatever http_proxy and its kin say in the environment
        (pycurl.NOPROXY, "*"),
        (pycurl.NETRC, 0),
        (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
        (pycurl.SSL_VERIFYPEER, 1),
        (pycurl.SSL_VERIFYHOST, 2),
        (pycurl.CAINFO, ca_file),
        (pycurl.DNS_CACHE_TIMEOUT, -1),  # it holds what libcurl is told, and else would search it all at each connect
        (pycurl.MAXAGE_CONN, IDLE_S),
        (pycurl.MAXLIFETIME_CONN, LONGEST_CONNECTION_S),
    ]


def kept_headers(lines: Sequence[bytes]) -> dict[str, str]:
    """Those of KEPT_HEADERS in the last head of the answer: interim answers (1xx) come before it, trailers after."""
    kept: dict[str, str] = {}
    in_head = False
    for line in lines:
        if line.startswith(b"HTTP/"):
            in_head = True
            kept.clear()
        elif line in (b"\r\n", b"\n"):
            in_head = False
        elif in_head:
            colon = line.find(b":")
            if colon in _KEPT_LENGTHS and (name := line[:colon].decode("latin-1").lower()) in KEPT_HEADERS:
                kept[name] = line[colon + 1 :].strip().decode("latin-1")
    return kept
