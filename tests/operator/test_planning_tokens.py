"""Keys for tokens beside API keys, and issuers that products name, without I/O."""

import base64
from collections.abc import Mapping
from datetime import timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.operator.worlds import NOW, World, organization, product

from angarium.records import IssuerRecord, KeyRecord, OrganizationRecord, ProductRecord
from angarium.tokens import read_public, token_key
from angarium_operator.planning import Key

SHOP = Key("product", "shop", "shop")
TRUST = {"jwt": {"issuer": "https://id.example.com", "audience": "shop-api"}}


def keys(world: World, key: Key = SHOP) -> tuple[KeyRecord, ...]:
    """What gateways know."""
    record = world.snapshot.published[key].record
    assert isinstance(record, ProductRecord | OrganizationRecord)
    return record.keys


def checks(world: World, secret: Mapping[str, str], key: Key = SHOP) -> bool:
    """Whether what the Secret signs is checked by what is published under its key id."""
    text = jwt.encode({"sub": "ci"}, secret["jwt-private-key"], algorithm="EdDSA")
    public = next(each.public_key for each in keys(world, key) if each.id == secret["jwt-key-id"])
    return bool(jwt.decode(text, read_public(public), algorithms=["EdDSA"]))


def test_the_secret_signs_and_the_record_checks() -> None:
    world = World(product(), organization())
    world.settle()
    for name, key, issuer in (("shop", SHOP, "prd_"), ("acme", Key("organization", "shop", "acme"), "org_")):
        secret = world.secret(f"{name}-angarium")
        load_pem_private_key(secret["jwt-private-key"].encode(), None)
        assert checks(world, secret, key)
        assert secret["jwt-issuer"].startswith(issuer)
        assert secret["jwt-issuer"] == getattr(world.snapshot.published[key].record, "id")  # noqa: B009 - of either


def test_the_private_half_is_in_the_secret_alone() -> None:
    world = World(product())
    world.settle()
    secret = world.secret("shop-angarium")
    private = load_pem_private_key(secret["jwt-private-key"].encode(), None)
    assert isinstance(private, Ed25519PrivateKey)
    seed = base64.b64encode(private.private_bytes_raw())
    told = world.snapshot.published[SHOP].record.model_dump_json() + repr(world.status("product", "shop"))
    assert seed.decode() not in told
    assert secret["jwt-private-key"].splitlines()[1] not in told
    assert "PRIVATE" not in repr(world.snapshot)


def test_a_rotation_keeps_the_former_public_key_for_the_overlap() -> None:
    world = World(product(spec={"credentials": {"rotation": {"overlap": "1h"}}}))
    world.settle()
    first = world.secret("shop-angarium")
    world.annotate("product", "shop", "rotate-requested-at", "1")
    world.settle()
    second = world.secret("shop-angarium")
    assert first["jwt-private-key"] != second["jwt-private-key"]
    assert checks(world, first)
    assert checks(world, second)
    world.now += timedelta(hours=1)
    world.settle()
    assert [each.id for each in keys(world)] == [second["jwt-key-id"]]


def test_without_an_overlap_the_former_tokens_end_at_once() -> None:
    world = World(product(spec={"credentials": {"rotation": {"overlap": "0s"}}}))
    world.settle()
    world.annotate("product", "shop", "rotate-requested-at", "1")
    world.settle()
    assert [each.id for each in keys(world)] == [world.secret("shop-angarium")["jwt-key-id"]]


def test_a_coming_key_is_known_with_its_public_half() -> None:
    world = World(product())
    world.settle()
    world.annotate("product", "shop", "rotate-requested-at", "1")
    planned = world.plan("product", "shop")
    assert isinstance(planned.record, ProductRecord)
    assert planned.record.keys[1].public_key == token_key(planned.pending).public


def test_an_edited_private_key_is_restored() -> None:
    world = World(product())
    world.settle()
    secret = world.secret("shop-angarium")
    world.write("shop-angarium", {**secret, "jwt-private-key": "mine"}, "uid-shop")
    assert world.settle() == ["SecretRepaired"]
    assert world.secret("shop-angarium") == secret


def test_a_product_that_is_older_than_tokens_gets_them_quietly() -> None:
    world = World(product())
    world.settle()
    secret = world.secret("shop-angarium")
    world.write(
        "shop-angarium", {name: value for name, value in secret.items() if not name.startswith("jwt")}, "uid-shop"
    )
    shop = world.snapshot.objects[SHOP]
    old = tuple(each.model_copy(update={"public_key": None}) for each in world.status("product", "shop").credentials)
    world.snapshot.put(
        shop.model_copy(update={"status": world.status("product", "shop").model_copy(update={"credentials": old})})
    )
    world.snapshot.written.clear()  # another operator wrote it
    assert world.settle() == []
    assert world.secret("shop-angarium") == secret
    assert world.status("product", "shop").credentials[0].public_key == token_key(secret["api-key"]).public


def issuer(world: World, name: str) -> IssuerRecord | None:
    """Whom gateways trust for a product."""
    published = world.snapshot.published.get(Key("product", "shop", name))
    if published is None:
        return None
    assert isinstance(published.record, ProductRecord)
    return published.record.jwt


def test_an_audience_belongs_to_the_older_product() -> None:
    older = product(spec=TRUST, creationTimestamp=NOW.isoformat())
    younger = product("late", spec=TRUST, creationTimestamp=(NOW + timedelta(1)).isoformat())
    world = World(younger, older)
    world.settle()
    assert issuer(world, "shop") == IssuerRecord(issuer="https://id.example.com", audience="shop-api")
    assert issuer(world, "late") is None
    for condition in ("Accepted", "Ready"):
        assert world.verdict("product", "late", condition)[1] == "AudienceTaken"
    assert Key("product", "shop", "late") in world.snapshot.remove(SHOP)
    world.settle()
    assert issuer(world, "late") is not None


def test_who_names_an_audience_that_is_taken_keeps_what_it_had() -> None:
    world = World(
        product(spec=TRUST, creationTimestamp=NOW.isoformat()),
        product("late", creationTimestamp=(NOW + timedelta(1)).isoformat()),
    )
    world.settle()
    world.change(product("late", spec=TRUST, creationTimestamp=(NOW + timedelta(1)).isoformat()))
    world.settle()
    assert issuer(world, "late") is None
    assert keys(world, Key("product", "shop", "late"))


def test_an_issuer_at_an_address_that_is_closed_is_told() -> None:
    world = World(product(spec={"jwt": {"issuer": "https://10.0.0.1", "audience": "shop-api"}}))
    world.settle()
    assert world.verdict("product", "shop", "Accepted")[1] == "AddressRefused"
