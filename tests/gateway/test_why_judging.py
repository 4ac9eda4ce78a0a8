"""The judgement alone: each state by a table, and for whatever facts there may be an answer that makes sense."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.records import callback

from angarium.notifications import Delivery, DeliveryState, Notification, Priority, Recipients, Target
from angarium.payload import instant
from angarium.queue import Limits, Place, Whereabouts
from angarium.queue.codec import Standing
from angarium_gateway.why import judge, judge_unmatched, judge_whole
from angarium_gateway.why.facts import Around, Carrier, Facts, Finding, Kind, Last, Outlet
from angarium_gateway.why.reasons import _PLAIN, advice, in_words

NOW = 1_795_000_000_000
TARGET = Target("cbk_w", "shop/warehouse")
NOTE = Notification("not_1", "prd_shop", "shop/shop", "order.paid", b"", Priority.NORMAL, NOW - 9_000, (TARGET,))
WAITING = Delivery("not_1_0", TARGET, DeliveryState.WAITING, changed_ms=NOW - 1_000)
CALLBACK = Outlet(Kind.CALLBACK, "warehouse", "warehouse -n shop")
MAIL = Outlet(Kind.CHANNEL, "channel email", carriers=(Carrier("main"),))
GROUP = Outlet(Kind.GROUP, "group night-shift")
SEATED = Whereabouts(Place.SEATED, "normal", line=1)
PARKED = Whereabouts(Place.PARKED, "normal", NOW + 5_000, ahead=4, line=9)
DUE = Whereabouts(Place.SCHEDULED, "normal", NOW + 60_000)
FLYING = Whereabouts(Place.FLYING, "normal", holder="d-1", held_ms=2_000)
OPEN = Standing(probe=NOW + 7_000, opened=NOW - 60_000, bad=38, good=2, reason="http_503", failures=38)
AROUND = Around(NOW, frozenset({"d-1", "d-2"}))
ALONE = Around(NOW, frozenset())


def facts(**more: Any) -> Facts:
    """Of a delivery that is ready, unless said otherwise; `attempts`, `reason` and `state` are the delivery's."""
    own = {name: more.pop(name) for name in ("attempts", "reason", "state", "recipients") if name in more}
    note = {name: more.pop(name) for name in ("due_ms", "expires_ms") if name in more}
    given_: dict[str, Any] = {"outlet": CALLBACK, "whereabouts": SEATED, "around": AROUND} | more
    return Facts(replace(NOTE, **note), replace(WAITING, **own), **given_)


