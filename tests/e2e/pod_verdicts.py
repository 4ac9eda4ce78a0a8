"""What callers, receiver and Redis say after the pods suffered, side by side. Pure, so that it can be seen to fail."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.audit import Stand
from tests.e2e.disturbing import Disturbance
from tests.e2e.load import Called, Failure, Heard

from angarium.notifications import DeliveryState

SLACK = 8.0  # s until gateways have found a Valkey that is ready again (DNS remembers for 5 s that there was none)
CLOCKS = 0.5  # s by which the clocks of runner and node may differ
BROKEN = {"refused", "broken"}
SHOWN = 5  # of what should not have been
WAITED_FOR = 15.0  # s that a gateway waits for a request whose caller has begun it; callers give up waiting after 10 s


@dataclass(frozen=True)
class Evidence:
    """All that is known at the end."""

    callers: Mapping[str, Called]
    heard: Heard
    stand: Stand
    disturbances: Sequence[Disturbance]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of the table."""

    text: str
    measured: str
    kept: bool

    def __str__(self) -> str:
        return f"| {self.text} | {self.measured} | {'kept' if self.kept else 'BROKEN'} |"


def judge(evidence: Evidence) -> list[Verdict]:
    """Every row."""
    return [row(evidence) for row in (_stored, _lost, _counted, _once, _duplicates, _answers, _connections, _signed)]


def _ids(e: Evidence) -> list[str]:
    return [each.id for called in e.callers.values() for each in called.accepted]


def _failures(e: Evidence) -> list[Failure]:
    return [each for called in e.callers.values() for each in called.failed]


def overslept(failure: Failure) -> bool:
    """Whether the caller itself stood still while it sent, as on a machine that has too much to do: it neither gave up
    nor sent the rest before the gateway left it, as it leaves any (408, or no answer where the head was not there)."""
    return failure.seconds > WAITED_FOR and (failure.status == 408 or failure.told == "broken")


def delivery_of(notification: str) -> str:
    """Its only one."""
    return f"dlv_{notification.removeprefix('not_')}_0"


def _stored(e: Evidence) -> Verdict:
    begun = sum(called.begun for called in e.callers.values())
    ids = _ids(e)
    measured = f"{begun:,} posted, {begun - len(ids)} never accepted, {len(e.stand.missing)} not stored"
    return Verdict("accepted means stored", measured, len(ids) == begun > 0 and not e.stand.missing)


def _lost(e: Evidence) -> Verdict:
    wanted = {delivery_of(id_) for id_ in _ids(e)}
    lost = wanted - set(e.heard.heard)
    strangers = set(e.heard.heard) - wanted
    measured = f"{len(wanted):,} deliveries, {len(e.heard.heard):,} heard, {len(lost)} lost"
    measured += f", {len(strangers)} heard that nobody accepted" if strangers else ""
    return Verdict("lost 0", measured, not lost and not strangers)


def _counted(e: Evidence) -> Verdict:
    counters, states = e.stand.counters, Counter(e.stand.states.values())
    accepted, delivered = counters.get("accepted", 0), counters.get("delivered", 0)
    agree = accepted == delivered == states[DeliveryState.DELIVERED] == len(e.stand.states) == len(_ids(e))
    measured = f"{accepted:,} accepted, {delivered:,} delivered, {e.stand.waiting} waiting"
    return Verdict("Redis's counters agree with the ledgers", measured, agree and not e.stand.waiting)


def _once(e: Evidence) -> Verdict:
    told = {(name, each.number): each.id for name, called in e.callers.items() for each in called.accepted}
    asked = [((name, number), id_) for name, called in e.callers.items() for number, id_ in called.repeated]
    other = sum(told[key] != id_ for key, id_ in asked)
    double = len(told) - len(set(told.values()))
    measured = f"{len(told):,} keys, {len(asked):,} asked again, {other + double} with another notification"
    return Verdict("one notification for each key", measured, not other and not double)


def _duplicates(e: Evidence) -> Verdict:
    """Each was in flight with a deliverer that was killed: answered before, begun again (which Redis counts) after."""
    kills = [made for made in e.disturbances if made.held is not None]
    apart = [id_ for id_, first, then in e.heard.again if not any(_spans(made, first, then) for made in kills)]
    recovered = e.stand.counters.get("recovered", 0)
    measured = f"{len(e.heard.again)} of {recovered} begun again, after {len(kills)} kills of deliverers"
    measured += f"; {len(apart)} at no kill" if apart else ""
    return Verdict("heard twice", measured, not apart and len(e.heard.again) <= recovered)


def _spans(made: Disturbance, first: float, then: float) -> bool:
    return first <= made.over and then >= made.began - CLOCKS


def _answers(e: Evidence) -> Verdict:
    told = [each for each in _failures(e) if each.status and not overslept(each)]
    mute = [each for each in told if each.status != 503 or not each.told.isdecimal()]
    outside = [each for each in told if not _within(each, [made for made in e.disturbances if made.starves])]
    kinds = ", ".join(f"{n:,} × {kind}" for kind, n in Counter(each.kind for each in told).items()) or "none"
    measured = f"{kinds}; {len(mute)} without Retry-After or other than 503, {len(outside)} while a Valkey lived"
    measured += _shown(e, {*mute, *outside})
    return Verdict("errors answered", measured, not mute and not outside)


def _connections(e: Evidence) -> Verdict:
    told = [each for each in _failures(e) if not each.status and not overslept(each)]
    cuts = [made for made in e.disturbances if made.cuts]
    outside = [each for each in told if each.told not in BROKEN or not _within(each, cuts)]
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in Counter(each.kind for each in told).items()) or "none"
    measured = f"{kinds}; {len(outside)} but with a gateway that was killed (-9)"
    slept = sum(overslept(each) for each in _failures(e))
    measured += f"; {slept} requests left whose callers stood still for over 15 s" if slept else ""
    measured += _shown(e, outside)
    return Verdict("connections refused or broken", measured, not outside)


def _shown(e: Evidence, failures: Iterable[Failure]) -> str:
    """The first of these, with what had been done to the pods before: where to look."""
    shown = []
    for each in sorted(failures)[:SHOWN]:
        made = next((made for made in reversed(e.disturbances) if made.began <= each.at), None)
        when = f" {each.at - made.began:.1f} s after {made.what} began" if made else " before all"
        shown.append(f"{each.kind}{when}, after {each.seconds:.3f} s")
    return "".join(f"; {text}" for text in shown)


def _within(failure: Failure, disturbances: Sequence[Disturbance]) -> bool:
    """Whether it overlaps with one of these."""
    end = failure.at + failure.seconds
    return any(end >= made.began - CLOCKS and failure.at <= made.over + SLACK for made in disturbances)


def _signed(e: Evidence) -> Verdict:
    measured = f"{e.heard.verified:,} signatures verified, {e.heard.forged} bad"
    return Verdict("signed", measured, e.heard.verified > 0 and not e.heard.forged)


def seen_during(evidence: Evidence, made: Disturbance) -> str:
    """What callers met from its beginning to that of the next, and for how long; for the report."""
    after = [other.began for other in evidence.disturbances if other.began > made.began]
    until = min(after, default=float("inf"))
    met = [each for each in _failures(evidence) if made.began - CLOCKS <= each.at + each.seconds < until - CLOCKS]
    if not met:
        return "no error"
    kinds = ", ".join(f"{n:,} × {kind}" for kind, n in Counter(each.kind for each in met).items())
    first, last = min(each.at for each in met), max(each.at + each.seconds for each in met)
    return f"{kinds}, within {last - first:.1f} s"
