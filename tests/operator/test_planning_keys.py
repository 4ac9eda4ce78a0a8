"""Decisions on API keys and signing keys, without I/O."""

from dataclasses import replace

import pytest
from tests.operator.worlds import World, callback, organization, product

from angarium import apikeys
from angarium.records import CallbackRecord, ProductRecord
from angarium.sealing import Sealer, generate_seal_key
from angarium_operator.planning import DataPlane, Key
from angarium_operator.planning.records import opened_keys
from angarium_operator.planning.snapshot import SecretName

SHOP = Key("product", "shop", "shop")
WAREHOUSE = Key("callback", "shop", "warehouse")


def rotating(**rotation: str) -> World:
    """A settled shop."""
    world = World(product(spec={"credentials": {"rotation": {"overlap": "1h"} | rotation}}))
    world.settle()
    return world


def states(world: World) -> list[str]:
    """Of the shop's keys."""
    return [each.state for each in world.status("product", "shop").credentials]


def known(world: World) -> list[str]:
    """Hashes that gateways take."""
    record = world.snapshot.published[SHOP].record
    assert isinstance(record, ProductRecord)
    return [key.sha256 for key in record.keys]


def signing(world: World) -> tuple[str, ...]:
    """Keys that deliverers sign with."""
    record = world.snapshot.published[WAREHOUSE].record
    assert isinstance(record, CallbackRecord)
    return opened_keys(world.snapshot.policy, record.sealed_signing_keys)


def test_a_first_key_is_published_given_out_and_said_once() -> None:
    world = World(product(), organization())
    assert world.settle() == ["CredentialsIssued", "CredentialsIssued", "Programmed", "Programmed"]
    assert known(world) == [apikeys.digest(world.secret("shop-angarium")["api-key"])]
    assert world.secret("acme-angarium")["organization"] == "acme"


def test_what_is_settled_asks_for_nothing() -> None:
    world = World(product(), organization(), callback())
    world.settle()
    assert world.settle() == []
    assert world.plan("callback", "warehouse").empty


def test_a_restart_without_memory_asks_for_nothing() -> None:
    world = World(product(), callback())
    world.settle()
    world.snapshot.pending.clear()
    world.snapshot.counted.clear()
    assert world.plan("product", "shop").empty
    assert world.plan("callback", "warehouse").empty


def test_a_rotation_waits_for_each_gateway() -> None:
    world = rotating()
    first = world.secret("shop-angarium")["api-key"]
    world.annotate("product", "shop", "rotate-requested-at", "1")
    world.snapshot.plane = DataPlane({"gateway": world.revision, "deliverer": world.revision})
    world.settle()
    assert world.secret("shop-angarium")["api-key"] == first
    assert len(known(world)) == 2
    assert states(world) == ["Active"]
    world.snapshot.plane = DataPlane({"gateway": world.revision, "deliverer": 0})
    assert "KeyRotated" in world.settle()
    assert world.secret("shop-angarium")["api-key"] != first
    assert states(world) == ["Active", "Retiring"]


def test_a_rotation_that_was_forgotten_begins_again_with_another_key() -> None:
    world = rotating()
    world.annotate("product", "shop", "rotate-requested-at", "1")
    world.snapshot.plane = DataPlane({"gateway": world.revision, "deliverer": world.revision})
    world.settle()
    lost = known(world)[1]
    world.snapshot.pending.clear()
    world.settle()
    assert len(known(world)) == 2
    assert lost not in known(world)


def test_a_request_is_answered_once() -> None:
    world = rotating()
    world.annotate("product", "shop", "rotate-requested-at", "1")
    assert world.settle().count("KeyRotated") == 1
    assert world.status("product", "shop").last_rotation_request == "1"
    world.annotate("product", "shop", "rotate-requested-at", "2")
    assert world.settle().count("KeyRotated") == 1


def test_a_key_is_rotated_by_age_and_the_former_retires() -> None:
    world = rotating(interval="24h")
    assert world.plan("product", "shop").look_again == world.now.replace(day=22)
    world.pass_time(hours=24)
    assert "KeyRotated" in world.settle()
    assert states(world) == ["Active", "Retiring"]
    record = world.snapshot.published[SHOP].record
    assert isinstance(record, ProductRecord)
    assert record.keys[1].expires_ms == int(world.now.timestamp() * 1000) + 3_600_000
    world.pass_time(hours=1)
    assert world.settle() == ["KeyRetired"]
    assert len(known(world)) == 1


def test_many_rotations_keep_few_keys() -> None:
    world = rotating()
    for number in range(20):
        world.annotate("product", "shop", "rotate-requested-at", str(number))
        world.settle()
    assert len(states(world)) == 9


def test_stopped_between_secret_and_status_the_new_key_is_the_active_one() -> None:
    world = rotating()
    before = world.snapshot.objects[SHOP]
    world.annotate("product", "shop", "rotate-requested-at", "1")
    world.settle()
    world.snapshot.put(before)  # the status was never written
    world.snapshot.pending.clear()
    held = world.secret("shop-angarium")["api-key"]
    assert "SecretRepaired" not in world.settle()
    assert world.secret("shop-angarium")["api-key"] == held
    assert states(world) == ["Active", "Retiring"]


def test_all_else_lost_what_workloads_hold_goes_on() -> None:
    world = World(product())
    world.settle()
    held = world.secret("shop-angarium")["api-key"]
    world.snapshot.published.clear()
    world.snapshot.put(product())
    world.settle()
    assert world.secret("shop-angarium")["api-key"] == held
    assert known(world) == [apikeys.digest(held)]


