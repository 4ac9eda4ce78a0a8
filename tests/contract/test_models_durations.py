"""Durations are read and written as Gateway API does (GEP-2257)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.resources.durations import InvalidDuration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0s", 0), ("15s", 15_000), ("1h30m", 5_400_000), ("250ms", 250), ("1m1m", 120_000), ("99999h", 359_996_400_000)],
)
def test_reads(text: str, milliseconds: int) -> None:
    """Units add up, in whatever order."""
    assert parse_duration(text) == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize("text", ["", "15", "s", "1d", "-1s", "1.5s", "1s ", "1s\n", "100000s", "1h1m1s1ms1h", "١s"])
def test_refuses(text: str) -> None:
    """Four parts of five digits at most; no sign, no fraction, no days."""
    with pytest.raises(InvalidDuration):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=99_999 * 3_600_000).map(lambda ms: timedelta(milliseconds=ms)))
def test_what_is_written_reads_back(duration: timedelta) -> None:
    """To the millisecond."""
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["720h", "1h30m", "15s", "1s1ms", "0s"])
def test_writes_as_people_do(text: str) -> None:
    """Hours are the largest unit, and parts that are zero are left out."""
    assert format_duration(parse_duration(text)) == text
