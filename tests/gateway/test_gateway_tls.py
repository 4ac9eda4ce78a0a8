"""The API over TLS: callers trust its authority alone, and a renewed certificate serves without a restart."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientSession, TCPConnector
from cryptography import x509
from tests.gateway.records import product
from tests.gateway.running import Gateway, Start

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.link import Link
from angarium.process import WrongSettingError
from angarium.settings import load
from angarium.telemetry.metrics import REGISTRY
from angarium_gateway import tls
from angarium_gateway.settings import GatewaySettings


class Folder:
    """A mounted Secret: all its files change at once, by a link."""

    def __init__(self, path: Path, authority: trustme.CA) -> None:
        self.path, self._authority, self._versions = path, authority, 0

    @property
    def settings(self) -> dict[str, Path]:
        return {"gateway_tls_cert": self.path / "data/tls.crt", "gateway_tls_key": self.path / "data/tls.key"}

    def issue(self, days: int = 30, *, key: bytes | None = None) -> int:
        """A certificate for 127.0.0.1; its serial number."""
        self._versions += 1
        version = self.path / str(self._versions)
        version.mkdir()
        issued = self._authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=days))
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        (version / "tls.crt").write_bytes(chain)
        (version / "tls.key").write_bytes(key or issued.private_key_pem.bytes())
        (self.path / "next").symlink_to(version)
        (self.path / "next").replace(self.path / "data")
        return x509.load_pem_x509_certificate(chain).serial_number


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Nobody else knows it."""
    return trustme.CA()


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Folder:
    """Where the certificate lies."""
    return Folder(tmp_path, authority)


@pytest.fixture
async def gateway(start: Start, link: Link, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """One that speaks TLS."""
    monkeypatch.setattr(tls, "LOOK_EVERY", 0.02)
    folder.issue()
    key = apikeys.mint()
    await ConfigStore(link).begin([product(key)])
    gateway = await start(**folder.settings)
    gateway.key = key
    return gateway


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A caller's."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def served(gateway: Gateway, authority: trustme.CA) -> int:
    """The serial number of the certificate that a new connection meets."""
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.settings.gateway_port, ssl=trusting(authority))
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(found).serial_number


async def post(gateway: Gateway, session: ClientSession, port: int | None = None) -> int:
    """The status of an accept."""
    url = f"https://127.0.0.1:{port or gateway.settings.gateway_port}/v1/notifications"
    headers = {"Authorization": f"Bearer {gateway.key.text}"}
    async with session.post(url, json={"event": "order.paid", "data": {}}, headers=headers) as response:
        return response.status


async def test_callers_are_served_and_know_whom_they_talk_to(gateway: Gateway, authority: trustme.CA) -> None:
    async with ClientSession(connector=TCPConnector(ssl=trusting(authority))) as session:
        assert await post(gateway, session) == 202
        assert await post(gateway, session) == 202  # over the same connection
    async with ClientSession(connector=TCPConnector(ssl=trusting(trustme.CA()))) as stranger:
        with pytest.raises(ClientConnectorCertificateError):
            await post(gateway, stranger)


async def test_plain_http_is_not_answered(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.settings.gateway_port)
    writer.write(b"GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(10):
        assert b"HTTP" not in await reader.read()
    writer.close()


async def test_a_renewed_certificate_serves_new_connections_and_breaks_no_old_one(
    gateway: Gateway, folder: Folder, authority: trustme.CA
) -> None:
    async with ClientSession(connector=TCPConnector(ssl=trusting(authority), limit=1)) as session:
        assert await post(gateway, session) == 202
        serial = folder.issue(days=90)
        async with asyncio.timeout(10):
            while await served(gateway, authority) != serial:
                await asyncio.sleep(0.02)
        assert await post(gateway, session) == 202
    expiry = REGISTRY.get_sample_value("angarium_certificate_expiry_timestamp_seconds", {"certificate": "gateway"})
    assert expiry is not None
    assert datetime.fromtimestamp(expiry, UTC) > datetime.now(UTC) + timedelta(days=89)


async def test_a_certificate_without_its_key_is_not_taken(
    gateway: Gateway, folder: Folder, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    before = await served(gateway, authority)
    folder.issue(key=authority.issue_cert("127.0.0.1").private_key_pem.bytes())
    async with asyncio.timeout(10):
        while "can't be used" not in caplog.text:
            await asyncio.sleep(0.02)
    assert await served(gateway, authority) == before
    (folder.path / "data").unlink()  # and none at all is no reason to stop either
    await asyncio.sleep(0.1)
    assert await served(gateway, authority) == before
    (folder.path / "data").symlink_to(folder.path / "1")
    serial = folder.issue()
    async with asyncio.timeout(10):
        while await served(gateway, authority) != serial:
            await asyncio.sleep(0.02)
    assert "PRIVATE" not in caplog.text


async def test_old_tls_is_refused(gateway: Gateway, authority: trustme.CA) -> None:
    context = trusting(authority)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with ClientSession(connector=TCPConnector(ssl=context)) as session:
        with pytest.raises(ClientConnectorError):
            await post(gateway, session)


async def test_files_that_can_t_be_used_are_named_at_start(start: Start, folder: Folder, authority: trustme.CA) -> None:
    with pytest.raises(WrongSettingError, match=r"ANGARIUM_GATEWAY_TLS_CERT.*No such file"):
        await start(**folder.settings)
    folder.issue(key=authority.issue_cert("127.0.0.1").private_key_pem.bytes())
    with pytest.raises(WrongSettingError, match="no certificate and its private key"):
        await start(**folder.settings)


def test_half_of_the_settings_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for one, other in (("CERT", "KEY"), ("KEY", "CERT")):
        monkeypatch.setenv(f"ANGARIUM_GATEWAY_TLS_{one}", "/x.pem")
        monkeypatch.delenv(f"ANGARIUM_GATEWAY_TLS_{other}", raising=False)
        with pytest.raises(SystemExit):
            load(GatewaySettings)
        assert capsys.readouterr().err.startswith("ANGARIUM_GATEWAY_TLS_KEY: ")
