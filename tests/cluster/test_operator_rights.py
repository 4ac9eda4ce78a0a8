"""What the operator may do is what it does: read in the audit log of a server with RBAC on, after it has done it all.

Its account has what the chart's files give it and no more, once in all namespaces, once in one.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from itertools import product as combinations
from pathlib import Path

import pytest
from tests.cluster.accounts import grant, grant_within, token_of, wait_until_granted
from tests.cluster.api import Api, Object
from tests.cluster.apiserver import shared_api_server
from tests.cluster.auditing import Audit, Right
from tests.cluster.callers import gateway_beside, key_of, made
from tests.cluster.conftest import HOW, install_crds
from tests.cluster.kubeconfig import read_kubeconfig, write_kubeconfig
from tests.cluster.operating import RULES, Stage
from tests.cluster.pair import LEASE, LEASE_RULES
from tests.gateway.running import Gateway

from angarium.settings import RedisSettings

LOOPBACK = "127.0.0.0/8"
IN_ONE = [
    rule for rule in RULES if rule["resources"] != ["namespaces"]
]  # as the chart does where watchNamespaces is set
pytestmark = pytest.mark.timeout(300)
MAIL = {"smtp": {"host": "127.0.0.1", "port": 9, "tls": "None", "from": "shop@example.com"}}


@pytest.fixture
async def alone(tmp_path: Path, redis_settings: RedisSettings) -> AsyncIterator[Stage]:
    """A server of the test's own, and on it the account of an operator that may do nothing yet."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        pytest.skip(HOW)
    with shared_api_server(tmp_path / "cluster", Path(assets)) as kubeconfig:
        access = read_kubeconfig(kubeconfig)
        await asyncio.to_thread(install_crds, access)
        async with Api(access) as api:
            await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
            account = await api.create(account_of("shop"))
            path = tmp_path / "operator.kubeconfig"
            write_kubeconfig(path, access.with_token(await token_of(api, account)))
            yield Stage(api, "shop", redis_settings, path)


def account_of(namespace: str) -> Object:
    """The operator's."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator", "namespace": namespace}}


def granted(rules: list[Object]) -> set[Right]:
    """All that rules name."""
    return {
        Right(*each) for rule in rules for each in combinations(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


async def everything(stage: Stage, gateway: Gateway) -> None:
    """All that it ever does: each kind, a key that is rotated, a Secret that is referred to, Callbacks for callers."""
    await stage.product()
    gateway.key = await key_of(stage, "Product", "shop")
    await stage.create("Organization", "acme", {"productRef": {"name": "shop"}})
    await stage.ready("Organization", "acme")
    await stage.callback()
    await stage.ready("Callback", "warehouse")
    await stage.api.create(stage.named("Secret", "mail") | {"stringData": {"username": "shop", "password": "x"}})
    await stage.create("Provider", "mail", MAIL | {"productRef": {"name": "shop"}, "secretRef": {"name": "mail"}})
    await stage.ready("Provider", "mail")
    integrations = [{"name": "warehouse", "callbackRef": {"name": "warehouse"}}]
    spec = {
        "productRef": {"name": "shop"},
        "path": "orders/paid",
        "integrations": integrations,
        "topicHash": {"required": True},
    }
    await stage.create("Topic", "paid", spec)
    await stage.ready("Topic", "paid")
    key = (await stage.secret("shop-angarium"))["api-key"]
    await stage.annotate("Product", "shop", rotate_requested_at="1")
    await stage.secret("shop-angarium", lambda found: found["data"]["api-key"] != key)
    await made(gateway)
    assert (await gateway.ask("POST", "/v1/callbacks/orders/suspend")).status == 200
    assert (await gateway.ask("DELETE", "/v1/callbacks/orders")).status == 204
    await stage.event("CredentialsIssued", "shop")
    of_shop, briefly = {"productRef": {"name": "shop"}}, {"ttlSecondsAfterFinished": 0}
    await stage.create("Replay", "again", of_shop | briefly | {"select": {}})
    await stage.create("CallbackTest", "try", briefly | {"callbackRef": {"name": "warehouse"}, "deadline": "5s"})
    for kind, name in (("Replay", "again"), ("CallbackTest", "try")):
        await stage.gone(stage.named(kind, name))


async def test_everywhere_no_right_is_unused_and_none_is_missing(alone: Stage) -> None:
    account = account_of(alone.namespace)
    for manifest in (*grant(account, RULES), *grant_within(account, LEASE_RULES)):
        await alone.api.apply(manifest)
    await rights_fit(alone, RULES, ())


async def test_in_one_namespace_no_right_is_unused_and_none_is_missing(alone: Stage) -> None:
    for manifest in grant_within(account_of(alone.namespace), [*IN_ONE, *LEASE_RULES]):
        await alone.api.apply(manifest)
    await rights_fit(alone, IN_ONE, (alone.namespace,))


async def rights_fit(stage: Stage, rules: list[Object], namespaces: tuple[str, ...]) -> None:
    """Run the operator with these rules, and compare them with what it asked for."""
    await wait_until_granted(stage.api, account_of(stage.namespace), rules)
    await wait_until_granted(stage.api, account_of(stage.namespace), LEASE_RULES)
    elected = {"operator_lease": LEASE, "operator_lease_namespace": stage.namespace, "operator_lease_retry": 0.3}
    acting = stage.operator(watch_namespaces=namespaces, egress_allowed_cidrs=LOOPBACK, **elected)
    async with gateway_beside(stage) as gateway, acting:
        await everything(stage, gateway)
    audit = Audit(stage.kubeconfig.parent / "cluster" / "admin.kubeconfig")
    user = f"system:serviceaccount:{stage.namespace}:operator"
    wanted, used = granted([*rules, *LEASE_RULES]), set[Right]()
    for _ in range(20):  # the last lines are written a moment later
        used = {each.right for each in audit.requests(user)}
        if used >= wanted:
            break
        await asyncio.sleep(0.25)
    assert [f"{each.right} {each.object}" for each in audit.requests(user) if each.status in (401, 403)] == []
    assert wanted - used == set()
    assert used - wanted == set()
