"""An operator that serves all namespaces, on an API server of its own: it would meddle with other tests."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from tests.cluster.accounts import grant, token_of, wait_until_granted
from tests.cluster.api import Api, Object
from tests.cluster.apiserver import shared_api_server
from tests.cluster.conftest import HOW, ROOT
from tests.cluster.kubeconfig import read_kubeconfig, write_kubeconfig
from tests.cluster.operating import RULES, Stage

from angarium.settings import RedisSettings


@pytest.fixture
async def alone(tmp_path: Path, redis_settings: RedisSettings) -> AsyncIterator[Stage]:
    """A server without our CRDs, and the operator's account."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        pytest.skip(HOW)
    with shared_api_server(tmp_path / "cluster", Path(assets)) as kubeconfig:
        access = read_kubeconfig(kubeconfig)
        async with Api(access) as api:
            metadata = {"name": "operator", "namespace": "default"}
            account: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
            for manifest in [account, *grant(account, RULES)]:
                await api.apply(manifest)
            await wait_until_granted(api, account, RULES)
            path = tmp_path / "operator.kubeconfig"
            write_kubeconfig(path, access.with_token(await token_of(api, account)))
            yield Stage(api, "shop", redis_settings, path)


async def namespace(stage: Stage, name: str, **labels: str) -> None:
    """A namespace with labels."""
    metadata = {"name": name, "labels": labels}
    await stage.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


async def install(stage: Stage) -> None:
    """The CRDs."""
    for file in sorted((ROOT / "crds").glob("*.yaml")):
        await stage.api.apply(yaml.safe_load(file.read_text()))
    for plural in ("products", "organizations", "callbacks"):
        manifest: Object = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        await stage.until(manifest | {"metadata": {"name": f"{plural}.angarium.dev"}}, _established)


def _established(seen: Object) -> bool:
    conditions = seen.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


async def test_an_operator_that_is_there_before_its_crds_admits_namespaces_by_their_labels(alone: Stage) -> None:
    await namespace(alone, "shop")
    await namespace(alone, "acme")
    reference = {"productRef": {"name": "shop", "namespace": "shop"}}
    async with alone.data_plane(), contextlib.AsyncExitStack() as stack:
        starting = asyncio.create_task(stack.enter_async_context(alone.operator(watch_namespaces=())))
        await install(alone)
        await starting
        selector = {"matchLabels": {"customer": "yes"}}
        await alone.product(allowedNamespaces={"from": "Selector", "selector": selector})
        await alone.create("Organization", "acme", reference, "acme")
        await alone.verdict("Organization", "acme", "ResolvedRefs", "NamespaceNotAllowed", "acme")
        await namespace(alone, "acme", customer="yes")
        await alone.ready("Organization", "acme", "acme")
        await namespace(alone, "acme", customer="no")
        await alone.verdict("Organization", "acme", "ResolvedRefs", "NamespaceNotAllowed", "acme")
