"""What tools that wait see: kstatus tells what is done, what is on its way and what is stuck, for every kind."""

import pytest
from tests.contract.kstatus import kstatus
from tests.operator.circumstances import CIRCUMSTANCES, Circumstance, manifest
from tests.operator.worlds import World, callback, product

from angarium_operator.kinds import RESOURCES
from angarium_operator.planning.progress import ENDS


@pytest.mark.parametrize("case", CIRCUMSTANCES, ids=str)
def test_kstatus_can_tell(case: Circumstance) -> None:
    found = case.object()
    conditions = {each["type"]: each for each in found["status"].get("conditions", ())}
    [end, *_] = [each["reason"] for name, each in conditions.items() if name in ENDS] or [""]
    assert end in (case.reason, "Ready")
    assert kstatus(found) == case.kstatus


@pytest.mark.parametrize("case", CIRCUMSTANCES, ids=str)
def test_both_are_there_only_while_they_are_true_and_never_together(case: Circumstance) -> None:
    conditions = {each["type"]: each for each in case.object()["status"].get("conditions", ())}
    told = conditions.keys() & {"Reconciling", "Stalled"}
    ready = all(each["status"] == "True" for name, each in conditions.items() if name in ENDS)
    assert len(told) == (0 if ready else 1)
    assert {conditions[type_]["status"] for type_ in told} <= {"True"}
    assert {each["observedGeneration"] for each in conditions.values()} <= {1}


def test_every_kind_is_seen_ready() -> None:
    ready = {case.of[0] for case in CIRCUMSTANCES if case.kstatus == "Current"}
    assert ready == {*RESOURCES}


def test_what_stood_in_the_way_is_taken_back_with_it() -> None:
    world = World(product(), callback(spec={"url": "http://10.0.0.7/hooks"}))
    assert "AddressRefused" in world.settle()
    assert kstatus(manifest(world, "callback", "warehouse")) == "Failed"
    world.change(callback())
    world.settle()
    assert {each.type for each in world.status("callback", "warehouse").conditions} & {
        "Stalled",
        "Reconciling",
    } == set()
    assert kstatus(manifest(world, "callback", "warehouse")) == "Current"


def test_no_events_are_posted_of_it() -> None:
    world = World(callback())
    assert world.settle() == ["ProductNotFound"]
