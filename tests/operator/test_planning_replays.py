"""Plans for replays: whom they are for, when they go on, and what is said of them."""

from datetime import timedelta
from typing import Any

import pytest
from tests.operator.worlds import NOW, World, callback, organization, product, replay

from angarium.identifiers import resource_id
from angarium.notifications import DeliveryState
from angarium.queue.replays import DELIVERED, FAILED
from angarium_operator.planning import Key
from angarium_operator.planning.orders import ReplayOrder, ReplayProgress
from angarium_operator.planning.plan import plan

OUTAGE = Key("replay", "shop", "outage")
ID = resource_id("rpl", "uid-outage")


def id_of(name: str) -> str:
    """A callback's."""
    return resource_id("cbk", f"uid-{name}")


def world(spec: dict[str, Any] | None = None, *more: Any, **meta: Any) -> World:
    """A shop with two callbacks, one of them an organization's, and a replay."""
    made = World(
        product(spec={"quotas": {"backlog": 1000}, "allowedNamespaces": {"from": "All"}}),
        organization(),
        callback(),
        callback("acme-hooks", {"productRef": None, "organizationRef": {"name": "acme"}}),
        *more,
        replay(spec=spec, **meta),
    )
    made.settle()
    return made


def order(made: World, key: Key = OUTAGE) -> ReplayOrder:
    """What the loop is to do."""
    ordered = plan(made.snapshot, key, made.now).order
    assert isinstance(ordered, ReplayOrder)
    return ordered


def progress(made: World, state: Any, *counts: int) -> None:
    """What the loop told."""
    made.snapshot.put_progress(OUTAGE, ReplayProgress(ID, state, *counts))
    made.settle()


def test_it_is_for_all_callbacks_and_tenants_of_the_product() -> None:
    made = world()
    ordered = order(made)
    wish = ordered.wish
    assert wish.id == ID
    assert wish.selection.callbacks == {id_of("warehouse"), id_of("acme-hooks")}
    assert wish.selection.states == FAILED
    assert wish.tenants == tuple(sorted([resource_id("prd", "uid-shop"), resource_id("org", "uid-acme")]))
    assert (wish.entry, wish.reference) == (b'{"type":"redrive","by":"replay/outage"}', "")
    assert (wish.selection.since_ms, wish.selection.until_ms) == (0, round(NOW.timestamp() * 1000))
    assert (ordered.per_second, ordered.most_waiting) == (50, {resource_id("prd", "uid-shop"): 500})
    assert made.verdict("replay", "outage", "Complete")[:2] == ("Unknown", "Pending")


def test_it_is_for_what_is_chosen() -> None:
    selected = {
        "deliveries": "All", "callbackRefs": [{"name": "warehouse"}], "events": ["order.*"], "since": "6h",
        "until": "2026-11-21T11:00:00Z",
    }  # fmt: skip
    selection = order(world({"select": selected, "webhookID": "New", "deliveriesPerSecond": 7})).wish.selection
    assert selection.callbacks == {id_of("warehouse")}
    assert selection.states == FAILED | DELIVERED == set(DeliveryState) - {DeliveryState.WAITING}
    hour = 3_600_000
    now = round(NOW.timestamp() * 1000)
    assert (selection.since_ms, selection.until_ms, selection.events) == (now - 6 * hour, now - hour, ("order.*",))


def test_another_webhook_id_is_another_for_each_replay() -> None:
    made = world({"webhookID": "New"}, replay("second", {"webhookID": "New"}))
    first, second = order(made).wish.reference, order(made, Key("replay", "shop", "second")).wish.reference
    assert first != second
    assert first.isalnum()


def test_elsewhere_it_is_for_the_callbacks_of_its_own_namespace() -> None:
    theirs = callback("theirs", {"productRef": {"name": "shop", "namespace": "shop"}}, namespace="guest")
    guest = replay("guest", {"productRef": {"name": "shop", "namespace": "shop"}}, namespace="guest")
    made = world(None, theirs, guest)
    assert order(made, Key("replay", "guest", "guest")).wish.selection.callbacks == {id_of("theirs")}
    assert id_of("theirs") in order(made).wish.selection.callbacks


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"productRef": {"name": "nowhere"}}, "ProductNotFound"),
        ({"select": {"callbackRefs": [{"name": "nowhere"}]}}, "CallbackNotFound"),
        ({"select": {"callbackRefs": [{"name": "other"}]}}, "CallbackOfAnother"),
    ],
)
def test_what_it_refers_to_must_be_there(spec: dict[str, Any], reason: str) -> None:
    made = world(spec, product("other-shop"), callback("other", {"productRef": {"name": "other-shop"}}))
    assert made.verdict("replay", "outage", "ResolvedRefs")[1] == reason
    assert made.verdict("replay", "outage", "Complete")[:2] == ("Unknown", "Pending")
    assert made.plan("replay", "outage").order is None


