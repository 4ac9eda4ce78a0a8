"""The index answers as a scan of all patterns would, without being one."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from angarium import patterns
from angarium.patterns import PatternIndex

SEGMENT = st.sampled_from(["a", "b", "c"])
EVENT = st.lists(SEGMENT, min_size=1, max_size=4).map(".".join)
PATTERN = st.builds(
    lambda segments, last: ".".join([*segments, last]),
    st.lists(st.sampled_from(["a", "b", "*"]), max_size=3),
    st.sampled_from(["a", "b", "*", "**"]),
)
PAIR = st.tuples(PATTERN, st.integers(0, 5))


def scan(pairs: list[tuple[str, int]], event: str) -> list[int]:
    """What the index must answer: each value once, in the order of the pairs."""
    return list(dict.fromkeys(value for pattern, value in pairs if patterns.matches(pattern, event)))


@given(st.lists(PAIR, max_size=20), EVENT)
def test_answers_as_a_scan_does(pairs: list[tuple[str, int]], event: str) -> None:
    """For any patterns and any event."""
    assert PatternIndex(pairs).match(event) == scan(pairs, event)


class ComingAndGoing(RuleBasedStateMachine):
    """Pairs come and go, and the index keeps up with a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.index: PatternIndex[int] = PatternIndex()
        self.pairs: list[tuple[str, int]] = []

    @rule(pair=PAIR)
    def add(self, pair: tuple[str, int]) -> None:
        self.index.add(*pair)
        self.pairs.append(pair)

    @rule(pair=PAIR)
    def discard(self, pair: tuple[str, int]) -> None:
        self.index.discard(*pair)
        self.pairs = [kept for kept in self.pairs if kept != pair]

    @rule(event=EVENT)
    def match(self, event: str) -> None:
        assert self.index.match(event) == scan(self.pairs, event)

    @invariant()
    def keeps_nothing_of_the_gone(self) -> None:
        if not self.pairs:
            assert (self.index._exact, self.index._root.next, self.index._root.star) == ({}, {}, None)


TestComingAndGoing = ComingAndGoing.TestCase


def test_looks_only_at_what_begins_alike() -> None:
    """Ten thousand patterns beside the one that matches are not looked at: counted in nodes visited, not in time."""
    index = PatternIndex([(f"tenant{number}.*.done", number) for number in range(10_000)])
    visited = 0

    class Counting(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            nonlocal visited
            visited += 1
            return super().get(key, default)

        def __iter__(self) -> object:  # type: ignore[override]  # any iteration is a scan
            raise AssertionError("scanned")

    index._root.next = Counting(index._root.next)  # type: ignore[assignment]
    assert index.match("tenant77.job.done") == [77]
    assert visited == 1
