"""What the API server says arrives late, twice and out of order; the snapshot is right all the same."""

import base64
from collections.abc import Iterable
from typing import Any

from tests.operator.worlds import World

from angarium_operator.feed import Feed
from angarium_operator.kinds import CALLBACK, NAMESPACE, PRODUCT, SECRET, Kind
from angarium_operator.planning import Key, Snapshot
from angarium_operator.planning.snapshot import SecretName

SHOP = Key("product", "shop", "shop")


class Told:
    """A feed, and whom it concerned."""

    def __init__(self) -> None:
        self.snapshot: Snapshot = World().snapshot
        self.concerned: list[Key] = []
        self.feed = Feed(self.snapshot, self._concern)

    def _concern(self, keys: Iterable[Key]) -> None:
        self.concerned += keys

    def listed(self, kind: Kind, namespace: str, items: list[dict[str, Any]], version: int) -> None:
        """A whole list, an object a page."""
        comparison = self.feed.comparison(kind, namespace)
        for item in items:
            comparison.page([item], version)
        comparison.page([], version)
        comparison.end()

    @property
    def names(self) -> dict[str, str | None]:
        """The products' display names."""
        return {key.name: getattr(each.spec, "display_name") for key, each in self.snapshot.objects.items()}  # type: ignore[attr-defined]  # noqa: B009 - products alone are asked for


def product(version: int, uid: str = "u1", name: str = "shop", **spec: Any) -> dict[str, Any]:
    """As the API server gives it."""
    metadata = {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": str(version), "managedFields": [{}]}
    return {"apiVersion": "angarium.dev/v1alpha1", "kind": "Product", "metadata": metadata, "spec": spec}


def secret(version: int, key: str = "k") -> dict[str, Any]:
    """As the API server gives it."""
    metadata = {"name": "shop-angarium", "namespace": "shop", "uid": "s1", "resourceVersion": str(version)}
    return {"metadata": metadata, "data": {"api-key": base64.b64encode(key.encode()).decode()}}


def test_an_older_version_never_replaces_a_younger_one() -> None:
    told = Told()
    told.feed.seen(PRODUCT, "ADDED", product(7, displayName="new"))
    told.feed.seen(PRODUCT, None, product(5, displayName="old"))
    assert told.names == {"shop": "new"}


def test_the_same_version_concerns_nobody() -> None:
    told = Told()
    told.feed.seen(PRODUCT, "ADDED", product(7))
    told.concerned.clear()
    told.feed.seen(PRODUCT, None, product(7))
    assert told.concerned == []


def test_what_was_deleted_does_not_come_back_by_a_list_begun_before() -> None:
    told = Told()
    told.feed.seen(PRODUCT, "ADDED", product(5))
    told.feed.seen(PRODUCT, "DELETED", product(9))
    told.listed(PRODUCT, "", [product(5)], 6)
    assert told.names == {}


def test_a_late_deletion_does_not_take_the_successor() -> None:
    told = Told()
    told.feed.seen(PRODUCT, "ADDED", product(9, uid="u2", displayName="second"))
    told.feed.seen(PRODUCT, "DELETED", product(8, uid="u1"))
    assert told.names == {"shop": "second"}


def test_what_a_list_does_not_hold_is_gone_unless_it_is_younger() -> None:
    told = Told()
    told.feed.seen(PRODUCT, "ADDED", product(5, name="old", uid="u1"))
    told.feed.seen(PRODUCT, "ADDED", product(12, name="young", uid="u2"))
    told.listed(PRODUCT, "", [product(6, name="listed", uid="u3")], 10)
    assert set(told.names) == {"young", "listed"}
    assert Key("product", "shop", "old") in told.concerned


def test_the_list_of_one_namespace_says_nothing_of_another() -> None:
    told = Told()
    told.feed.seen(PRODUCT, "ADDED", product(5))
    told.listed(PRODUCT, "other", [], 10)
    assert set(told.names) == {"shop"}


def test_a_secret_that_lost_its_label_is_still_there_when_it_is_read() -> None:
    told = Told()
    told.feed.seen(SECRET, "ADDED", secret(5))
    told.feed.seen(SECRET, "DELETED", secret(8))  # what a watch of labels says of it
    assert not told.snapshot.secrets
    told.feed.found(SECRET, secret(8, "still here"))
    assert told.snapshot.secrets[SecretName("shop", "shop-angarium")].data == {"api-key": "still here"}


def test_a_secret_that_a_list_of_labels_does_not_hold_is_there_when_it_is_read() -> None:
    told = Told()
    told.feed.seen(SECRET, "ADDED", secret(5))
    told.listed(SECRET, "", [], 20)
    assert not told.snapshot.secrets
    told.feed.found(SECRET, secret(8))
    assert told.snapshot.secrets


def test_what_can_no_longer_be_read_is_told_in_words() -> None:
    told = Told()
    told.feed.seen(PRODUCT, "ADDED", product(5))
    told.feed.seen(PRODUCT, "MODIFIED", product(6, quotas={"backlog": -1}))
    assert "quotas.backlog" in told.snapshot.broken[SHOP].problem
    assert SHOP in told.snapshot.objects  # its last good form
    told.feed.seen(PRODUCT, "MODIFIED", product(7))
    assert not told.snapshot.broken


def test_fields_of_a_newer_version_are_left_alone() -> None:
    """The CRDs are upgraded before the operator is; the API server has refused what nobody knows."""
    told = Told()
    told.feed.seen(PRODUCT, "ADDED", product(5, novel=False, credentials={"novel": 1}))
    assert SHOP in told.snapshot.objects
    assert not told.snapshot.broken


def test_labels_of_namespaces_are_kept_and_forgotten() -> None:
    told = Told()
    raw = {"metadata": {"name": "shop", "uid": "n1", "resourceVersion": "1", "labels": {"a": "b"}}}
    told.feed.seen(NAMESPACE, "ADDED", raw)
    assert told.snapshot.labels_of("shop") == {"a": "b"}
    told.feed.seen(NAMESPACE, "DELETED", raw)
    assert told.snapshot.labels_of("shop") == {"kubernetes.io/metadata.name": "shop"}


def test_what_others_annotate_is_not_kept() -> None:
    told = Told()
    raw = product(5)
    raw["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last": "x" * 10_000,
        "angarium.dev/rotate-requested-at": "1",
    }
    told.feed.seen(PRODUCT, "ADDED", raw)
    assert told.snapshot.objects[SHOP].metadata.annotations == {"angarium.dev/rotate-requested-at": "1"}
    assert CALLBACK.path("shop", "w") == "/apis/angarium.dev/v1alpha1/namespaces/shop/callbacks/w"
