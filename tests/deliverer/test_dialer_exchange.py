"""What goes out, and what of the answer comes back."""

import asyncio
import socket
import struct

import pytest
from tests.deliverer.conftest import LOCAL
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request, reply

from angarium.telemetry import metrics
from angarium_deliverer.dialer import Dialer, DialError, DialReason

JSON = [("content-type", "application/json")]


async def post(dialer: Dialer, url: str, body: bytes = b"{}", seconds: float = 20) -> str:
    """The reason there is no answer, or the status and the body."""
    try:
        answer = await dialer.post(url, JSON, body, timeout=seconds, in_cluster=False)
    except DialError as error:
        return error.reason.value
    return f"{answer.status} {answer.body.decode()}".strip()


async def test_the_request_holds_what_was_asked_for_and_nothing_else(dialer: Dialer) -> None:
    async with Receiver() as receiver:
        headers = [*JSON, ("webhook-id", "dlv_1"), ("x-empty", ""), ("X-Case", "Kept as it is")]
        answer = await dialer.post(receiver.url + "?a=%20b", headers, b'{"n": 1}', timeout=20, in_cluster=False)
    assert (answer.status, answer.body, answer.truncated) == (204, b"", False)
    assert answer.duration > 0
    (request,) = receiver.requests
    assert request.line == "POST /hooks?a=%20b HTTP/1.1"
    assert request.body == b'{"n": 1}'
    assert request.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "accept": "*/*",
        "content-length": "8",
        "content-type": "application/json",
        "webhook-id": "dlv_1",
        "x-empty": "",
        "x-case": "Kept as it is",
    }


