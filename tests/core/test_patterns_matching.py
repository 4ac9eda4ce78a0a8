"""Which events a pattern takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium import patterns

SEGMENT = st.text("aB0-_", min_size=1, max_size=3)
EVENT = st.lists(SEGMENT, min_size=1, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("pattern", "event", "taken"),
    [
        ("order.paid", "order.paid", True),
        ("order.paid", "order.paid.late", False),
        ("order.paid", "Order.paid", False),
        ("order.*", "order.paid", True),
        ("order.*", "order", False),
        ("order.*", "order.paid.late", False),
        ("*.paid", "order.paid", True),
        ("*", "order", True),
        ("*", "order.paid", False),
        ("**", "order", True),
        ("**", "order.paid.late", True),
        ("order.**", "order.paid.late", True),
        ("order.**", "order", False),
        ("*.**", "order", False),
        ("*.**", "order.paid", True),
        ("order.*.late", "order.paid.late", True),
        ("order.*.late", "order.late", False),
    ],
)
def test_matches(pattern: str, event: str, taken: bool) -> None:
    """One segment for *, the rest for **."""
    assert patterns.matches(pattern, event) is taken


@given(EVENT)
def test_event_is_a_pattern_of_itself(event: str) -> None:
    """Names need no other syntax in a subscription."""
    assert patterns.validate_event(event) == patterns.validate_pattern(event) == event
    assert patterns.matches(event, event)
    assert patterns.matches("**", event)


@given(EVENT, st.data())
def test_wildcards_only_widen(event: str, data: st.DataObject) -> None:
    """Any segment may become *, and any end of it **."""
    segments = event.split(".")
    at = data.draw(st.integers(0, len(segments) - 1))
    assert patterns.matches(".".join([*segments[:at], "*", *segments[at + 1 :]]), event)
    assert patterns.matches(".".join([*segments[:at], "**"]), event)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a b", "é", "a\n", "x" * 129, "*", "a.*", "**"])
def test_no_event(text: str) -> None:
    """Wildcards are for patterns."""
    with pytest.raises(patterns.InvalidEvent, match="segments are letters, digits"):
        patterns.validate_event(text)


@pytest.mark.parametrize("text", ["", "a..b", "**.a", "a*", "***", "a.**.b", "*\n", "*." * 64 + "a"])
def test_no_pattern(text: str) -> None:
    """** only at the end, and wildcards only as whole segments."""
    with pytest.raises(patterns.InvalidPattern, match=r"\* stands for one segment"):
        patterns.validate_pattern(text)
