"""What callers may have changed: judged without a cluster. A gateway is believed in who asks, and in nothing else."""

from typing import Any

import pytest
from tests.operator.worlds import World, callback, organization, product

from angarium.edits import API, MADE_BY, Edit
from angarium.identifiers import resource_id
from angarium_operator.planning.edits import (
    Caller,
    EditRefused,
    caller_of,
    change,
    made_by,
    merged,
    new_callback,
    own,
    refused_by_server,
    told,
)

MEMBERS = {"events": ["order.*"], "url": "https://example.com/hooks"}
SHOP, ACME = resource_id("prd", "uid-shop"), resource_id("org", "uid-acme")


def edit(**more: Any) -> Edit:
    fields: dict[str, Any] = {"id": "e1", "action": "create", "tenant": SHOP, "owner": "product/shop/shop"}
    return Edit(**fields | {"namespace": "shop", "name": "orders", "members": MEMBERS} | more)


def world(spec: dict[str, Any] | None = None) -> World:
    return World(product(spec=spec), organization())


def caller(of: World, **more: Any) -> Caller:
    return caller_of(of.snapshot, edit(**more))


def api_made(name: str = "orders", **more: Any) -> dict[str, Any]:
    found = callback(name, labels={MADE_BY: API}, annotations={"angarium.dev/request": "e1"}, resource_version="7")
    document: dict[str, Any] = found.model_dump(mode="json", by_alias=True, exclude_none=True)
    return document | more


def refused(call: Any, *arguments: Any) -> EditRefused:
    with pytest.raises(EditRefused) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize(
    "more",
    [
        {"owner": "product/shop/other"},
        {"owner": "organization/shop/acme"},
        {"owner": "callback/shop/orders"},
        {"tenant": ACME},
        {"tenant": resource_id("prd", "uid-of-a-former-shop")},
    ],
)
def test_who_is_not_what_it_says_is_refused(more: dict[str, str]) -> None:
    assert refused(caller_of, world().snapshot, edit(**more)).refused == "forbidden"


def test_a_product_forbids_its_organizations_too() -> None:
    forbidding = world({"api": {"callbacks": "Forbidden"}})
    for more in ({}, {"tenant": ACME, "owner": "organization/shop/acme"}):
        found = refused(caller_of, forbidding.snapshot, edit(**more))
        assert (found.refused, found.detail) == ("forbidden", "the product does not allow it (spec.api.callbacks)")


def test_the_new_object_belongs_to_who_asked_whatever_it_says() -> None:
    here = world()
    made = new_callback(here.snapshot, edit(namespace="kube-system"), caller(here))
    assert made["metadata"] | {"annotations": {}} == {
        "name": "orders",
        "namespace": "shop",
        "labels": {MADE_BY: API},
        "annotations": {},
    }
    assert made["spec"] == MEMBERS | {"productRef": {"name": "shop"}}
    more = {"tenant": ACME, "owner": "organization/shop/acme"}
    assert new_callback(here.snapshot, edit(**more), caller(here, **more))["spec"]["organizationRef"] == {
        "name": "acme"
    }


@pytest.mark.parametrize(
    ("members", "pointers"),
    [
        ({"productRef": {"name": "other"}}, ["/productRef"]),
        ({"serviceRef": {"name": "db", "port": 1}, "unknown": 1}, ["/serviceRef", "/unknown"]),
        ({"signing": {"secretName": "x"}}, ["/signing/secretName"]),
        ({"url": "http://169.254.169.254/"}, ["/url"]),
        ({"url": "gopher://x"}, ["/url"]),
        ({"headers": {"a/b": "x"}}, ["/headers"]),
        ({"delivery": {"retry": {"schedule": ["1s", "x"]}}}, ["/delivery/retry/schedule/1"]),
        ({"events": ["a", "a b"]}, ["/events/1"]),
    ],
)
def test_members_that_nobody_may_set(members: dict[str, Any], pointers: list[str]) -> None:
    here = world()
    asked = edit(members=MEMBERS | members)
    assert [each.pointer for each in refused(new_callback, here.snapshot, asked, caller(here)).errors] == pointers
    changing = edit(action="change", members=members)
    assert [each.pointer for each in refused(change, here.snapshot, changing, api_made()).errors] == pointers


def test_only_what_the_api_made_counts_against_the_quota() -> None:
    here = world({"quotas": {"callbacks": 1}})
    here.snapshot.put(callback("warehouse"))
    new_callback(here.snapshot, edit(), caller(here))
    here.snapshot.put(callback("orders", labels={MADE_BY: API}))
    assert refused(new_callback, here.snapshot, edit(name="more"), caller(here)).refused == "quota"


def test_whose_it_is_comes_before_who_made_it() -> None:
    here = world()
    shop, acme = caller(here), caller(here, tenant=ACME, owner="organization/shop/acme")
    mine, declared = api_made(), api_made() | {"metadata": api_made()["metadata"] | {"labels": {}}}
    assert own(mine, shop) == mine
    assert refused(own, declared, shop).refused == "gitops"
    for found in (None, mine, declared):
        assert refused(own, found, acme).refused == "not_found"


def test_a_repetition_knows_its_own_work() -> None:
    assert made_by(api_made(), edit())
    assert not made_by(api_made(), edit(id="e2"))


def test_a_change_names_the_very_version_it_was_judged_by() -> None:
    patch = change(world().snapshot, edit(action="change", members={"suspend": True}, enable=True), api_made())
    assert patch["metadata"] == {
        "uid": "uid-orders",
        "resourceVersion": "7",
        "annotations": {"angarium.dev/enable-requested-at": "e1"},
    }
    assert patch["spec"] == {"suspend": True}


@pytest.mark.parametrize(
    ("target", "patch", "result"),  # RFC 7386, appendix A
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merging(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


def test_the_words_of_the_api_server_point_into_the_body() -> None:
    found = refused_by_server("it is invalid", (("spec.events[0]", "no"), ("metadata.name", "long"), ("spec", "both")))
    assert [(each.pointer, each.detail) for each in found.errors] == [
        ("/events/0", "no"),
        ("/name", "long"),
        ("", "both"),
    ]
    assert refused_by_server("it is invalid", ()).detail == "it is invalid"


def test_what_is_told_holds_no_key() -> None:
    here = world()
    here.snapshot.put(callback("orders", labels={MADE_BY: API}))
    here.settle()
    record = told(here.snapshot, api_made(), caller(here))
    assert record is not None
    assert (record.sealed_signing_keys, record.api_made, record.tenant) == ("", True, SHOP)