async def test_without_a_body_it_is_a_get_and_the_next_is_a_post_again(dialer: Dialer) -> None:
    async with Receiver(reply(200, b"x" * 40_000)) as receiver:
        read = await dialer.post(receiver.url + "?a=b", (), None, timeout=20, in_cluster=False, bounds=(50_000, 1))
        cut = await dialer.post(receiver.url, JSON, b"{}", timeout=20, in_cluster=False)
        again = await dialer.post(receiver.url, (), None, timeout=20, in_cluster=False)
    assert (len(read.body), read.truncated) == (40_000, False)
    assert [(len(answer.body), answer.truncated) for answer in (cut, again)] == [(16_384, True)] * 2
    first, second, third = receiver.requests
    assert (first.line, first.body, "content-length" in first.headers) == ("GET /hooks?a=b HTTP/1.1", b"", False)
    assert (second.line, second.body) == ("POST /hooks HTTP/1.1", b"{}")
    assert third.line == "GET /hooks HTTP/1.1"


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
async def test_bodies_of_any_size_arrive_whole_and_unasked(dialer: Dialer, size: int) -> None:
    """Nobody waits for `100 Continue`, which many receivers never send."""
    async with Receiver() as receiver:
        assert await post(dialer, receiver.url, bytes(range(256)) * (size // 256) + b"x" * (size % 256)) == "204"
    assert len(receiver.requests[0].body) == size
    assert "expect" not in receiver.requests[0].headers


async def test_a_connection_is_used_again(dialer: Dialer) -> None:
    async with Receiver() as receiver:
        for _ in range(20):
            assert await post(dialer, receiver.url) == "204"
        assert receiver.connections == 1
        assert await asyncio.gather(*[post(dialer, receiver.url) for _ in range(8)]) == ["204"] * 8
        opened = receiver.connections
        assert await asyncio.gather(*[post(dialer, receiver.url) for _ in range(8)]) == ["204"] * 8
        assert receiver.connections == opened


async def test_a_connection_closed_meanwhile_is_replaced(dialer: Dialer) -> None:
    """The receiver hangs up after each answer without having said so."""

    async def hang_up(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(NO_CONTENT)
        writer.close()

    async with Receiver(hang_up) as receiver:
        for _ in range(5):
            assert await post(dialer, receiver.url) == "204"
    assert len(receiver.requests) == 5


class Forgetful:
    """Answers as long as `awake`; then it takes each request of a kept connection and hangs up without a word."""

    def __init__(self) -> None:
        self.awake = True
        self._known: set[int] = set()

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if self.awake or request.connection not in self._known:
            self._known.add(request.connection)
            writer.write(NO_CONTENT)
        else:
            writer.close()


async def warm(dialer: Dialer, receiver: Receiver, connections: int) -> None:
    """Keep so many connections."""
    while receiver.connections < connections:
        await asyncio.gather(*[post(dialer, receiver.url) for _ in range(connections)])


async def test_a_request_that_was_sent_twice_is_told(dialer: Dialer) -> None:
    """The receiver got it both times, whatever it made of the first: only an answer proves what was done."""
    script = Forgetful()
    async with Receiver(script) as receiver:
        before = metrics.RESENT._value.get()
        first = await dialer.post(receiver.url, JSON, b"{}", timeout=20, in_cluster=False)
        script.awake = False
        second = await dialer.post(receiver.url, JSON, b"{}", timeout=20, in_cluster=False)
        assert (first.resent, second.resent) == (False, True)
        assert [request.connection for request in receiver.requests] == [1, 1, 2]
        script.awake = True
        assert not (await dialer.post(receiver.url, JSON, b"{}", timeout=20, in_cluster=False)).resent
        assert metrics.RESENT._value.get() == before + 1


async def test_what_may_be_sent_once_only_is_sent_once(dialer: Dialer) -> None:
    script = Forgetful()
    async with Receiver(script) as receiver:
        await warm(dialer, receiver, 2)
        script.awake, receiver.requests = False, []
        before = metrics.RESENT._value.get()
        with pytest.raises(DialError) as failure:
            await dialer.post(receiver.url, JSON, b"{}", timeout=20, in_cluster=False, bounds=(1000, 1))
        assert (failure.value.reason, len(receiver.requests)) == (DialReason.CONNECTION_RESET, 1)
        assert "twice" not in failure.value.detail
        assert metrics.RESENT._value.get() == before


async def test_a_request_is_sent_twice_at_most(dialer: Dialer) -> None:
    """libcurl by itself would try all the connections that it keeps, five times in all."""
    script = Forgetful()
    async with Receiver(script) as receiver:
        await warm(dialer, receiver, 4)
        script.awake, receiver.requests = False, []
        with pytest.raises(DialError, match="was sent twice") as failure:
            await dialer.post(receiver.url, JSON, b"{}", timeout=20, in_cluster=False)
        assert failure.value.reason is DialReason.CONNECTION_RESET
        assert len(receiver.requests) == 2


async def test_redirects_are_not_followed(dialer: Dialer) -> None:
    async with Receiver() as elsewhere, Receiver(reply(307, location=elsewhere.url)) as receiver:
        answer = await dialer.post(receiver.url, JSON, b"{}", timeout=20, in_cluster=False)
        assert (answer.status, answer.headers["location"]) == (307, elsewhere.url)
        assert elsewhere.connections == 0


async def test_cookies_are_not_kept(dialer: Dialer) -> None:
    async with Receiver(reply(200, set_cookie="a=b; Path=/")) as receiver:
        await post(dialer, receiver.url)
        await post(dialer, receiver.url)
    assert "cookie" not in receiver.requests[1].headers


async def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver() as proxy, Receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        async with Dialer(LOCAL) as dialer:
            assert await post(dialer, receiver.url) == "204"
        assert proxy.connections == 0


async def test_headers_of_the_answer_and_of_it_alone(dialer: Dialer) -> None:
    """Not those of interim answers before it, nor trailers after it."""
    answer = (
        b"HTTP/1.1 103 Early Hints\r\nretry-after: 1\r\nwebhook-delivery: disable\r\n\r\n"
        b"HTTP/1.1 503 Busy\r\nRETRY-AFTER:  17 \r\nContent-Type: text/plain\r\nx-other: 1\r\n"
        b"transfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\nretry-after: 99\r\n\r\n"
    )
    async with Receiver(answer) as receiver:
        got = await dialer.post(receiver.url, JSON, b"{}", timeout=20, in_cluster=False)
    assert (got.status, got.body) == (503, b"no")
    assert got.headers == {"retry-after": "17", "content-type": "text/plain"}


@pytest.mark.parametrize(("size", "truncated"), [(16_384, False), (16_385, True), (1_000_000, True)])
async def test_an_answer_is_read_to_its_bound(dialer: Dialer, size: int, truncated: bool) -> None:
    async with Receiver(reply(500, b"x" * size)) as receiver:
        answer = await dialer.post(receiver.url, JSON, b"{}", timeout=20, in_cluster=False)
        assert (answer.status, answer.body, answer.truncated) == (500, b"x" * min(size, 16_384), truncated)
        if truncated:
            await receiver.gone.wait()  # the rest is not read to keep the connection
        assert await post(dialer, receiver.url) == "500 " + "x" * min(size, 16_384)


async def test_an_endless_answer_ends(dialer: Dialer) -> None:
    async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    async with Receiver(endless) as receiver:
        answer = await dialer.post(receiver.url, JSON, b"{}", timeout=20, in_cluster=False)
        assert (answer.status, len(answer.body), answer.truncated) == (200, 16_384, True)
        await receiver.gone.wait()


@pytest.mark.parametrize(
    "repeated", [b"x-bomb: " + b"x" * 1000 + b"\r\n", b"x: y\r\n", b"\r\nHTTP/1.1 100 Continue\r\nx-bomb: 1\r\n", b"x"]
)
async def test_endless_headers_end(dialer: Dialer, repeated: bytes) -> None:
    """Whether many, small, of interim answers, or one without an end: the memory for them is bounded."""

    async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\nx-bomb: ")
        while True:
            writer.write(repeated * 100)
            await writer.drain()

    async with Receiver(endless) as receiver:
        assert await post(dialer, receiver.url) == "protocol_error"
        await receiver.gone.wait()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "connection_reset"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "connection_reset"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "protocol_error"),
        (b"HTTP/9.9 200 OK\r\n\r\n", "protocol_error"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "protocol_error"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", "protocol_error"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "protocol_error"),
    ],
)
async def test_an_answer_that_is_none(dialer: Dialer, answer: bytes, reason: str) -> None:
    async def hang_up(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with Receiver(hang_up) as receiver:
        assert await post(dialer, receiver.url) == reason


async def test_a_reset_is_told(dialer: Dialer) -> None:
    async def reset(_: Request, writer: asyncio.StreamWriter) -> None:
        linger = struct.pack("ii", 1, 0)  # close sends RST
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with Receiver(reset) as receiver:
        assert await post(dialer, receiver.url) == "connection_reset"


async def test_silence_times_out(dialer: Dialer) -> None:
    async with Receiver(b"") as receiver:
        assert await post(dialer, receiver.url, seconds=0.2) == "timeout"
        await receiver.gone.wait()


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nx-slow: ", b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"])
async def test_dripping_times_out(dialer: Dialer, start: bytes) -> None:
    """Each byte comes soon enough, the answer never: the time-out is for all of it."""

    async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with Receiver(drip) as receiver:
        assert await post(dialer, receiver.url, seconds=0.3) == "timeout"
        await receiver.gone.wait()