UNKNOWN = replace(CALLBACK, known=False)
TRIED = {"attempts": 2, "reason": "http_503"}
DEAD, REFUSED, DONE = DeliveryState.DEAD, DeliveryState.REFUSED, DeliveryState.DELIVERED
TABLE = [
    ("ready", {}, "it is ready in lane normal: it is next; 2 deliverers live", 0),
    ("ready", {"whereabouts": replace(SEATED, standing=Standing(failures=1))}, "failed last time, so few slots", 0),
    ("ready", {"whereabouts": replace(SEATED, ahead=-1, line=900)}, "far back among the 900", 0),
    ("moving", {"whereabouts": Whereabouts(Place.NOWHERE)}, "on its way", 0),
    ("no_deliverer", {"around": ALONE}, "no deliverer lives", 0),
    ("no_deliverer", {"around": ALONE, "whereabouts": FLYING, "attempts": 1}, "d-1, which is silent; no other", 0),
    ("deliverer_lost", {"whereabouts": replace(FLYING, holder="d-3"), "attempts": 1}, "d-3, which has fallen", 0),
    ("in_flight", {"whereabouts": FLYING, "attempts": 3}, "attempt 3 is being made by deliverer d-1", NOW + 13_000),
    ("in_flight", {"whereabouts": replace(FLYING, holder="")}, "(unknown)", NOW + 14_000),
    ("in_flight", {"whereabouts": FLYING, "outlet": GROUP}, "the group's members are found", 0),
    ("scheduled", {"whereabouts": DUE, "due_ms": NOW + 60_000}, "(deliverAt)", NOW + 60_000),
    ("scheduled", {"whereabouts": DUE, "due_ms": NOW + 60_000, "around": ALONE}, "(deliverAt)", NOW + 60_000),
    ("callback_deleted", {"outlet": UNKNOWN}, "was deleted", 0),
    ("config_pending", {"outlet": UNKNOWN, "around": replace(AROUND, current=False)}, "not yet", 0),
    ("callback_disabled", {"outlet": replace(CALLBACK, disabled="gone")}, "410 Gone", 0),
    ("callback_disabled", {"outlet": replace(CALLBACK, disabled="auto_disabled", api_made=True)}, "given up", 0),
    ("config_rejected", {"outlet": replace(CALLBACK, rejected_by=("d-1",))}, "(d-1)", 0),
    ("suspended", {"outlet": replace(CALLBACK, suspended=True), "whereabouts": PARKED}, "is suspended", 0),
    ("suspended", {"outlet": replace(CALLBACK, suspended=True), "whereabouts": DUE} | TRIED, "is suspended", 0),
    ("suspended", {"whereabouts": replace(PARKED, limits=Limits(most=0))}, "is suspended", 0),
    ("suspended", {"around": replace(AROUND, suspended="product shop/shop"), "whereabouts": PARKED}, "the product", 0),
    ("suspended", {"outlet": replace(MAIL, carriers=(Carrier("a", True), Carrier("b", True)))}, "suspended: a, b", 0),
    ("no_provider", {"outlet": replace(MAIL, carriers=()), "whereabouts": DUE}, "no provider", NOW + 60_000),
    ("circuit_open", {"whereabouts": replace(PARKED, standing=OPEN)}, "38 of the last 40 attempts failed", NOW + 7_000),
    ("circuit_open", {"whereabouts": replace(PARKED, standing=OPEN), "outlet": MAIL}, "channel email is", NOW + 7_000),
    ("max_in_flight", {"whereabouts": replace(PARKED, standing=Standing(in_flight=100))}, "4 of the 9 that wait", 0),
    ("rate_limited", {"whereabouts": replace(PARKED, limits=Limits(5, 1_000, 1))}, "used up for now", NOW + 5_000),
    ("rate_limited", {"whereabouts": replace(PARKED, limits=Limits(5, 1_000, 1), at_ms=-1)}, "used up for now", 0),
    ("retrying", {"whereabouts": DUE} | TRIED, "attempt 2 of 10 failed: the receiver answered 503", NOW + 60_000),
    ("retrying", {"whereabouts": replace(DUE, standing=OPEN)} | TRIED, "; the circuit is open", NOW + 60_000),
    ("late", {"whereabouts": replace(DUE, at_ms=NOW - 60_000)} | TRIED, "no deliverer has moved it", 0),
    ("sent", {"whereabouts": DUE, "outlet": MAIL, "attempts": 1, "reason": "sent"}, "has taken it", NOW + 60_000),
    ("expanding", {"whereabouts": DUE, "outlet": GROUP, "attempts": 1, "reason": "sent"}, "0 so far", NOW + 60_000),
    ("provider_limited", {"whereabouts": DUE, "outlet": replace(MAIL, carriers=(Carrier("m", False, 3.0),))},
     "the rate of provider m", NOW + 60_000),
    ("config_pending", {"whereabouts": DUE, "outlet": replace(CALLBACK, behind=("d-2",))}, "d-2", NOW + 60_000),
    ("put_off", {"whereabouts": DUE}, "could not send it yet", NOW + 60_000),
    ("dead", {"state": DEAD} | TRIED, "all 2 attempts are used up; the last time the receiver answered 503", 0),
    ("dead", {"state": DEAD, "attempts": 1, "reason": "timeout", "last": Last(1, "15 s")}, "in time (15 s)", 0),
    ("refused", {"state": REFUSED, "reason": "expired"}, "not sent before expiresAt", 0),
    ("refused", {"state": REFUSED, "reason": "fcm_quota", "last": Last(1, "slow down")}, "fcm_quota (slow down)", 0),
    ("delivered", {"state": DONE, "attempts": 2}, "by attempt 2", 0),
    ("recipients_pending", {"state": DONE, "recipients": Recipients(9, 3, 1, 1)}, "3 delivered, 2 refused, 4 wait", 0),
    ("recipients_refused", {"state": DONE, "recipients": Recipients(9, 7, 1, 1)}, "7 delivered, 2 refused", 0),
    ("delivered", {"state": DONE, "recipients": Recipients(9, 9)}, "became 9 deliveries", 0),
]  # fmt: skip


@pytest.mark.parametrize(("state", "given_", "words", "at"), TABLE)
def test_each_state(state: str, given_: dict[str, Any], words: str, at: int) -> None:
    found = judge(facts(**given_))
    assert (found.state, found.at_ms) == (state, at)
    assert words in found.because


def test_what_expires_before_its_next_attempt_is_told_so() -> None:
    found = judge(facts(whereabouts=DUE, expires_ms=NOW + 30_000, **TRIED))
    assert found.next == f"it is refused as expired (expiresAt {instant(NOW + 30_000)})"


