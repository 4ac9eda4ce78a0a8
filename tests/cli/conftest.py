"""A folder for each test, with a receiver and room for `angarium dev`."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from tests.cli.dev_process import Receiver, end_leftover, receiving
from tests.ports import free_port


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the command runs; `yaml/` is what it reads."""
    (tmp_path / "yaml").mkdir()
    yield tmp_path
    end_leftover(tmp_path)


@pytest.fixture
def port() -> int:
    """For the gateway."""
    return free_port()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    async with receiving(Receiver()) as listening:
        yield listening


@pytest.fixture
async def gateway(port: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway at `port`."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        yield client
