"""Identifiers carry their shard, their time and their notification."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.identifiers import (
    DeliveryReference,
    InvalidIdentifier,
    created_ms,
    delivery_id,
    id_bound,
    notification_id,
    parse_delivery_id,
    resource_id,
    shard_of,
)

times = st.integers(0, 2**48 - 1)


@given(shard=st.integers(0, 1023), ms=times)
def test_an_id_names_its_shard_and_its_time(shard: int, ms: int) -> None:
    made = notification_id(shard, ms)
    assert len(made) == 30
    assert (shard_of(made), created_ms(made)) == (shard, ms)


@given(earlier=times, later=times)
def test_ids_sort_by_time(earlier: int, later: int) -> None:
    if earlier < later:
        assert notification_id(1023, earlier) < id_bound(later) <= notification_id(0, later)


@given(index=st.integers(0, 99_999))
def test_a_delivery_names_its_notification(index: int) -> None:
    notification = notification_id(3)
    assert parse_delivery_id(delivery_id(notification, index)) == DeliveryReference(notification, index)


@pytest.mark.parametrize(
    "text", ["", "not_", "not_" + "0" * 25, "not_" + "U" * 26, "dlv_" + "0" * 26, "not_" + "0" * 27]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        shard_of(text)


@pytest.mark.parametrize(
    "text", ["dlv_" + "0" * 26, "dlv_" + "0" * 26 + "_x", "dlv_" + "0" * 26 + "_-1", "not_" + "0" * 26 + "_1"]
)
def test_what_is_no_delivery_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_delivery_id(text)


def test_an_object_keeps_its_id_for_life_and_its_successor_gets_another() -> None:
    first = resource_id("prd", "5c5c0a7e-0000-4000-8000-000000000001")
    assert first == resource_id("prd", "5c5c0a7e-0000-4000-8000-000000000001")
    assert first != resource_id("prd", "5c5c0a7e-0000-4000-8000-000000000002")
    assert len(first) == 30
