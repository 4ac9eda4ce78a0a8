"""What was changed behind the operator's back comes back, and an Event says what it was."""

from dataclasses import replace
from typing import Any

import pytest
from tests.operator.worlds import World, callback, organization, product, topic

from angarium.resources import Report
from angarium_operator.planning import Key
from angarium_operator.planning.snapshot import SecretName

HASHED: dict[str, Any] = {"topicHash": {}}


def settled() -> World:
    """One of each kind that has a Secret, and no doubt about any."""
    world = World(product(), organization(), callback(), topic(spec=HASHED))
    world.settle()
    return world


def notes(world: World, kind: str, name: str) -> list[str]:
    """What would be said of an object now."""
    return [f"{each.reason}: {each.note}" for each in world.plan(kind, name).announcements]


SECRETS = [
    ("product", "shop", "shop-angarium"),
    ("organization", "acme", "acme-angarium"),
    ("callback", "warehouse", "warehouse-signing"),
    ("topic", "paid", "paid-topic-hash"),
]


@pytest.mark.parametrize(("kind", "name", "secret"), SECRETS)
def test_a_secret_without_label_or_owner_gets_them_back(kind: str, name: str, secret: str) -> None:
    world = settled()
    at, held = SecretName("shop", secret), world.secret(secret)
    world.snapshot.put_secret(replace(world.snapshot.secrets[at], labels={}, owners=()))
    assert notes(world, kind, name) == [
        f'SecretRepaired: the secret "{secret}" was edited; restored: its label app.kubernetes.io/managed-by, its owner'
    ]
    assert world.settle() == ["SecretRepaired"]
    assert world.secret(secret) == held


@pytest.mark.parametrize(("kind", "name", "secret"), SECRETS)
def test_a_secret_that_was_deleted_is_made_again(kind: str, name: str, secret: str) -> None:
    world = settled()
    world.snapshot.remove_secret(SecretName("shop", secret))
    assert world.settle() == ["SecretRepaired"]
    assert world.secret(secret)


def test_what_was_edited_is_named() -> None:
    world = settled()
    world.edit("shop-angarium", product="other", key_id="none")
    assert notes(world, "product", "shop") == [
        'SecretRepaired: the secret "shop-angarium" was edited; restored: key-id, product'
    ]


def edit(world: World, kind: str, name: str, **fields: Any) -> None:
    """Change a status as a person would."""
    key = Key(kind, "shop", name)
    held = world.snapshot.objects[key]
    status: Report = world.status(kind, name)
    world.snapshot.put(held.model_copy(update={"status": status.model_copy(update=fields)}))


@pytest.mark.parametrize(("kind", "name"), [each[:2] for each in SECRETS])
def test_a_status_that_was_edited_is_written_anew(kind: str, name: str) -> None:
    world = settled()
    before = world.status(kind, name)
    edit(world, kind, name, conditions=(), observed_generation=7)
    assert "StatusRepaired" in world.settle()
    after = world.status(kind, name)
    assert {each.type: each.status for each in after.conditions} == {e.type: e.status for e in before.conditions}
    assert world.settle() == []


def test_counts_that_were_edited_come_back_at_once() -> None:
    world = settled()
    edit(world, "callback", "warehouse", backlog=4210)
    assert world.settle() == ["StatusRepaired"]
    assert world.status("callback", "warehouse").backlog == 0


def test_what_others_add_to_a_status_is_left_alone() -> None:
    world = settled()
    theirs = world.status("callback", "warehouse").conditions[0].model_copy(update={"type": "example.com/Seen"})
    edit(world, "callback", "warehouse", conditions=(*world.status("callback", "warehouse").conditions, theirs))
    assert world.settle() == []


def test_an_operator_that_has_just_begun_suspects_nobody() -> None:
    world = settled()
    world.snapshot.written.clear()
    edit(world, "callback", "warehouse", observed_generation=7)
    assert world.settle() == []
    assert world.status("callback", "warehouse").observed_generation == 1


def test_each_product_hears_once_that_records_were_lost() -> None:
    world = settled()
    world.snapshot.restored.add(Key("product", "shop", "shop"))
    assert world.settle() == ["RecordsRestored"]
    assert world.settle() == []
