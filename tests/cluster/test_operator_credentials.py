"""API keys and signing keys over their lives: rotated with an overlap, repaired, never written over what isn't ours."""

import asyncio
from pathlib import Path

import pytest
import trustme
from tests.cluster.api import Object
from tests.cluster.operating import PATIENCE, Stage, applied, condition, holds, plain

from angarium import apikeys
from angarium.config import ConfigTail
from angarium.records import AnyRecord, CallbackRecord, ProductRecord
from angarium.sealing import Sealer, SealError, generate_seal_key
from angarium_operator.planning.records import opened_keys
from angarium_operator.service import policy_of


def hashes(tail: ConfigTail, namespace: str) -> list[str]:
    """Of the keys that a gateway takes for the product."""
    record = tail.records.get(f"product/{namespace}/shop")
    return [key.sha256 for key in record.keys] if isinstance(record, ProductRecord) else []


def signing_keys(stage: Stage, tail: ConfigTail) -> list[str]:
    """With which deliverers sign for the callback."""
    record = tail.records[f"callback/{stage.namespace}/warehouse"]
    assert isinstance(record, CallbackRecord)
    return list(opened_keys(policy_of(stage.settings()), record.sealed_signing_keys))


async def test_a_rotated_key_is_known_to_gateways_before_it_is_given_out(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product(credentials={"rotation": {"overlap": "1h"}})
        await stage.ready("Product", "shop")
        first = (await stage.secret("shop-angarium"))["api-key"]
        known_when_given_out: list[bool] = []

        def given_out(secret: Object) -> bool:
            key = plain(secret)["api-key"]
            if key != first:
                known_when_given_out.append(apikeys.digest(key) in hashes(gateway, stage.namespace))
            return key != first

        await stage.annotate("Product", "shop", rotate_requested_at="now")
        second = (await stage.secret("shop-angarium", given_out))["api-key"]
        product = await stage.until(
            stage.named("Product", "shop"), lambda seen: len(seen["status"]["credentials"]) == 2
        )
        await applied(gateway, lambda tail: len(hashes(tail, stage.namespace)) == 2)
        await stage.event("KeyRotated", "shop")
    assert known_when_given_out == [True]
    assert hashes(gateway, stage.namespace) == [apikeys.digest(second), apikeys.digest(first)]
    states = {c["sha256"]: c["state"] for c in product["status"]["credentials"]}
    assert states == {apikeys.digest(second): "Active", apikeys.digest(first): "Retiring"}
    assert product["status"]["lastRotationRequest"] == "now"


async def test_without_a_gateway_a_rotation_waits(stage: Stage) -> None:
    async with stage.operator():
        await stage.product(credentials={"rotation": {"overlap": "1h"}})
        first = (await stage.secret("shop-angarium"))["api-key"]
        await stage.until(stage.named("Product", "shop"), lambda seen: bool(seen.get("status", {}).get("credentials")))
        await stage.annotate("Product", "shop", rotate_requested_at="now")
        async with stage.pod("gateway") as gateway:
            await applied(gateway, lambda tail: len(hashes(tail, stage.namespace)) == 2)
            assert hashes(gateway, stage.namespace)[0] == apikeys.digest(first)
            await stage.secret("shop-angarium", lambda secret: plain(secret)["api-key"] != first)


async def test_a_retired_key_is_forgotten_everywhere(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product(credentials={"rotation": {"overlap": "1s"}})
        await stage.ready("Product", "shop")
        first = (await stage.secret("shop-angarium"))["api-key"]
        await stage.annotate("Product", "shop", rotate_requested_at="now")
        second = (await stage.secret("shop-angarium", lambda secret: plain(secret)["api-key"] != first))["api-key"]
        await stage.event("KeyRetired", "shop")
        await applied(gateway, lambda tail: hashes(tail, stage.namespace) == [apikeys.digest(second)])


async def test_a_deleted_secret_comes_back_with_another_key(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.ready("Product", "shop")
        first = (await stage.secret("shop-angarium"))["api-key"]
        await stage.api.delete(stage.named("Secret", "shop-angarium"))
        second = (await stage.secret("shop-angarium"))["api-key"]
        await applied(gateway, lambda tail: len(hashes(tail, stage.namespace)) == 2)
        await stage.event("SecretRepaired", "shop")
    assert second != first
    assert hashes(gateway, stage.namespace) == [apikeys.digest(second), apikeys.digest(first)]


async def test_an_edited_key_is_replaced_and_never_becomes_valid(stage: Stage) -> None:
    mine = apikeys.mint().text
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.ready("Product", "shop")
        first = (await stage.secret("shop-angarium"))["api-key"]
        await stage.api.patch(stage.named("Secret", "shop-angarium"), {"stringData": {"api-key": mine}})
        changed = await stage.secret("shop-angarium", lambda secret: plain(secret)["api-key"] not in (first, mine))
        await applied(gateway, lambda tail: len(hashes(tail, stage.namespace)) == 2)
    assert hashes(gateway, stage.namespace) == [apikeys.digest(changed["api-key"]), apikeys.digest(first)]


async def test_what_else_was_edited_is_restored_with_the_same_key(stage: Stage) -> None:
    async with stage.data_plane(), stage.operator():
        await stage.product()
        await stage.ready("Product", "shop")
        first = await stage.secret("shop-angarium")
        change = {"stringData": {"product": "other"}, "metadata": {"ownerReferences": None}}
        await stage.api.patch(stage.named("Secret", "shop-angarium"), change)
        again = await stage.until(
            stage.named("Secret", "shop-angarium"),
            lambda secret: plain(secret)["product"] == "shop" and "ownerReferences" in secret["metadata"],
        )
        await stage.event("SecretRepaired", "shop")
    assert plain(again) == first


async def test_a_secret_that_lost_its_label_is_taken_back(stage: Stage) -> None:
    async with stage.data_plane(), stage.operator():
        await stage.product()
        await stage.ready("Product", "shop")
        first = await stage.secret("shop-angarium")
        await stage.api.patch(stage.named("Secret", "shop-angarium"), {"metadata": {"labels": None}})
        again = await stage.until(stage.named("Secret", "shop-angarium"), lambda secret: "labels" in secret["metadata"])
    assert plain(again)["api-key"].startswith("ang_")
    assert first["api-key"].startswith("ang_")


async def test_a_foreign_secret_is_never_written_over(stage: Stage) -> None:
    foreign = stage.named("Secret", "shop-angarium") | {"stringData": {"mine": "alone"}}
    async with stage.data_plane(), stage.operator():
        await stage.api.create(foreign)
        await stage.product()
        message = await stage.verdict("Product", "shop", "CredentialsReady", "SecretConflict")
        await stage.event("SecretConflict", "shop")
        untouched = await stage.api.get(foreign)
        product = await stage.api.get(stage.named("Product", "shop"))
    assert message == (
        'secret "shop-angarium" exists and is not managed by angarium; rename it or set spec.credentials.secretName'
    )
    assert plain(untouched) == {"mine": "alone"}
    assert "labels" not in untouched["metadata"]
    assert condition(product, "Ready")["reason"] == "SecretConflict"


async def test_a_callback_whose_secret_name_is_taken_is_never_programmed(stage: Stage) -> None:
    seen: list[str] = []
    async with stage.data_plane() as gateway, stage.operator():
        gateway.listen(seen.extend)
        await stage.api.create(stage.named("Secret", "taken") | {"stringData": {"mine": "alone"}})
        await stage.product()
        await stage.ready("Product", "shop")
        await stage.callback(signing={"secretName": "taken"})
        await stage.verdict("Callback", "warehouse", "CredentialsReady", "SecretConflict")
        await stage.product("marker")
        await stage.ready("Product", "marker")
    assert f"callback/{stage.namespace}/warehouse" not in seen


async def test_two_objects_cannot_share_a_secret(stage: Stage) -> None:
    async with stage.data_plane(), stage.operator():
        await stage.product("shop", credentials={"secretName": "shared"})
        await stage.ready("Product", "shop")
        await stage.product("other", credentials={"secretName": "shared"})
        await stage.verdict("Product", "other", "CredentialsReady", "SecretConflict")
        await stage.ready("Product", "shop")


async def test_a_signing_key_is_rotated_with_the_former_beside_it(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.callback(signing={"rotation": {"overlap": "2s"}})
        await stage.ready("Callback", "warehouse")
        first = await stage.secret("warehouse-signing")
        assert signing_keys(stage, gateway) == [first["signing-key"]]
        await stage.annotate("Callback", "warehouse", rotate_requested_at="now")
        second = await stage.secret("warehouse-signing", lambda seen: "previous-signing-key" in plain(seen))
        await applied(gateway, lambda tail: len(signing_keys(stage, tail)) == 2)
        assert signing_keys(stage, gateway) == [second["signing-key"], first["signing-key"]]
        await stage.secret("warehouse-signing", lambda seen: "previous-signing-key" not in plain(seen))
        await applied(gateway, lambda tail: len(signing_keys(stage, tail)) == 1)
    assert second["previous-signing-key"] == first["signing-key"]


async def test_a_deleted_signing_secret_leaves_the_former_key_signing(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")
        first = await stage.secret("warehouse-signing")
        await stage.api.delete(stage.named("Secret", "warehouse-signing"))
        second = await stage.secret("warehouse-signing")
        await applied(gateway, lambda tail: len(signing_keys(stage, tail)) == 2)
        assert signing_keys(stage, gateway) == [second["signing-key"], first["signing-key"]]


async def test_another_type_of_key_is_a_rotation(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")
        await stage.api.patch(stage.named("Callback", "warehouse"), {"spec": {"signing": {"type": "Ed25519"}}})
        secret = await stage.secret("warehouse-signing", lambda seen: "public-key" in plain(seen))
        await stage.until(stage.named("Callback", "warehouse"), holds("Ready", "True"))
    assert secret["signing-key"].startswith("whsk_")
    assert secret["public-key"].startswith("whpk_")
    assert [key[:5] for key in signing_keys(stage, gateway)] == ["whsk_", "whsec"]


async def test_only_who_holds_the_seal_key_reads_signing_keys(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")
        secret = await stage.secret("warehouse-signing")
    record = gateway.records[f"callback/{stage.namespace}/warehouse"]
    assert isinstance(record, CallbackRecord)
    assert secret["signing-key"] not in record.model_dump_json()
    assert secret["signing-key"].encode() in Sealer([stage.seal_key]).open(record.sealed_signing_keys)


async def test_new_seal_keys_in_the_file_seal_again_without_a_restart(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("angarium_operator.mounts.LOOK_EVERY", 0.05)
    mounted, fresh = tmp_path / "keys", generate_seal_key()
    mounted.write_text(stage.seal_key)
    record = f"callback/{stage.namespace}/warehouse"
    async with stage.data_plane() as gateway, stage.operator(seal_keys_file=mounted, reseal_seconds=0.2):
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")
        mounted.write_text(f"{fresh},{stage.seal_key}")
        async with asyncio.timeout(PATIENCE):
            while not opens(fresh, gateway.records[record]):
                await asyncio.sleep(0.05)
        mounted.write_text(fresh)
        await stage.api.patch(stage.named("Callback", "warehouse"), {"spec": {"suspend": True}})
        await stage.until(stage.named("Callback", "warehouse"), holds("Ready", "True"))
        secret = await stage.secret("warehouse-signing")
    found = gateway.records[record]
    assert isinstance(found, CallbackRecord)
    assert secret["signing-key"].encode() in Sealer([fresh]).open(found.sealed_signing_keys)


def opens(key: str, record: AnyRecord) -> bool:
    """Whether this key alone opens it."""
    assert isinstance(record, CallbackRecord)
    try:
        return bool(Sealer([key]).open(record.sealed_signing_keys))
    except SealError:
        return False


async def test_services_are_told_whom_to_trust(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium_operator.mounts.LOOK_EVERY", 0.05)
    mounted, first, second = tmp_path / "ca.crt", *(trustme.CA().cert_pem.bytes().decode() for _ in range(2))
    mounted.write_text(first)
    async with stage.data_plane(), stage.operator(gateway_ca=mounted, gateway_url="https://angarium.angarium"):
        await stage.product()
        told = await stage.secret("shop-angarium")
        assert (told["certificates"], told["port"]) == (first, "443")
        mounted.write_text(second)
        again = await stage.secret("shop-angarium", lambda seen: plain(seen)["certificates"] == second)
    assert again["api-key"] == told["api-key"]
    async with stage.data_plane(), stage.operator():
        await stage.secret("shop-angarium", lambda seen: "certificates" not in plain(seen))
