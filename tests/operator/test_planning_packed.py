"""What lies packed comes out as it went in, takes a fraction of the room, and shows nothing of itself."""

import tracemalloc

import pytest
from tests.operator.worlds import World, callback, organization, product, provider, topic

from angarium.resources import Resource
from angarium_operator.planning import Key
from angarium_operator.planning.packed import OPEN, pack, unpack
from angarium_operator.planning.snapshot import Endpoint

WAREHOUSE = Key("callback", "shop", "warehouse")
MANY = 300


def settled(*more: Resource) -> World:
    """A shop with a callback, and what else is wanted; all of it has a status and a record."""
    world = World(product(), callback(), *more)
    world.settle()
    return world


@pytest.mark.parametrize("resource", [organization(), provider(), topic()])
def test_each_kind_comes_out_as_it_went_in(resource: Resource) -> None:
    world = settled(resource)
    for found in world.snapshot.objects.values():
        assert unpack(pack(found)) == type(found).model_validate(found.model_dump(by_alias=True)) == found
    for published in world.snapshot.published.values():
        assert unpack(pack(published.record)) == published.record


def test_who_looks_twice_gets_the_same() -> None:
    objects = settled().snapshot.objects
    assert objects[WAREHOUSE] is objects[WAREHOUSE]


def test_a_change_is_seen_at_once() -> None:
    world = settled()
    assert world.snapshot.objects[WAREHOUSE].metadata.generation == 1
    world.change(callback(spec={"events": ["invoice.*"]}))
    assert world.snapshot.objects[WAREHOUSE].metadata.generation == 2
    world.snapshot.remove(WAREHOUSE)
    assert WAREHOUSE not in world.snapshot.objects
    assert list(world.snapshot.objects) == [Key("product", "shop", "shop")]


def test_endpoints_are_those_of_the_callbacks_there_are() -> None:
    world = settled()
    assert world.snapshot.endpoints == {
        WAREHOUSE: Endpoint(world.status("callback", "warehouse").callback_id, "Unknown")
    }
    world.snapshot.remove(WAREHOUSE)
    assert world.snapshot.endpoints == {}


def test_many_objects_take_a_quarter_of_what_they_would_as_models() -> None:
    found = settled().snapshot.objects[WAREHOUSE].model_dump(by_alias=True)
    models = [type(callback()).model_validate(found | {"metadata": {"name": f"c-{n}"}}) for n in range(MANY + OPEN)]
    tracemalloc.start()
    try:
        kept = [type(each).model_validate(each.model_dump(by_alias=True)) for each in models]
        as_models = tracemalloc.get_traced_memory()[0] / len(kept)
        before = tracemalloc.get_traced_memory()[0]
        packed = [pack(each) for each in models]
        as_packed = (tracemalloc.get_traced_memory()[0] - before) / len(packed)
    finally:
        tracemalloc.stop()
    assert as_packed * 4 < as_models


def test_nothing_of_a_record_shows() -> None:
    world = settled()
    shown = repr(world.snapshot.published)
    assert "Published(revision=" in shown
    assert "warehouse.example.com" not in shown