def test_a_guest_chooses_no_others_callbacks() -> None:
    spec = {
        "productRef": {"name": "shop", "namespace": "shop"},
        "select": {"callbackRefs": [{"name": "warehouse", "namespace": "shop"}]},
    }
    made = world(None, replay("guest", spec, namespace="guest"))
    assert made.verdict("replay", "guest", "ResolvedRefs", "guest")[1] == "CallbackNotAllowed"


def test_it_stops_while_it_is_suspended_and_goes_on() -> None:
    made = world({"suspend": True})
    assert made.plan("replay", "outage").order is None
    assert made.verdict("replay", "outage", "Complete")[1] == "Suspended"
    made.snapshot.put(replay(spec={"suspend": False}, generation=2))
    assert made.plan("replay", "outage").order is not None


def test_progress_is_told_and_the_end_is_final() -> None:
    made = world()
    progress(made, "Counting", 10, 0, 1)
    assert made.verdict("replay", "outage", "Complete")[:2] == ("Unknown", "Counting")
    progress(made, "BacklogFull", 40, 4, 1)
    assert "4 of 40 are back in line" in made.verdict("replay", "outage", "Complete")[2]
    progress(made, "Completed", 40, 40, 1)
    status = made.status("replay", "outage")
    assert made.verdict("replay", "outage", "Complete") == (
        "True", "Completed", "40 of 40 deliveries went back in line; 1 more were left out",
    )  # fmt: skip
    assert (status.matched, status.redriven, status.left_out) == (40, 40, 1)
    assert status.start_time == status.completion_time == NOW
    made.snapshot.progress.clear()
    made.snapshot.remove(Key("product", "shop", "shop"))
    finished = made.plan("replay", "outage")
    assert finished.empty
    assert finished.order is None


def test_the_progress_of_one_that_had_its_name_is_not_its_own() -> None:
    made = world()
    progress(made, "Completed", 40, 40, 0)
    made.snapshot.put(replay(uid="uid-another").model_copy(update={"status": made.status("replay", "outage")}))
    made.settle()
    assert made.plan("replay", "outage").order is not None
    assert made.status("replay", "outage").redriven is None


def test_it_waits_for_a_callback_that_is_not_published_yet() -> None:
    made = world({"select": {"callbackRefs": [{"name": "warehouse"}]}})
    published = made.snapshot.published.pop(Key("callback", "shop", "warehouse"))
    waits = made.plan("replay", "outage")
    assert (waits.order, waits.look_again) == (None, NOW + timedelta(seconds=1))
    assert waits.status is not None
    assert waits.status["conditions"][-1]["reason"] == "CallbackNotReady"
    made.snapshot.published[Key("callback", "shop", "warehouse")] = published
    assert made.plan("replay", "outage").order is not None


def test_a_dry_run_says_so() -> None:
    made = world({"dryRun": True})
    assert order(made).wish.dry_run
    progress(made, "Completed", 40, 0, 0)
    assert made.verdict("replay", "outage", "Complete") == ("True", "DryRun", "40 deliveries match")


def test_it_is_deleted_when_its_time_is_over() -> None:
    made = world({"ttlSecondsAfterFinished": 60})
    progress(made, "Completed", 1, 1, 0)
    waits = made.plan("replay", "outage")
    assert (waits.delete, waits.look_again) == (False, NOW + timedelta(seconds=60))
    made.now = NOW + timedelta(seconds=60)
    assert made.plan("replay", "outage").delete


def test_disabled_callbacks_are_left_out() -> None:
    made = world()
    key = Key("callback", "shop", "warehouse")
    published = made.snapshot.published[key]
    gone = published.record.model_copy(update={"disabled": "gone"})
    made.snapshot.published[key] = type(published).of(published.revision, gone, published)
    assert order(made).wish.selection.disabled == {id_of("warehouse")}
