"""Objects that go and come back under the same name, and permission that is taken back: with real callers."""

from typing import Any

from tests.cluster.api import Object
from tests.cluster.operating import Stage
from tests.cluster.whole import Whole, whole

from angarium.apikeys import ApiKey


async def delete(stage: Stage, kind: str, name: str) -> None:
    """As a cluster does it: with the Secret that it owns."""
    secret = stage.named("Secret", f"{name}-angarium")
    await stage.api.delete(stage.named(kind, name))
    await stage.api.delete(secret)


async def dead(one: Whole, key: ApiKey) -> None:
    """The gateway knows the key no more."""
    assert (await one.post(key)).status == 401


async def test_a_product_that_comes_back_is_another_one(stage: Stage) -> None:
    async with whole(stage) as one:
        first = await stage.product()
        await stage.callback(url=one.receiver.url)
        await stage.ready("Callback", "warehouse")
        old = await one.key()
        old_id = (await stage.ready("Product", "shop"))["status"]["productID"]
        await delete(stage, "Product", "shop")
        await stage.verdict("Callback", "warehouse", "ResolvedRefs", "ProductNotFound")
        await dead(one, old)
        second = await stage.product()
        new = await one.key()
        await stage.ready("Callback", "warehouse")
        assert first["metadata"]["uid"] != second["metadata"]["uid"]
        assert (await stage.ready("Product", "shop"))["status"]["productID"] != old_id
        await dead(one, old)
        await one.heard(await one.post(new))


async def test_the_secret_of_a_former_product_gives_its_key_no_life(stage: Stage) -> None:
    """Where the garbage collector is slow, the old Secret still stands when the new product comes."""
    async with whole(stage) as one:
        await stage.product()
        old = await one.key()
        await stage.api.delete(stage.named("Product", "shop"))
        await stage.product()
        message = await stage.verdict("Product", "shop", "CredentialsReady", "Pending")
        assert message == 'the secret "shop-angarium" of a former product of this name is being deleted'
        await dead(one, old)
        await stage.api.delete(stage.named("Secret", "shop-angarium"))
        assert (await one.post(await one.key())).status == 202
        await dead(one, old)


async def test_an_organization_moves_by_being_made_anew(stage: Stage) -> None:
    async with whole(stage) as one:
        await stage.product("shop")
        await stage.product("market")
        await stage.create("Organization", "acme", {"productRef": {"name": "shop"}})
        spec: Object = {"organizationRef": {"name": "acme"}, "events": ["order.*"], "url": one.receiver.url}
        await stage.create("Callback", "orders", spec)
        await stage.ready("Callback", "orders")
        old = await one.key("Organization", "acme")
        await one.heard(await one.post(old))
        await delete(stage, "Organization", "acme")
        await stage.verdict("Callback", "orders", "ResolvedRefs", "OrganizationNotFound")
        await stage.create("Organization", "acme", {"productRef": {"name": "market"}})
        new = await one.key("Organization", "acme")
        await stage.ready("Callback", "orders")
        await dead(one, old)
        await one.heard(await one.post(new))


async def test_what_was_accepted_is_refused_once_its_callback_may_no_longer_hear(stage: Stage, elsewhere: str) -> None:
    """Permission that is taken back ends what waits, with a reason that says so much; what was delivered stays so."""
    reference: dict[str, Any] = {"productRef": {"name": "shop", "namespace": stage.namespace}}
    async with whole(stage, watch_namespaces=(stage.namespace, elsewhere)) as one:
        await stage.product(allowedNamespaces={"from": "All"})
        spec = reference | {"events": ["order.*"], "url": one.receiver.url}
        await stage.create("Callback", "orders", spec, elsewhere)
        await stage.ready("Callback", "orders", elsewhere)
        key = await one.key()
        delivered = await one.post(key)
        await one.heard(delivered)
        await stage.api.patch(stage.named("Callback", "orders", elsewhere), {"spec": {"suspend": True}})
        await stage.ready("Callback", "orders", elsewhere)
        waiting = await one.post(key)
        shop = stage.named("Product", "shop")
        await stage.api.patch(shop, {"spec": {"allowedNamespaces": {"from": "Same"}}})
        await stage.verdict("Callback", "orders", "ResolvedRefs", "NamespaceNotAllowed", elsewhere)
        ended = await one.ended(waiting, key)
        assert (ended["status"], ended["reason"]) == ("refused", "callback_deleted")
        assert (await one.ended(delivered, key))["status"] == "delivered"
        assert (await one.post(key)).json["status"] == "unmatched"


async def test_nothing_bears_a_finalizer(stage: Stage) -> None:
    """So nothing holds a namespace up, with or without an operator."""
    async with whole(stage) as one:
        await stage.product()
        await stage.create("Organization", "acme", {"productRef": {"name": "shop"}})
        await stage.callback(url=one.receiver.url)
        await stage.ready("Callback", "warehouse")
        await stage.ready("Organization", "acme")
        for kind, name in (("Product", "shop"), ("Organization", "acme"), ("Callback", "warehouse")):
            assert "finalizers" not in (await stage.api.get(stage.named(kind, name)))["metadata"]
        for name in ("shop-angarium", "acme-angarium", "warehouse-signing"):
            assert "finalizers" not in (await stage.api.get(stage.named("Secret", name)))["metadata"]
