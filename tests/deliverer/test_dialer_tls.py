"""TLS: who a receiver is must be proved, with nothing older than TLS 1.2."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from tests.deliverer.conftest import LOCAL, server_tls
from tests.deliverer.receivers import Receiver

from angarium_deliverer.dialer import Dialer, DialError
from angarium_deliverer.resolver import Resolver


async def post(url: str, ca_file: str | None) -> str:
    """The status, or why there is none. Every name is this machine's."""
    async with Dialer(LOCAL, ca_file=ca_file, resolver=Resolver(lambda _: ["127.0.0.1"])) as dialer:
        try:
            return str((await dialer.post(url, [], b"{}", timeout=20, in_cluster=False)).status)
        except DialError as error:
            assert error.detail  # noqa: PT017 - whatever the reason, people are told
            return error.reason.value


async def test_a_known_authority_is_trusted(authority: trustme.CA, ca_file: str) -> None:
    async with Receiver(tls=server_tls(authority, "hooks.example", "127.0.0.1")) as receiver:
        assert await post(receiver.url, ca_file) == "204"
        assert await post(f"https://hooks.example:{receiver.port}/", ca_file) == "204"


async def test_an_unknown_authority_is_not(authority: trustme.CA, ca_file: str) -> None:
    async with Receiver(tls=server_tls(authority, "127.0.0.1")) as receiver:
        assert await post(receiver.url, None) == "tls_error"
    async with Receiver(tls=server_tls(trustme.CA(), "127.0.0.1")) as receiver:
        assert await post(receiver.url, ca_file) == "tls_error"
    assert receiver.requests == []


async def test_a_certificate_of_another_name_is_refused(authority: trustme.CA, ca_file: str) -> None:
    async with Receiver(tls=server_tls(authority, "other.example", "127.0.0.2")) as receiver:
        assert await post(receiver.url, ca_file) == "tls_error"
        assert await post(f"https://hooks.example:{receiver.port}/", ca_file) == "tls_error"


async def test_an_expired_certificate_is_refused(authority: trustme.CA, ca_file: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)).configure_cert(context)
    async with Receiver(tls=context) as receiver:
        assert await post(receiver.url, ca_file) == "tls_error"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_old_tls_is_refused(authority: trustme.CA, ca_file: str) -> None:
    old = server_tls(authority, "127.0.0.1")
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with Receiver(tls=old) as receiver:
        assert await post(receiver.url, ca_file) == "tls_error"


async def test_tls_1_2_is_enough(authority: trustme.CA, ca_file: str) -> None:
    context = server_tls(authority, "127.0.0.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with Receiver(tls=context) as receiver:
        assert await post(receiver.url, ca_file) == "204"


async def test_https_to_a_plain_server(ca_file: str) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        assert await post(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", ca_file) == "tls_error"


async def test_a_connection_is_kept_with_tls(authority: trustme.CA, ca_file: str) -> None:
    async with (
        Receiver(tls=server_tls(authority, "127.0.0.1")) as receiver,
        Dialer(LOCAL, ca_file=ca_file) as dialer,
    ):
        for _ in range(5):
            assert (await dialer.post(receiver.url, [], b"{}", timeout=20, in_cluster=False)).status == 204
        assert receiver.connections == 1


async def test_a_missing_ca_file_is_told(authority: trustme.CA, tmp_path: Path) -> None:
    async with Receiver(tls=server_tls(authority, "127.0.0.1")) as receiver:
        assert await post(receiver.url, str(tmp_path / "missing.pem")) == "tls_error"
