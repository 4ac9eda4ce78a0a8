"""The judgement: what callers, receivers and Redis say, laid side by side. Pure, so that it can be seen to fail."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.audit import Stand
from tests.chaos.plan import DELIVERERS, Fault, Kind, Order
from tests.chaos.receivers import Book

from angarium.notifications import DeliveryState

TAKEN_OVER_IN, BACK_IN = 5.0, 2.0  # s
EXPOSED = {  # how many deliverers may be thought dead because of it
    Kind.KILL_DELIVERER: 1, Kind.ROLL_DELIVERER: 1, Kind.FREEZE: 1, Kind.KILL_ALL: DELIVERERS,
    Kind.KILL_VALKEY: DELIVERERS, Kind.DROP_REPLIES: DELIVERERS, Kind.DELAY: DELIVERERS, Kind.CUT: DELIVERERS,
    Kind.TEAR: DELIVERERS, Kind.HALF_CLOSE: DELIVERERS, Kind.FULL: DELIVERERS,
}  # fmt: skip


@dataclass
class Evidence:
    """All that is known at the end. `drills`: what was measured → seconds; `duplicates_allowed`: by the plan."""

    orders: int
    ids: Mapping[int, set[str]]
    accepted: Mapping[str, Order]
    deliveries: Mapping[str, str]  # delivery id → callback
    answers: Counter[str]
    unexpected: Sequence[str]
    books: Mapping[str, Book]
    stand: Stand
    duplicates_allowed: int
    foreign_reads: Sequence[int] = ()  # statuses that another tenant's key got
    exit_codes: Sequence[tuple[str, int]] = ()
    finished: bool = True
    drills: dict[str, float] = field(default_factory=dict)
    timed: bool = True  # whether the drills' times are judged
    redis_clock_jumped: bool = False  # by which Retry-After is measured


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of the table; `promise` as docs/guarantees.md counts."""

    promise: int
    text: str
    measured: str
    kept: bool


def duplicates_allowed(faults: Iterable[Fault], slots: int) -> int:
    """The most that can have been in flight at all kills together."""
    return sum(EXPOSED.get(fault.kind, 0) * slots for fault in faults)


def judge(evidence: Evidence) -> list[Verdict]:
    """Every row, in the order of the promises."""
    rows = (
        _stored, _not_lost, _counted, _nothing_stuck, _taken_over, _clean_exits, _once, _duplicates, _undisturbed,
        _retries, _not_silent, _refusals, _separate, _alone,
    )  # fmt: skip
    return [row(evidence) for row in rows]


def _stored(e: Evidence) -> Verdict:
    unanswered = e.orders - len(e.ids)
    measured = f"{len(e.accepted):,} accepted, {len(e.stand.missing)} of them not stored, {unanswered} never accepted"
    return Verdict(1, "accepted means stored", measured, not e.stand.missing and not unanswered and e.finished)


def _not_lost(e: Evidence) -> Verdict:
    heard = {id_ for book in e.books.values() for id_ in book.accepted}
    states = e.stand.states
    lost = [id_ for id_ in e.deliveries if states.get(id_) is None]
    lost += [id_ for id_, state in states.items() if state is DeliveryState.DELIVERED and id_ not in heard]
    measured = f"{len(e.deliveries):,} deliveries, {len(heard):,} heard, {len(lost)} lost"
    return Verdict(2, "nothing is lost", measured, not lost and bool(heard))


def _counted(e: Evidence) -> Verdict:
    counters, states = e.stand.counters, Counter(e.stand.states.values())
    total = {state: counters.get(state.value, 0) for state in DeliveryState} | {DeliveryState.WAITING: e.stand.waiting}
    balanced = counters.get("accepted", 0) == sum(total.values()) == len(e.deliveries)
    agree = all(total[state] == states.get(state, 0) for state in DeliveryState)
    whole = counters.get("notifications", 0) == len(e.accepted)
    measured = f"{counters.get('accepted', 0):,} = " + " + ".join(f"{n:,} {state.value}" for state, n in total.items())
    return Verdict(2, "Redis's counters agree with the ledgers", measured, balanced and agree and whole)