@pytest.mark.parametrize("key", ["", "nonsense", apikeys.mint().text], ids=["none", "nonsense", "well formed"])
def test_a_key_that_was_put_there_by_hand_is_replaced(key: str) -> None:
    world = World(product())
    world.settle()
    first = world.secret("shop-angarium")["api-key"]
    world.edit("shop-angarium", api_key=key)
    assert world.settle() == ["SecretRepaired"]
    now = world.secret("shop-angarium")["api-key"]
    assert now not in (first, key)
    assert known(world) == [apikeys.digest(now), apikeys.digest(first)]


def test_a_retiring_key_that_was_put_back_is_replaced() -> None:
    world = rotating()
    first = world.secret("shop-angarium")["api-key"]
    world.annotate("product", "shop", "rotate-requested-at", "1")
    world.settle()
    world.edit("shop-angarium", api_key=first)
    assert world.settle() == ["SecretRepaired"]
    assert world.secret("shop-angarium")["api-key"] != first


def test_another_gateway_url_goes_into_secrets_without_a_word() -> None:
    world = World(product())
    world.settle()
    world.snapshot.policy = replace(world.snapshot.policy, gateway_url="https://notify.example.com")
    assert world.settle() == []
    secret = world.secret("shop-angarium")
    assert (secret["host"], secret["port"]) == ("notify.example.com", "443")


def test_a_sealed_record_is_not_published_for_another_ciphertext() -> None:
    world = World(product(), callback())
    world.settle()
    before = world.revision
    world.settle()
    assert world.revision == before


def test_a_new_seal_key_seals_again() -> None:
    world = World(product(), callback())
    world.settle()
    before = signing(world)
    fresh = generate_seal_key()
    old = world.snapshot.policy
    both = replace(old, sealer=_sealer(fresh), resealer=Sealer([fresh]))
    world.snapshot.policy = both
    world.settle()
    world.snapshot.policy = replace(both, sealer=Sealer([fresh]))
    assert signing(world) == before
    assert world.settle() == []


def _sealer(fresh: str) -> Sealer:
    from tests.operator.worlds import SEAL_KEY

    return Sealer([fresh, SEAL_KEY])


def test_a_signing_key_that_is_gone_signs_on_for_the_overlap() -> None:
    world = World(product(), callback())
    world.settle()
    first = world.secret("warehouse-signing")["signing-key"]
    world.snapshot.remove_secret(SecretName("shop", "warehouse-signing"))
    assert world.settle() == ["SecretRepaired"]
    secret = world.secret("warehouse-signing")
    assert secret["previous-signing-key"] == first
    assert signing(world) == (secret["signing-key"], first)
    world.pass_time(hours=24)
    assert world.settle() == ["KeyRetired"]
    assert signing(world) == (secret["signing-key"],)
    assert "previous-signing-key" not in world.secret("warehouse-signing")


def test_nothing_is_made_or_published_while_redis_is_away() -> None:
    world = World(product(), callback())
    world.snapshot.stored = False
    assert world.settle() == []
    assert not world.snapshot.secrets
    assert world.verdict("product", "shop", "Programmed") == ("False", "Pending", "waits for Redis")
    world.snapshot.stored = True
    assert "CredentialsIssued" in world.settle()


def test_redis_away_changes_nothing_of_what_is_ready() -> None:
    world = World(product(), callback())
    world.settle()
    world.snapshot.stored = False
    assert world.plan("product", "shop").empty
    assert world.plan("callback", "warehouse").empty


def test_records_lost_the_former_signing_key_is_taken_from_its_secret() -> None:
    world = World(product(), callback())
    world.settle()
    world.annotate("callback", "warehouse", "rotate-requested-at", "1")
    world.settle()
    before = signing(world)
    world.snapshot.published.clear()
    world.settle()
    assert len(before) == 2
    assert signing(world) == before


def test_a_signing_key_is_rotated_once_each_deliverer_signs_with_it() -> None:
    world = World(product(), callback())
    world.settle()
    first = world.secret("warehouse-signing")["signing-key"]
    world.annotate("callback", "warehouse", "rotate-requested-at", "1")
    world.snapshot.plane = DataPlane({"gateway": world.revision, "deliverer": world.revision})
    assert world.settle() == []
    assert world.secret("warehouse-signing") == {"signing-key": first}
    old, coming = signing(world)
    assert old == first
    world.snapshot.plane = DataPlane({"gateway": 0, "deliverer": world.revision})
    assert "KeyRotated" in world.settle()
    assert world.secret("warehouse-signing") == {"signing-key": coming, "previous-signing-key": first}
    assert signing(world) == (coming, first)


def test_a_signing_key_that_was_forgotten_on_its_way_was_never_given_out() -> None:
    world = World(product(), callback())
    world.settle()
    world.annotate("callback", "warehouse", "rotate-requested-at", "1")
    world.snapshot.plane = DataPlane({"gateway": world.revision, "deliverer": world.revision})
    world.settle()
    lost = signing(world)[1]
    world.snapshot.pending.clear()
    world.settle()
    assert lost not in signing(world)
    world.snapshot.plane = DataPlane({"gateway": 0, "deliverer": world.revision})
    world.settle()
    assert lost not in world.secret("warehouse-signing").values()


def test_a_rotation_leaves_what_is_programmed_and_a_changed_spec_does_not() -> None:
    world = World(product(), callback())
    world.settle()
    world.snapshot.plane = DataPlane({"gateway": world.revision, "deliverer": world.revision})
    world.annotate("callback", "warehouse", "rotate-requested-at", "1")
    world.settle()
    assert world.verdict("callback", "warehouse", "Programmed")[0] == "True"
    world.change(callback(spec={"suspend": True}))
    world.settle()
    assert world.verdict("callback", "warehouse", "Programmed")[1] == "Pending"
