"""Times as the API writes and reads them: RFC 3339 in UTC with milliseconds."""

import re
import time
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999  # of the year 9999 in UTC: what is later can't be written again


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def parse_instant(text: str) -> int:
    """Milliseconds since the epoch; raises ValueError saying what is expected."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("must be a time with an offset, like 2026-11-21T08:00:00Z")
    try:
        ms = (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise ValueError("is not a time that exists") from None
    if ms > _LAST_MS:
        raise ValueError("is not a time that exists")
    return ms
