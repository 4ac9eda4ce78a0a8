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
    wildcard branches that share the event's beginning.
    """

    __slots__ = ("_exact", "_root")

    def __init__(self, pairs: Iterable[tuple[str, T]]) -> None:
        self._exact: dict[str, list[tuple[int, T]]] = {}
        self._root: _Node[T] = _Node()
        for position, (pattern, value) in enumerate(pairs):
            self._add(validate_pattern(pattern), (position, value))

    def _add(self, pattern: str, entry: tuple[int, T]) -> None:
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
        """The values of all patterns that take the event, each once, in the order of the pairs."""
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


def _position(entry: tuple[int, T]) -> int:
    return entry[0]
