"""The plan can be repeated, and each verdict of a run can fail."""

from collections import Counter
from collections.abc import Callable

import pytest
from tests.chaos.audit import Stand
from tests.chaos.plan import SHOP, Fault, Kind, Order, faults, orders
from tests.chaos.receivers import Book
from tests.chaos.verdicts import Evidence, duplicates_allowed, judge

from angarium.notifications import DeliveryState

D, W, DEAD = DeliveryState.DELIVERED, DeliveryState.WAITING, DeliveryState.DEAD


def good() -> Evidence:
    """Three notifications of one delivery each: heard, due later, and dead."""
    placed = [Order(n, SHOP, "order.fast", "normal", 0.0, twice=False) for n in range(3)]
    stand = Stand(
        {"notifications": 3, "accepted": 3, "delivered": 1, "dead": 1, "recovered": 1}, 1,
        {"dlv_0_0": D, "dlv_1_0": W, "dlv_2_0": DEAD}, {"dlv_1_0": "due later"}, reasons=Counter({"fast: http_503": 1}),
    )  # fmt: skip
    book = Book(Counter({"dlv_0_0": 2, "dlv_2_0": 1}), Counter({"dlv_0_0": 1}), verified=1)
    return Evidence(
        3, {n: {f"not_{n}"} for n in range(3)}, {f"not_{n}": order for n, order in enumerate(placed)},
        {f"dlv_{n}_0": "fast" for n in range(3)}, Counter({"202": 3, "503 storage-full": 1}), [], {"fast": book}, stand,
        1, [404], [("deliverer-1", 0)], drills={"kill 1": 4.9, "restart 1": 1.9},
    )  # fmt: skip


def broken(evidence: Evidence) -> list[str]:
    return [verdict.text for verdict in judge(evidence) if not verdict.kept]


def test_what_is_good_is_kept() -> None:
    assert broken(good()) == []


def _forget(e: Evidence) -> None:
    del e.stand.states["dlv_1_0"]


def _fabricate(e: Evidence) -> None:
    e.books["fast"].accepted.clear()


def _miscount(e: Evidence) -> None:
    e.stand.counters["delivered"] = 2


def _lose_count_of_one(e: Evidence) -> None:
    e.stand.waiting = 0


def _unstore(e: Evidence) -> None:
    e.stand.missing.append("not_1")


def _never_accept(e: Evidence) -> None:
    e.orders = 4


def _get_stuck(e: Evidence) -> None:
    e.stand.waits["dlv_1_0"] = ""


def _take_over_late(e: Evidence) -> None:
    e.drills["kill 1"] = 5.1


def _restart_late(e: Evidence) -> None:
    e.drills["restart 1"] = 2.1


def _store_twice(e: Evidence) -> None:
    e.ids[1].add("not_9")


def _send_twice(e: Evidence) -> None:
    e.books["fast"].accepted["dlv_0_0"] = 3


def _send_twice_uncounted(e: Evidence) -> None:
    e.books["fast"].accepted["dlv_0_0"] = 2
    e.stand.counters["recovered"] = 0


def _insist(e: Evidence) -> None:
    e.stand.excessive.append("dlv_2_0: 99 attempts")


def _undercut(e: Evidence) -> None:
    e.books["fast"].undercut = 2


def _end_silently(e: Evidence) -> None:
    e.stand.unexplained.append("dlv_2_0")


def _end_without_reason(e: Evidence) -> None:
    e.stand.reasons["fast: NO REASON"] = 1


def _answer_500(e: Evidence) -> None:
    e.unexpected = ["500 internal"]


def _forge(e: Evidence) -> None:
    e.books["fast"].forged = 1


def _stray(e: Evidence) -> None:
    e.books["fast"].strangers = 1


def _read_anothers(e: Evidence) -> None:
    e.foreign_reads = [404, 200]


def _crash_at_the_end(e: Evidence) -> None:
    e.exit_codes = [("deliverer-1", 1)]


@pytest.mark.parametrize(
    ("damage", "promise"),
    [
        (_forget, "nothing is lost"),
        (_fabricate, "nothing is lost"),
        (_miscount, "Redis's counters agree with the ledgers"),
        (_lose_count_of_one, "Redis's counters agree with the ledgers"),
        (_unstore, "accepted means stored"),
        (_never_accept, "accepted means stored"),
        (_get_stuck, "what waits, waits for a reason"),
        (_take_over_late, "work of the dead goes on (5 s; 2 s after a restart)"),
        (_restart_late, "work of the dead goes on (5 s; 2 s after a restart)"),
        (_store_twice, "one notification for each key"),
        (_send_twice, "duplicates only from what was in flight"),
        (_send_twice_uncounted, "duplicates only from what was in flight"),
        (_get_stuck, "nobody waits for another's failure"),
        (_insist, "retries are bounded and honest"),
        (_undercut, "retries are bounded and honest"),
        (_end_silently, "each end has its entry and its reason"),
        (_end_without_reason, "each end has its entry and its reason"),
        (_answer_500, "callers saw 202, 503 and 409 to try again, or no answer"),
        (_forge, "tenants don't reach each other"),
        (_stray, "tenants don't reach each other"),
        (_read_anothers, "tenants don't reach each other"),
        (_crash_at_the_end, "SIGTERM ends a pod well"),
    ],
)
def test_each_verdict_can_fail(damage: Callable[[Evidence], None], promise: str) -> None:
    evidence = good()
    damage(evidence)
    assert promise in broken(evidence)


def test_times_are_not_judged_where_they_were_not_asked_for() -> None:
    evidence = good()
    _take_over_late(evidence)
    evidence.timed = False
    assert broken(evidence) == []


def test_a_seed_repeats_the_plan() -> None:
    assert faults(7, 5000) == faults(7, 5000) != faults(8, 5000)
    assert list(orders(7, 100)) == list(orders(7, 100)) != list(orders(8, 100))
    assert {fault.kind for fault in faults(7, 50_000)} == set(Kind)
    assert all(0 < fault.at < 5000 for fault in faults(7, 5000))


def test_only_faults_that_may_silence_a_deliverer_allow_duplicates() -> None:
    assert duplicates_allowed([Fault(1, Kind.KILL_GATEWAY), Fault(1, Kind.CLOCK)], 64) == 0
    assert duplicates_allowed([Fault(1, Kind.KILL_DELIVERER), Fault(1, Kind.KILL_ALL)], 64) == 256