whereabouts = st.builds(
    Whereabouts,
    st.sampled_from(Place),
    st.just("normal"),
    at_ms=st.sampled_from([-1, 0, NOW - 99_999, NOW + 5]),
    ahead=st.integers(-1, 9),
    line=st.integers(0, 9),
    holder=st.sampled_from(["", "d-1", "d-9"]),
    held_ms=st.integers(0, 9_000),
    standing=st.sampled_from([Standing(), OPEN, Standing(in_flight=100), Standing(failures=2)]),
    limits=st.builds(Limits, st.sampled_from([0, 1, 100, 1_000_000]), st.sampled_from([0, 1_000]), st.just(1)),
)
carriers = st.builds(Carrier, st.just("main"), st.booleans(), st.sampled_from([0.0, 2.0]))
outlets = st.builds(
    Outlet,
    st.sampled_from(Kind),
    st.just("warehouse"),
    st.just("warehouse -n shop"),
    known=st.booleans(),
    api_made=st.booleans(),
    suspended=st.booleans(),
    disabled=st.sampled_from(["", "gone"]),
    rejected_by=st.sampled_from([(), ("d-1",)]),
    behind=st.sampled_from([(), ("d-1",)]),
    carriers=st.lists(st.builds(Carrier, st.just("main"), st.booleans(), st.sampled_from([0.0, 2.0])), max_size=2).map(
        tuple
    ),
)
deliveries = st.builds(
    Delivery,
    st.just("not_1_0"),
    st.just(TARGET),
    st.sampled_from(DeliveryState),
    attempts=st.integers(0, 11),
    changed_ms=st.just(NOW - 1_000),
    reason=st.sampled_from(["", "sent", "http_503", "http_3xx", "http_odd", "fcm_x", *_PLAIN]),
    recipients=st.sampled_from([None, Recipients(3, 1, 1, 0)]),
)
arounds = st.builds(
    Around, st.just(NOW), st.sampled_from([frozenset(), frozenset({"d-1"})]), st.booleans(), st.booleans()
)


@given(deliveries, outlets, whereabouts, arounds, st.sampled_from([None, Last(1, "words", 503), Last(1, "words")]))
def test_whatever_the_facts_there_is_an_answer(
    delivery: Delivery, outlet: Outlet, place: Whereabouts, around: Around, last: Last | None
) -> None:
    found = judge(Facts(NOTE, delivery, outlet, place, around, last))
    assert found.because
    assert found.at_ms == 0 or found.next  # a time without what happens then helps nobody
    ended = delivery.state is not DeliveryState.WAITING
    counts = delivery.recipients
    still = delivery.state is DONE and counts is not None and counts.pending
    assert bool(found.next) == (not ended or bool(still))  # what waits goes on by itself, what has ended does not
    assert ended == (found.state in {"dead", "refused", "delivered", "recipients_refused", "recipients_pending"})
    if delivery.state in {DEAD, REFUSED}:
        assert found.do[-1] == "then try again: `angarium retry not_1`"
    if not ended and not around.deliverers:
        assert found.state in {"no_deliverer", "in_flight", "scheduled"}
    assert all(found.do)


def test_every_reason_has_words_and_advice_that_are_not_the_word_itself() -> None:
    for reason in _PLAIN:
        assert reason not in in_words(reason)
    assert in_words("http_599") == "the receiver answered 599"
    assert advice("http_429") != advice("http_500") != advice("http_3xx")
    assert advice("no such word") == ()


def test_a_whole_tells_how_many_are_where_and_what_comes_first() -> None:
    late, soon, done = (
        Finding("retrying", "a", "x", 200, ("mend",)),
        Finding("ready", "b", "y"),
        Finding("delivered", "c"),
    )
    told = judge_whole([late, late, soon, done], replace(AROUND, full=True), more=5)
    assert told.because == "9 deliveries: 2 retrying, 1 ready, 1 delivered, 5 more that are not looked at here"
    assert (told.next, told.at_ms, told.do) == ("x", 200, ("mend",))
    assert told.notes[0].startswith("storage is nearly full")
    assert judge_whole([soon], AROUND) == judge_whole([soon], AROUND, more=0)
    assert judge_whole([soon], AROUND).because == "b"


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((), "this tenant has no callbacks at all"),
        (("order.payed",), "the nearest that is subscribed to: order.payed"),
        (("order.**.x.y.z.long",), "the nearest that is subscribed to: order.**.x.y.z.long"),
        (("zebra",), "when it was accepted"),
        (("order.*",), "warehouse does so by now"),
    ],
)
def test_nobody_subscribed(events: tuple[str, ...], words: str) -> None:
    known = [callback("warehouse", *events)] if events else []
    assert judge_unmatched("order.paid", known).because.endswith(words)
