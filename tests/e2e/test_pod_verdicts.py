"""Each verdict on what the pods suffered can be seen to fail."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.chaos.audit import Stand
from tests.e2e.disturbing import Disturbance
from tests.e2e.load import Accepted, Called, Failure, Heard
from tests.e2e.pod_verdicts import Evidence, judge

from angarium.notifications import DeliveryState

COUNTED = "Redis's counters agree with the ledgers"
UNAVAILABLE = "https://angarium.dev/problems/storage-unavailable"


def good() -> Evidence:
    """Two callers, three notifications; a deliverer, a gateway and Valkey were killed, and callers saw it."""
    late = Failure(at=310.0, status=503, type=UNAVAILABLE, told="2", seconds=0.1)
    broken = Failure(at=200.5, status=0, type="", told="broken", seconds=0.0)
    first = Called(2, [Accepted(1, "not_a", 99.0, 0.01), Accepted(2, "not_b", 201.0, 0.01)], [broken], [(1, "not_a")])
    second = Called(1, [Accepted(1, "not_c", 311.0, 0.01)], [late])
    delivered = {f"dlv_{name}_0": DeliveryState.DELIVERED for name in "abc"}
    return Evidence(
        {"first": first, "second": second},
        Heard(dict.fromkeys(delivered, (312.0, 0.1)), [("dlv_a_0", 99.1, 103.2)]),
        Stand({"accepted": 3, "delivered": 3, "recovered": 4}, 0, states=delivered),
        [
            Disturbance("kill -9 of a deliverer", 100.0, 104.0, held=5),
            Disturbance("kill -9 of a gateway", 200.0, 204.0, cuts=True),
            Disturbance("kill -9 of a valkey", 300.0, 306.0, starves=True),
        ],
    )


def broken(evidence: Evidence) -> list[str]:
    """The rows that say so."""
    return [verdict.text for verdict in judge(evidence) if not verdict.kept]


def test_nothing_is_broken_where_all_went_well() -> None:
    assert broken(good()) == []


def _failing(made: Failure) -> Callable[[Evidence], Evidence]:
    def change(evidence: Evidence) -> Evidence:
        second = evidence.callers["second"]
        return replace(evidence, callers=dict(evidence.callers) | {"second": replace(second, failed=[made])})

    return change


def _hearing(*again: tuple[str, float, float], forged: int = 0, lost: str = "") -> Callable[[Evidence], Evidence]:
    def change(evidence: Evidence) -> Evidence:
        heard = {id_: what for id_, what in evidence.heard.heard.items() if id_ != lost}
        return replace(evidence, heard=Heard(heard, again or evidence.heard.again, forged=forged))

    return change


def _calling(**more: Any) -> Callable[[Evidence], Evidence]:
    def change(evidence: Evidence) -> Evidence:
        return replace(evidence, callers=dict(evidence.callers) | {"first": replace(evidence.callers["first"], **more)})

    return change


def _standing(**more: Any) -> Callable[[Evidence], Evidence]:
    return lambda evidence: replace(evidence, stand=replace(evidence.stand, **more))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_calling(begun=3), "accepted means stored"),
        (_standing(missing=["not_a"]), "accepted means stored"),
        (_hearing(lost="dlv_b_0"), "lost 0"),
        (_standing(waiting=1), COUNTED),
        (
            _standing(counters={"accepted": 4, "delivered": 3, "recovered": 4}),
            COUNTED,
        ),
        (_calling(repeated=[(1, "not_x")]), "one notification for each key"),
        (_hearing(("dlv_b_0", 201.0, 202.0)), "heard twice"),
        (_hearing(*[("dlv_a_0", 99.1, 103.2)] * 5), "heard twice"),
        (_failing(Failure(310.0, 503, UNAVAILABLE, "", 0.1)), "errors answered"),
        (_failing(Failure(310.0, 502, "", "2", 0.1)), "errors answered"),
        (_failing(Failure(250.0, 503, UNAVAILABLE, "2", 0.1)), "errors answered"),
        (_failing(Failure(310.0, 0, "", "refused", 0.1)), "connections refused or broken"),
        (_failing(Failure(200.5, 0, "", "late", 10.0)), "connections refused or broken"),
        (_hearing(forged=1), "signed"),
    ],
)
def test_each_verdict_can_fail(change: Callable[[Evidence], Evidence], text: str) -> None:
    assert broken(change(good())) == [text]


@pytest.mark.parametrize("made", [(408, "", 16.0), (0, "broken", 16.0)])
def test_callers_that_stood_still_are_told_apart(made: tuple[int, str, float]) -> None:
    status, told, seconds = made
    assert broken(_failing(Failure(250.0, status, "", told, seconds))(good())) == []
    assert broken(_failing(Failure(250.0, status, "", told, 5.0))(good())) != []


def test_what_should_not_have_been_is_shown_with_what_went_before() -> None:
    evidence = _failing(Failure(310.0, 0, "", "refused", 0.1))(good())
    (verdict,) = (each for each in judge(evidence) if not each.kept)
    last = max(evidence.disturbances, key=lambda made: made.began)
    assert f"refused {310.0 - last.began:.1f} s after {last.what} began, after 0.100 s" in verdict.measured
