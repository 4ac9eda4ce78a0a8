"""What tests of the way out share."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import trustme
import uvloop

from angarium.egress import EgressPolicy
from angarium_deliverer.dialer import Dialer

LOCAL = EgressPolicy(["127.0.0.0/8", "::1/128"])


@pytest.fixture
async def dialer() -> AsyncIterator[Dialer]:
    """One that may reach this machine."""
    async with Dialer(LOCAL) as dialer:
        yield dialer


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Deliverers run on uvloop, where it is there: the way out is tested on both loops, the rest on asyncio's."""
    both = item.path.name.startswith(("test_dialer", "test_channel"))
    return {"asyncio": asyncio.new_event_loop} | ({"uvloop": uvloop.new_event_loop} if both else {})


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that nobody knows."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its certificate, for those who shall know it."""
    path: Path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """What a server with a certificate for these names needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context
