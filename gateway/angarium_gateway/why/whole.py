"""A notification as a whole: one answer from what was found of its deliveries, or why nobody heard of it. No I/O."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from angarium.patterns import matches
from angarium.records import CallbackRecord
from angarium_gateway.why.facts import Around, Finding

MOST_DO = 5
NEAR = 3  # patterns that are named where nobody subscribes
FULL = "storage is nearly full: gateways accept nothing new, groups are not expanded; what is accepted goes on"


@dataclass(frozen=True, slots=True)
class Whole:
    """`notes` hold for all of it, whatever the cause."""

    because: str
    next: str = ""
    at_ms: int = 0
    do: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def judge_whole(findings: Sequence[Finding], around: Around, more: int = 0) -> Whole:
    """Of at least one delivery; `more` were not looked at."""
    notes = (FULL,) if around.full else ()
    if len(findings) == 1 and not more:
        [only] = findings
        return Whole(only.because, only.next, only.at_ms, only.do, notes)
    counts = Counter(each.state for each in findings)
    told = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in counts.most_common())
    beyond = f", {more:,} more that are not looked at here" if more else ""
    coming = min((each for each in findings if each.at_ms), key=lambda each: each.at_ms, default=None)
    coming = coming or next((each for each in findings if each.next), None)
    steps = tuple(dict.fromkeys(step for each in findings for step in each.do))[:MOST_DO]
    told = f"{len(findings) + more:,} deliveries: {told}{beyond}"
    return Whole(told, coming.next if coming else "", coming.at_ms if coming else 0, steps, notes)


def judge_unmatched(event: str, callbacks: Iterable[CallbackRecord]) -> Whole:
    """Nobody subscribed when it was accepted; `callbacks` are the tenant's as they are now."""
    known = list(callbacks)
    taking = [each for each in known if any(matches(pattern, event) for pattern in each.events)]
    disabled = [each.name for each in taking if each.disabled]
    told = f"no callback that was active subscribed to {event} when it was accepted"
    if disabled:
        return Whole(f"{told}; {', '.join(disabled)} would, but is disabled", do=("enable it, then post again",))
    if taking:
        names = ", ".join(each.name for each in taking[:NEAR])
        return Whole(f"{told}; {names} does so by now", do=("post it again: it is stored without deliveries",))
    if not known:
        return Whole(
            f"{told}; this tenant has no callbacks at all", do=("make a Callback that has it among its events",)
        )
    near = _near(event, {pattern for each in known for pattern in each.events})
    hint = f"; the nearest that is subscribed to: {', '.join(near)}" if near else ""
    return Whole(
        f"{told}{hint}", do=("see that the name is spelt as the callbacks' events are: `angarium callbacks list`",)
    )


def _near(event: str, patterns: set[str]) -> list[str]:
    alike = difflib.get_close_matches(event, sorted(patterns), n=NEAR, cutoff=0.5)
    first = event.split(".", maxsplit=1)[0]
    return alike or sorted(each for each in patterns if each.split(".")[0] == first)[:NEAR]