async def test_a_full_accept_queue_times_out_on_connecting(dialer: Dialer) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        queued = [socket.socket() for _ in range(4)]
        try:
            for each in queued:
                each.setblocking(False)
                each.connect_ex(listener.getsockname())
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            assert await post(dialer, url, seconds=0.3) == "connect_timeout"
        finally:
            for each in queued:
                each.close()


async def test_a_closed_port_refuses(dialer: Dialer) -> None:
    async with Receiver() as receiver:
        url = receiver.url
    assert await post(dialer, url) == "connect_refused"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hooks",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "unix:///var/run/docker.sock",
        "http://",
        "http:///",
        "http://:80/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://exa mple.com/",
        "http://example.com/a b",
        "http://example.com/\r\nx-injected: 1",
        "http://example.com/\0",
        "http://[::1/",
        "http://exämple.com/",
        "http://+example.com/",
        "http://-example.com/",
        "http://%2Bexample.com/",
        "http://a~b/",
        "http://example.com/ü",
    ],
)
async def test_what_is_no_url_for_us_is_refused(dialer: Dialer, url: str) -> None:
    assert await post(dialer, url) == "invalid_url"


@pytest.mark.parametrize(
    "header",
    [
        ("x-a", "b\r\nx-injected: 1"),
        ("x-a", "b\nx-injected: 1"),
        ("x-a", "b\rx"),
        ("x-a", "b\0"),
        ("x-a", "ü"),
        ("x-a\r\nx-b", "c"),
        ("x a", "b"),
        ("x-a:", "b"),
        ("", "b"),
        ("Transfer-Encoding", "chunked"),
        ("content-length", "0"),
        ("HOST", "internal"),
        ("connection", "close"),
    ],
)
async def test_headers_that_could_change_the_message_are_refused(dialer: Dialer, header: tuple[str, str]) -> None:
    async with Receiver() as receiver:
        with pytest.raises(DialError) as refusal:
            await dialer.post(receiver.url, [*JSON, header], b"{}", timeout=20, in_cluster=False)
        assert refusal.value.reason is DialReason.PROTOCOL_ERROR
        assert receiver.connections == 0