def _nothing_stuck(e: Evidence) -> Verdict:
    waits = Counter(e.stand.waits.values())
    stuck = waits.pop("", 0)
    measured = f"{stuck} for no reason; " + (", ".join(f"{n} {why}" for why, n in sorted(waits.items())) or "none else")
    return Verdict(2, "what waits, waits for a reason", measured, stuck == 0)


def _taken_over(e: Evidence) -> Verdict:
    if not e.drills:
        return Verdict(2, "work of the dead goes on", "not drilled in this run", kept=True)
    limits = {name: TAKEN_OVER_IN if name.startswith("kill") else BACK_IN for name in e.drills}
    late = [name for name, seconds in e.drills.items() if "info" not in name and seconds > limits[name]]
    measured = ", ".join(f"{name}: {seconds:.2f} s" for name, seconds in e.drills.items())
    return Verdict(2, "work of the dead goes on (5 s; 2 s after a restart)", measured, not (late and e.timed))


def _once(e: Evidence) -> Verdict:
    several = sum(len(ids) != 1 for ids in e.ids.values())
    replays = e.answers["202"] - len(e.accepted)
    measured = f"{len(e.ids):,} keys, {replays} asked again, {several} with more than one notification"
    return Verdict(3, "one notification for each key", measured, several == 0)


def _duplicates(e: Evidence) -> Verdict:
    twice = sum(count - 1 for book in e.books.values() for count in book.accepted.values())
    recovered = e.stand.counters.get("recovered", 0)
    measured = f"{twice} duplicates, {recovered} recoveries counted, at most {e.duplicates_allowed} in flight at kills"
    return Verdict(
        3, "duplicates only from what was in flight", measured, twice <= min(recovered, e.duplicates_allowed)
    )


def _undisturbed(e: Evidence) -> Verdict:
    silent = sum(name == "silent" for name in e.deliveries.values())
    held_up = [id_ for id_, why in e.stand.waits.items() if not why and e.deliveries.get(id_) in ("fast", "neighbour")]
    measured = f"{silent} deliveries to a silent endpoint; {len(held_up)} of the others' held up at the end"
    return Verdict(4, "nobody waits for another's failure", measured, not held_up)


def _retries(e: Evidence) -> Verdict:
    undercut = sum(book.undercut for book in e.books.values())
    asked = sum(book.asked_to_wait for book in e.books.values())
    recovered = e.stand.counters.get("recovered", 0)
    measured = f"{len(e.stand.excessive)} beyond their policy; Retry-After {asked} times, {undercut} came sooner"
    measured += " (Redis's clock jumped)" if e.redis_clock_jumped else ""
    honest = undercut <= recovered or e.redis_clock_jumped
    return Verdict(5, "retries are bounded and honest", measured, not e.stand.excessive and honest)


def _not_silent(e: Evidence) -> Verdict:
    reasons = ", ".join(f"{n} {reason}" for reason, n in e.stand.reasons.most_common(4)) or "none ended badly"
    nameless = any("NO REASON" in reason for reason in e.stand.reasons)
    measured = f"{reasons}; {len(e.stand.unexplained)} without a timeline entry"
    return Verdict(6, "each end has its entry and its reason", measured, not e.stand.unexplained and not nameless)


def _refusals(e: Evidence) -> Verdict:
    told = ", ".join(f"{n:,} {answer}" for answer, n in sorted(e.answers.items()))
    return Verdict(7, "callers saw 202, 503 and 409 to try again, or no answer", told, not e.unexpected)


def _separate(e: Evidence) -> Verdict:
    books = e.books.values()
    strangers, forged = sum(book.strangers for book in books), sum(book.forged for book in books)
    verified, read = sum(book.verified for book in books), sum(status != 404 for status in e.foreign_reads)
    measured = (
        f"{verified:,} signatures verified, {forged} bad; {strangers} strays; {read} of {len(e.foreign_reads)} read"
    )
    return Verdict(8, "tenants don't reach each other", measured, not (strangers or forged or read) and verified > 0)


def _alone(e: Evidence) -> Verdict:
    return Verdict(9, "the control plane is not in the path", "no operator and no Kubernetes in this run", e.finished)


def _clean_exits(e: Evidence) -> Verdict:
    bad = [f"{name}: {code}" for name, code in e.exit_codes if code]
    return Verdict(
        9, "SIGTERM ends a pod well", f"{len(e.exit_codes)} asked to go; {', '.join(bad) or 'all did'}", not bad
    )
