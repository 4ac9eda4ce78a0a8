"""Redis behind TLS and with an ACL user, whose credentials change while everything runs."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import SecretStr
from tests.core.redis_servers import Server, running, until

from angarium.errors import StorageUnavailable
from angarium.link import Link
from angarium.settings import RedisSettings, Settings, load

NARROW = ("~ang:*", "&*", "+@all", "-@dangerous", "+info")  # as docs/redis.md recommends


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A Valkey that lets nobody in without a password."""
    one = Server(tmp_path / "valkey")
    async with running([one]):
        await one.do("ACL", "SETUSER", "angarium", "on", ">first", *NARROW)
        yield one


class Tls:
    """What speaks TLS in front of a server, and asks for a client's certificate if told to."""

    def __init__(self, server: Server, authority: trustme.CA, *, mutual: bool = False) -> None:
        self._upstream = server.port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)
        if mutual:
            self.context.verify_mode = ssl.CERT_REQUIRED
            authority.configure_trust(self.context)
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Tls"]:
        """While the body runs."""
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.context)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._upstream)
        for task in (asyncio.create_task(_pipe(reader, ours)), asyncio.create_task(_pipe(theirs, writer))):
            self._tasks.add(task)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(ConnectionError):
        while read := await reader.read(65536):
            writer.write(read)
            await writer.drain()


def pem(folder: Path, authority: trustme.CA) -> dict[str, Any]:
    """Files for a client."""
    paths = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(str(paths["ca"]))
    issued = authority.issue_cert("angarium.example")
    issued.cert_chain_pems[0].write_to_path(str(paths["cert"]))
    issued.private_key_pem.write_to_path(str(paths["key"]))
    return paths


async def test_over_tls_with_a_client_s_certificate(server: Server, tmp_path: Path) -> None:
    authority = trustme.CA()
    async with Tls(server, authority, mutual=True).serving() as tls:
        url = SecretStr(f"rediss://angarium:first@127.0.0.1:{tls.port}/0")
        async with Link(RedisSettings(url=url, **pem(tmp_path, authority))) as link:
            assert await link.call("SET", "ang:x", "1") == b"OK"


async def test_a_server_of_an_unknown_authority_hears_no_password(server: Server, tmp_path: Path) -> None:
    ca = pem(tmp_path, trustme.CA())["ca"]
    async with Tls(server, trustme.CA()).serving() as tls:
        url = SecretStr(f"rediss://angarium:first@127.0.0.1:{tls.port}/0")
        async with Link(RedisSettings(url=url, ca=ca), timeout=1) as link:
            with pytest.raises(StorageUnavailable):
                await link.call("GET", "ang:x")


async def test_a_new_password_in_the_file_is_used_for_the_next_connection(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "url"
    text = f"redis://angarium:{{}}@127.0.0.1:{server.port}/0"
    file.write_text(text.format("first") + "\n")
    settings = RedisSettings(url=SecretStr(text.format("first")), url_file=file)
    async with Link(settings, timeout=15) as link:
        assert await link.call("SET", "ang:x", "1") == b"OK"
        await server.do("ACL", "SETUSER", "angarium", "resetpass", ">second")
        await server.do("CLIENT", "KILL", "USER", "angarium")
        asked = asyncio.create_task(link.call("GET", "ang:x"))
        await until(lambda: _is_down(link))
        file.write_text(text.format("second"))
        assert await asked == b"1"
    assert "second" not in caplog.text


async def _is_down(link: Link) -> bool:
    return not link.up


async def test_another_server_in_the_file_is_not_followed(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "url"
    url = f"redis://angarium:first@127.0.0.1:{server.port}/0"
    file.write_text(url.replace("/0", "/3").replace("first", "hunter2"))
    async with Link(RedisSettings(url=SecretStr(url), url_file=file)) as link:
        assert await link.call("SET", "ang:x", "1") == b"OK"
    assert "last content stays" in caplog.text
    assert "hunter2" not in caplog.text
    assert await server.do("DBSIZE") == 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"URL": "redis://x", "CA": "/etc/hostname"}, "ANGARIUM_REDIS_CA: Value error, is for TLS"),
        ({"URL": "rediss://x", "CA": "/no/such"}, "ANGARIUM_REDIS_CA: Value error, /no/such can't be read"),
        ({"URL": "rediss://x", "CERT": "/etc/hostname"}, "ANGARIUM_REDIS_KEY: Value error, goes together"),
        ({"URL": "rediss://x", "KEY": "/etc/hostname"}, "ANGARIUM_REDIS_KEY: Value error, goes together"),
    ],
)
def test_what_makes_no_sense_is_said_at_start(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"ANGARIUM_REDIS_{name}", value)
    with pytest.raises(SystemExit):
        load(Settings)
    assert said in capsys.readouterr().err
