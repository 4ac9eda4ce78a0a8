"""From YAML to Ready: what a platform team sees of a Product, an Organization and a Callback."""

from tests.cluster.accounts import RBAC, wait_until_granted
from tests.cluster.conftest import ActAs, Kubectl
from tests.cluster.operating import RULES, Stage, applied, condition

from angarium import apikeys
from angarium.records import CallbackRecord, ProductRecord


async def test_a_product_without_a_spec_gets_a_key_that_gateways_know(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.create("Product", "shop")
        product = await stage.ready("Product", "shop")
        secret = await stage.secret("shop-angarium")
    tokens = {"jwt-private-key", "jwt-key-id", "jwt-issuer"}
    assert secret.keys() == {"type", "provider", "uri", "host", "port", "api-key", "key-id", "product"} | tokens
    assert (secret["uri"], secret["host"], secret["port"]) == (
        "http://angarium-gateway.angarium:8480",
        "angarium-gateway.angarium",
        "8480",
    )
    record = gateway.records[f"product/{stage.namespace}/shop"]
    assert isinstance(record, ProductRecord)
    assert record.keys[0].sha256 == apikeys.digest(secret["api-key"])
    assert record.id == product["status"]["productID"]
    assert product["status"]["binding"] == {"name": "shop-angarium"}
    assert [c["type"] for c in product["status"]["conditions"]] == [
        "Accepted",
        "CredentialsReady",
        "Programmed",
        "Ready",
    ]
    assert "finalizers" not in product["metadata"]
    assert "annotations" not in product["metadata"]


async def test_the_secret_belongs_to_its_product(stage: Stage) -> None:
    async with stage.operator():
        product = await stage.product()
        await stage.secret("shop-angarium")
    found = await stage.api.get(stage.named("Secret", "shop-angarium"))
    assert found["type"] == "servicebinding.io/angarium"
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Product", "shop", product["metadata"]["uid"])


async def test_a_callback_of_an_organization_hears_of_its_tenant(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.create("Organization", "acme", {"productRef": {"name": "shop"}, "weight": 2})
        events = {"organizationRef": {"name": "acme"}, "events": ["order.*"]}
        await stage.create("Callback", "orders", events | {"serviceRef": {"name": "orders", "port": 8080}})
        organization = await stage.ready("Organization", "acme")
        callback = await stage.ready("Callback", "orders")
        secret = await stage.secret("acme-angarium")
    assert (secret["product"], secret["organization"]) == ("shop", "acme")
    record = gateway.records[f"callback/{stage.namespace}/orders"]
    assert isinstance(record, CallbackRecord)
    assert record.tenant == organization["status"]["organizationID"]
    assert record.in_cluster
    assert callback["status"]["url"] == record.url == f"http://orders.{stage.namespace}.svc:8080/"


async def test_what_kubectl_shows(stage: Stage, kubectl: Kubectl) -> None:
    async with stage.data_plane(), stage.operator():
        await stage.product(displayName="Web shop")
        await stage.callback()
        await stage.ready("Product", "shop")
        await stage.ready("Callback", "warehouse")
        products = kubectl("get", "products", "-n", stage.namespace, "--no-headers").split()
        callbacks = kubectl("get", "callbacks", "-n", stage.namespace, "--no-headers").split()
        kubectl("wait", "--for=condition=Ready", "callback/warehouse", "-n", stage.namespace, "--timeout=5s")
        described = kubectl("describe", "product", "shop", "-n", stage.namespace)
    assert products[:2] == ["shop", "True"]
    assert products[2].startswith("prd_")
    assert callbacks[:4] == ["warehouse", "True", "Unknown", "0"]
    assert "https://warehouse.example.com/hooks" in callbacks
    assert "CredentialsIssued" in described


async def test_nothing_is_ready_before_gateway_and_deliverer_have_applied_it(stage: Stage) -> None:
    async with stage.operator(doubt_seconds=0), stage.pod("gateway") as gateway:
        await stage.product()
        shop = stage.named("Product", "shop")
        await stage.until(shop, lambda seen: condition(seen, "Programmed").get("message") == "no deliverer is alive")
        async with stage.pod("deliverer"):
            ready = await stage.ready("Product", "shop")
            assert gateway.revision >= 1
        await stage.verdict("Product", "shop", "Programmed", "DataPlaneUnavailable")
    assert condition(ready, "Programmed")["reason"] == "Programmed"
    assert len(await stage.events("Programmed", "shop")) == 1


async def test_a_changed_spec_is_unready_until_it_is_applied(stage: Stage) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")
        await stage.api.patch(stage.named("Callback", "warehouse"), {"spec": {"suspend": True}})
        again = await stage.ready("Callback", "warehouse")
        key = f"callback/{stage.namespace}/warehouse"
        await applied(gateway, lambda tail: getattr(tail.records[key], "suspended", False))
    assert again["status"]["observedGeneration"] == 2


async def test_a_role_in_its_namespace_is_enough(stage: Stage, act_as: ActAs) -> None:
    kubeconfig = await act_as("narrow")
    metadata = {"name": "narrow", "namespace": stage.namespace}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": RULES}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "narrow"},
        "subjects": [{"kind": "ServiceAccount"} | metadata],
    }
    for manifest in (role, binding):
        await stage.api.apply(manifest)
    await wait_until_granted(stage.api, account, RULES)
    async with stage.data_plane(), stage.operator(kubeconfig=str(kubeconfig)):
        await stage.product()
        await stage.callback()
        await stage.ready("Callback", "warehouse")
        await stage.event("CredentialsIssued", "warehouse")
