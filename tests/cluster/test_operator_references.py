"""References: to what isn't there yet, to another namespace, to an address that nobody may dial."""

from tests.cluster.operating import Stage, applied


async def test_a_callback_waits_for_its_product(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.callback()
        message = await stage.verdict("Callback", "warehouse", "ResolvedRefs", "ProductNotFound")
        assert message == f'product "shop" does not exist in namespace "{stage.namespace}"'
        await stage.event("ProductNotFound", "warehouse")
        assert not gateway.records
        await stage.product()
        await stage.ready("Callback", "warehouse")


async def test_a_callback_waits_for_its_organization(stage: Stage) -> None:
    async with stage.data_plane(), stage.operator():
        spec = {"organizationRef": {"name": "acme"}, "events": ["order.*"], "url": "https://acme.example.com"}
        await stage.create("Callback", "orders", spec)
        message = await stage.verdict("Callback", "orders", "ResolvedRefs", "OrganizationNotFound")
        assert message == f'organization "acme" does not exist in namespace "{stage.namespace}"'
        await stage.create("Organization", "acme", {"productRef": {"name": "shop"}})
        await stage.verdict("Callback", "orders", "ResolvedRefs", "ProductNotFound")
        await stage.product()
        await stage.ready("Callback", "orders")


async def test_another_namespace_must_be_admitted(stage: Stage, elsewhere: str) -> None:
    reference = {"productRef": {"name": "shop", "namespace": stage.namespace}}
    async with stage.data_plane() as gateway, stage.operator(watch_namespaces=(stage.namespace, elsewhere)):
        await stage.product()
        spec = reference | {"events": ["order.*"], "url": "https://acme.example.com"}
        await stage.create("Callback", "orders", spec, elsewhere)
        message = await stage.verdict("Callback", "orders", "ResolvedRefs", "NamespaceNotAllowed", elsewhere)
        assert message == (
            f'product "shop" in namespace "{stage.namespace}" does not admit namespace "{elsewhere}"'
            " in its spec.allowedNamespaces"
        )
        shop = stage.named("Product", "shop")
        await stage.api.patch(shop, {"spec": {"allowedNamespaces": {"from": "All"}}})
        await stage.ready("Callback", "orders", elsewhere)
        await stage.api.patch(shop, {"spec": {"allowedNamespaces": {"from": "Same"}}})
        await applied(gateway, lambda tail: f"callback/{elsewhere}/orders" not in tail.records)


async def test_a_namespace_that_cannot_be_read_is_known_by_its_name(stage: Stage, elsewhere: str) -> None:
    named = {"matchLabels": {"kubernetes.io/metadata.name": elsewhere}}
    async with stage.data_plane(), stage.operator(watch_namespaces=(stage.namespace, elsewhere)):
        await stage.product(allowedNamespaces={"from": "Selector", "selector": named})
        reference = {"productRef": {"name": "shop", "namespace": stage.namespace}}
        await stage.create("Organization", "acme", reference, elsewhere)
        await stage.ready("Organization", "acme", elsewhere)


async def test_a_private_address_is_refused_before_anything_is_sent(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.callback(url="http://10.0.0.7/hooks")
        message = await stage.verdict("Callback", "warehouse", "Accepted", "AddressRefused")
        assert message == "10.0.0.7 is a private address; use serviceRef, or allow it in egress.allowedCIDRs"
        await stage.verdict("Callback", "warehouse", "Ready", "AddressRefused")
        assert f"callback/{stage.namespace}/warehouse" not in gateway.records


async def test_what_the_settings_allow_is_accepted(stage: Stage) -> None:
    async with stage.data_plane(), stage.operator(egress_allowed_cidrs="10.0.0.0/24"):
        await stage.product()
        await stage.callback(url="http://10.0.0.7/hooks")
        await stage.ready("Callback", "warehouse")
