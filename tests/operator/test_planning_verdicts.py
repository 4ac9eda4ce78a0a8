"""Conditions: what is said of an object, when it changes, and in which words."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from tests.operator.worlds import NOW, World, callback, organization, product

from angarium.config import Applied, Pod
from angarium.identifiers import resource_id
from angarium.records import CallbackRecord
from angarium.resources import CallbackStatus, ObjectMeta
from angarium_operator.planning import Broken, DataPlane, Key
from angarium_operator.planning.addresses import refusal
from angarium_operator.planning.snapshot import SecretName

WAREHOUSE = Key("callback", "shop", "warehouse")
WAREHOUSE_ID = resource_id("cbk", "uid-warehouse")
EPOCH = "e1"


def settled() -> World:
    """A shop with a callback, all Ready."""
    world = World(product(), callback())
    world.settle()
    return world


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("organization", 'organization "acme" does not exist in namespace "shop"'),
        ("product", 'product "shop" does not exist in namespace "shop"'),
    ],
)
def test_what_a_callback_of_an_organization_misses(missing: str, words: str) -> None:
    spec = {"organizationRef": {"name": "acme"}, "productRef": None}
    world = World(callback(spec=spec), *([organization()] if missing == "product" else []))
    world.settle()
    assert world.verdict("callback", "warehouse", "ResolvedRefs")[2] == words
    assert world.verdict("callback", "warehouse", "Ready")[1] == f"{missing.capitalize()}NotFound"


@pytest.mark.parametrize(
    ("allowed", "labels", "admitted"),
    [
        ({}, {}, False),
        ({"from": "Same"}, {}, False),
        ({"from": "All"}, {}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, {"team": "a"}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, {"team": "b"}, False),
    ],
)
def test_a_product_admits_namespaces(allowed: dict[str, Any], labels: dict[str, str], admitted: bool) -> None:
    reference = {"productRef": {"name": "shop", "namespace": "shop"}}
    world = World(product(spec={"allowedNamespaces": allowed}), callback(spec=reference, namespace="other"))
    world.snapshot.put_namespace("other", labels)
    planned = world.plan("callback", "warehouse", "other")
    assert (planned.record is not None) is admitted


def test_a_namespace_with_other_labels_is_looked_at_again() -> None:
    reference = {"productRef": {"name": "shop", "namespace": "shop"}}
    world = World(product(), callback(spec=reference, namespace="other"), callback("own"))
    assert world.snapshot.put_namespace("other", {"team": "a"}) == {Key("callback", "other", "warehouse")}
    assert world.snapshot.put_namespace("other", {"team": "a"}) == set()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://10.0.0.7/hooks", "10.0.0.7 is a private address; use serviceRef, or allow it in egress.allowedCIDRs"),
        ("http://127.0.0.1:8080/", "127.0.0.1 is a loopback address"),
        ("http://169.254.169.254/latest", "169.254.169.254 is a cloud metadata address"),
        ("http://[::ffff:10.0.0.7]/", "10.0.0.7 is a private address"),
        ("http://[fd00::1]/", "fd00::1 is a private address"),
        ("http://0.0.0.0/", "0.0.0.0 is an unspecified address"),
    ],
)
def test_addresses_that_are_refused(url: str, words: str) -> None:
    assert words in (refusal(url, ()) or "")


@pytest.mark.parametrize("url", ["https://example.com", "http://93.184.215.14/", "http://[2606:2800::1]/"])
def test_addresses_that_are_not(url: str) -> None:
    assert refusal(url, ()) is None


def test_an_allowed_network_is_accepted() -> None:
    assert refusal("http://10.0.0.7/", (ip_network("10.0.0.0/24"),)) is None


def test_a_refused_address_leaves_the_last_good_record() -> None:
    world = settled()
    before = world.snapshot.published[WAREHOUSE]
    world.change(callback(spec={"url": "http://10.0.0.7/"}))
    assert "AddressRefused" in world.settle()
    assert world.snapshot.published[WAREHOUSE] == before
    assert world.verdict("callback", "warehouse", "Ready")[:2] == ("False", "AddressRefused")


def test_a_transition_time_moves_only_with_its_status() -> None:
    world = settled()
    world.pass_time(hours=1)
    world.change(callback(spec={"suspend": True}))
    world.settle()
    times = {c.type: c.last_transition_time for c in world.status("callback", "warehouse").conditions}
    assert times["Accepted"] == NOW
    assert times["Programmed"] == NOW + timedelta(hours=1)
    assert {c.observed_generation for c in world.status("callback", "warehouse").conditions} == {2}


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([], ("DataPlaneUnavailable", "no gateway is alive")),
        ([("gateway", EPOCH, 99)], ("DataPlaneUnavailable", "no deliverer is alive")),
        ([("gateway", EPOCH, 99), ("deliverer", EPOCH, 99)], ("Programmed", "")),
        ([("gateway", EPOCH, 99), ("gateway", EPOCH, 0), ("deliverer", EPOCH, 99)], ("Pending", "")),
        ([("gateway", EPOCH, 99), ("deliverer", "another", 99)], ("Pending", "")),
        ([("gateway", EPOCH, 99), ("gateway", "", 0), ("deliverer", EPOCH, 99)], ("Programmed", "")),
    ],
)
def test_programmed_is_what_all_live_pods_have_applied(
    pods: list[tuple[str, str, int]], expected: tuple[str, str]
) -> None:
    world = World(product())
    live = [Pod(role, f"p{n}", Applied(epoch, revision)) for n, (role, epoch, revision) in enumerate(pods)]
    world.snapshot.plane = DataPlane.of(live, EPOCH)
    world.settle()
    _, reason, message = world.verdict("product", "shop", "Programmed")
    assert reason == expected[0]
    assert expected[1] in message


def test_a_record_that_a_pod_cannot_read_is_named() -> None:
    world = settled()
    rejecting = Pod("deliverer", "d-1", Applied(EPOCH, 99, (str(WAREHOUSE),)))
    world.snapshot.plane = DataPlane.of([Pod("gateway", "g-1", Applied(EPOCH, 99)), rejecting], EPOCH)
    assert world.settle() == ["Rejected"]
    assert "deliverer d-1" in world.verdict("callback", "warehouse", "Programmed")[2]


def test_a_pod_that_is_away_for_a_moment_changes_nothing() -> None:
    world = settled()
    away = DataPlane({"gateway": 1 << 40}, doubted_until=world.now + timedelta(seconds=10))
    world.snapshot.plane = away
    assert world.plan("product", "shop").empty
    world.pass_time(seconds=10)
    world.settle()
    assert world.verdict("product", "shop", "Ready")[1] == "DataPlaneUnavailable"


def test_a_changed_spec_is_not_programmed_even_in_doubt() -> None:
    world = settled()
    world.snapshot.plane = DataPlane({"gateway": 0, "deliverer": 0}, doubted_until=world.now + timedelta(seconds=10))
    world.change(callback(spec={"suspend": True}))
    world.settle()
    assert world.verdict("callback", "warehouse", "Programmed")[:2] == ("False", "Pending")


def test_what_is_deleted_is_withdrawn_even_while_somebody_holds_it() -> None:
    world = settled()
    world.snapshot.put(callback(deletionTimestamp="2026-11-21T12:00:00Z"))
    planned = world.plan("callback", "warehouse")
    assert planned.withdraw
    assert planned.secret is None
    assert planned.status is None


def test_what_can_no_longer_be_read_keeps_its_record() -> None:
    world = settled()
    meta = ObjectMeta(name="warehouse", namespace="shop", uid="uid-warehouse", generation=2)
    world.snapshot.put_broken(WAREHOUSE, Broken(meta, CallbackStatus(), "spec.events: too many"))
    planned = world.plan("callback", "warehouse")
    assert planned.status is not None
    assert not planned.withdraw
    assert planned.status["conditions"][0]["message"] == "spec.events: too many"


def test_a_foreign_secret_is_a_conflict_that_is_looked_at_again() -> None:
    world = World(product())
    world.snapshot.foreign.add(SecretName("shop", "shop-angarium"))
    assert world.settle() == ["SecretConflict"]
    planned = world.plan("product", "shop")
    assert planned.recheck == "shop-angarium"
    assert planned.look_again is not None
    world.snapshot.foreign.clear()
    world.settle()
    assert world.verdict("product", "shop", "Ready")[0] == "True"


def test_the_secret_of_a_former_object_of_that_name_is_waited_for() -> None:
    world = World(product())
    world.write("shop-angarium", {}, "another-uid", owner_names=(("Product", "shop"),))
    world.settle()
    assert world.verdict("product", "shop", "CredentialsReady")[1] == "Pending"


def _record(world: World) -> CallbackRecord:
    record = world.snapshot.published[WAREHOUSE].record
    assert isinstance(record, CallbackRecord)
    return record


def test_what_a_callback_leaves_open_follows_its_product() -> None:
    retry = {"schedule": ["1s", "2s"], "nonRetryableStatuses": [404]}
    world = World(product(spec={"delivery": {"timeout": "9s", "retry": retry, "maxInFlight": 7}}), callback())
    world.settle()
    record = _record(world)
    assert (record.timeout_s, record.retry_schedule_s, record.non_retryable_statuses) == (9, (1, 2), (404,))
    assert (record.max_in_flight, record.rate_requests, record.rate_period_s) == (7, None, 1)
    limits = {"maxInFlight": 20, "rateLimit": {"requests": 50, "period": "1m"}}
    world.change(callback(spec={"delivery": {"timeout": "3s", "retry": {"schedule": []}} | limits}))
    world.settle()
    record = _record(world)
    assert (record.timeout_s, record.retry_schedule_s, record.non_retryable_statuses) == (3, (), (404,))
    assert (record.max_in_flight, record.rate_requests, record.rate_period_s) == (20, 50, 60)


@pytest.mark.parametrize(("durability", "replicated"), [("Standard", False), ("Replicated", True)])
def test_durability_is_the_products_and_its_organizations(durability: str, replicated: bool) -> None:
    world = World(product(spec={"delivery": {"durability": durability}}), organization())
    world.settle()
    assert [getattr(each.record, "replicated") for each in world.snapshot.published.values()] == [replicated] * 2  # noqa: B009 - of both kinds


def test_a_change_of_the_product_concerns_its_callbacks_and_its_status_does_not() -> None:
    world = World(product(), organization(), callback())
    world.snapshot.put(callback("orders", {"organizationRef": {"name": "acme"}, "productRef": None}))
    shop = world.snapshot.objects[Key("product", "shop", "shop")]
    assert world.snapshot.put(shop) == {Key("product", "shop", "shop")}
    later = shop.model_copy(update={"metadata": shop.metadata.model_copy(update={"generation": 2})})
    assert {key.name for key in world.snapshot.put(later)} == {"shop", "acme", "warehouse", "orders"}


def test_private_addresses_can_be_let_through_as_a_whole() -> None:
    world = World(product(), callback(spec={"url": "http://10.0.0.7/"}))
    world.snapshot.policy = replace(world.snapshot.policy, allow_private=True)
    world.settle()
    assert world.verdict("callback", "warehouse", "Accepted")[0] == "True"


def test_a_product_that_is_being_deleted_is_no_longer_there() -> None:
    world = settled()
    world.snapshot.put(product(deletionTimestamp="2026-11-21T12:00:00Z"))
    assert world.plan("callback", "warehouse").withdraw
    assert world.plan("product", "shop").withdraw


def test_a_secret_of_another_object_is_a_conflict() -> None:
    world = World(product())
    world.write("shop-angarium", {}, "another-uid", owner_names=(("Product", "other"),))
    assert world.settle() == ["SecretConflict"]


def test_what_is_published_of_a_former_object_is_withdrawn_where_nothing_can_be_signed() -> None:
    world = settled()
    world.snapshot.put(callback(uid="another"))
    assert world.plan("callback", "warehouse").withdraw


def test_nothing_is_withdrawn_while_redis_is_away() -> None:
    world = settled()
    world.snapshot.remove(Key("product", "shop", "shop"))
    assert world.plan("callback", "warehouse").withdraw
    world.snapshot.stored = False
    assert not world.plan("callback", "warehouse").withdraw
    assert not world.plan("product", "shop").withdraw
