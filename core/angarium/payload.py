"""What receivers of webhooks get: `{"type": event, "timestamp": …, "data": …}` (Standard Webhooks 1.0)."""

from datetime import UTC, datetime
from functools import lru_cache

TEST_EVENT, TEST_DATA = "angarium.test", b'{"test":true}'  # of test-sends


def instant(ms: int) -> str:
    """`2026-11-21T08:00:00.123Z`."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def opening(event: str, created_ms: int) -> bytes:
    """What stands before the data."""
    return f'{{"type":"{event}","timestamp":"{instant(created_ms)}","data":'.encode("ascii")


def payload(event: str, created_ms: int, data: bytes) -> bytes:
    """The very bytes that receivers get; `data` is JSON."""
    return b"%b%b}" % (opening(event, created_ms), data)
