"""Event names and the patterns that callbacks subscribe with.

A name is segments of letters, digits, `-` and `_`, joined by dots: `order.paid`. In a pattern `*` stands for exactly
one segment and a final `**` for the rest, one segment or more; so `order.**` takes `order.paid` and `order.paid.late`,
not `order`. A tenant may have ten thousand patterns, so the gateway asks a PatternIndex, which looks only at those
that begin as the event does.
"""

import re
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

LONGEST = 128  # characters of a name or of a pattern
NAME = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
PATTERN = r"^(([A-Za-z0-9_-]+|\*)\.)*([A-Za-z0-9_-]+|\*\*?)$"  # RE2 and re read it alike
RESERVED = "notification"  # first segment of the events by which ends of notifications are told; nobody posts them
NAME_RULE = "segments are letters, digits, - and _, joined by dots"
PATTERN_RULE = f"{NAME_RULE}; * stands for one segment, ** for the rest"

_NAME = re.compile(NAME)
_PATTERN = re.compile(PATTERN)

T = TypeVar("T", bound=Hashable)


class InvalidEvent(ValueError):
    """The text is no event name."""


class InvalidPattern(ValueError):
    """The text is no pattern of event names."""


def is_event(text: str) -> bool:
    """Whether the text is an event name."""
    return len(text) <= LONGEST and _NAME.fullmatch(text) is not None


def is_pattern(text: str) -> bool:
    """Whether the text is a pattern; each event name is one, that of itself."""
    return len(text) <= LONGEST and _PATTERN.fullmatch(text) is not None


def validate_event(name: str) -> str:
    """Return the name; raises InvalidEvent saying what is allowed."""
    if not is_event(name):
        raise InvalidEvent(f"{NAME_RULE}; {LONGEST} characters at most")
    return name


def validate_pattern(pattern: str) -> str:
    """Return the pattern; raises InvalidPattern saying what is allowed."""
    if not is_pattern(pattern):
        raise InvalidPattern(f"{PATTERN_RULE}; {LONGEST} characters at most")
    return pattern


def matches(pattern: str, event: str) -> bool:
    """Whether the pattern takes the event; both must be valid."""
    wanted, given = pattern.split("."), event.split(".")
    if wanted[-1] == "**":
        del wanted[-1]
        if len(given) <= len(wanted):
            return False
    elif len(given) != len(wanted):
        return False
    return all(want in ("*", got) for want, got in zip(wanted, given, strict=False))


class _Node(Generic[T]):
    """Where the segments so far lead; values carry their position so that answers keep the order of the pairs."""

    __slots__ = ("ending", "next", "rest", "star")

    def __init__(self) -> None:
        self.next: dict[str, _Node[T]] = {}
        self.star: _Node[T] | None = None
        self.ending: list[tuple[int, T]] = []
        self.rest: list[tuple[int, T]] = []


class PatternIndex(Generic[T]):
    """Finds the values whose patterns take an event, without looking at each.

    Names without a wildcard lie in a dict; the others in a trie by segments, so a look-up costs what matches plus the
    wildcard branches that share the event's beginning. One pair comes and goes without touching the others.
    """

    __slots__ = ("_added", "_exact", "_root")

    def __init__(self, pairs: Iterable[tuple[str, T]] = ()) -> None:
        self._exact: dict[str, list[tuple[int, T]]] = {}
        self._root: _Node[T] = _Node()
        self._added = 0
        for pattern, value in pairs:
            self.add(pattern, value)

    def add(self, pattern: str, value: T) -> None:
        """One more pair; raises InvalidPattern."""
        self._insert(validate_pattern(pattern), (self._added, value))
        self._added += 1

    def discard(self, pattern: str, value: T) -> None:
        """Take a pair out, if it is there."""
        if "*" not in pattern:
            _drop(self._exact.get(pattern, []), value)
            if pattern in self._exact and not self._exact[pattern]:
                del self._exact[pattern]
            return
        self._prune(self._root, pattern.split("."), value)

    def _prune(self, node: _Node[T], segments: list[str], value: T) -> None:
        """Take the value out below `node`, and what is empty then."""
        if not segments or segments[0] == "**":
            _drop(node.rest if segments else node.ending, value)
            return
        child = node.star if segments[0] == "*" else node.next.get(segments[0])
        if child is None:
            return
        self._prune(child, segments[1:], value)
        if not (child.next or child.star or child.ending or child.rest):
            if segments[0] == "*":
                node.star = None
            else:
                del node.next[segments[0]]

    def _insert(self, pattern: str, entry: tuple[int, T]) -> None:
        if "*" not in pattern:
            self._exact.setdefault(pattern, []).append(entry)
            return
        node = self._root
        for segment in pattern.split("."):
            if segment == "**":  # only ever the last
                node.rest.append(entry)
                return
            if segment == "*":
                node.star = node = node.star or _Node()
            else:
                node = node.next.setdefault(segment, _Node())
        node.ending.append(entry)

    def match(self, event: str) -> list[T]:
        """The values of all patterns that take the event, each once, in the order they were added."""
        found = list(self._exact.get(event, ()))
        nodes = [self._root]
        for segment in event.split("."):
            following = []
            for node in nodes:
                found += node.rest
                if node.star is not None:
                    following.append(node.star)
                if (child := node.next.get(segment)) is not None:
                    following.append(child)
            nodes = following
        for node in nodes:
            found += node.ending
        found.sort(key=_position)
        return list(dict.fromkeys([value for _, value in found]))


def _drop(entries: list[tuple[int, T]], value: T) -> None:
    entries[:] = [entry for entry in entries if entry[1] != value]


def _position(entry: tuple[int, T]) -> int:
    return entry[0]
