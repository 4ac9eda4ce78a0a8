"""A real API server for the tests of this folder, or one visible line that says how to get it."""

import os
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml
from tests.cluster.accounts import grant, token_of, wait_until_granted
from tests.cluster.api import Api, Object, Refused, collection
from tests.cluster.apiserver import shared_api_server
from tests.cluster.kubeconfig import Access, read_kubeconfig, write_kubeconfig
from tests.cluster.proxy import Proxy

from angarium.settings import RedisSettings

if TYPE_CHECKING:
    from tests.cluster.operating import Stage
    from tests.gateway.running import Gateway

ROOT = Path(__file__).parents[2]
HOW = (
    "no API server: export KUBEBUILDER_ASSETS=$(setup-envtest use -p path) for one of our own,"
    " or ANGARIUM_TEST_KUBECONFIG=FILE for any cluster"
)

Kubectl = Callable[..., str]
ActAs = Callable[..., Awaitable[Path]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have all tests without a server skip at one place, so that the summary folds them into one line."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and report.longrepr[2].endswith(HOW):
        report.longrepr = (__file__, 1, report.longrepr[2])
    return report


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The path of an admin's kubeconfig."""
    given, assets = os.environ.get("ANGARIUM_TEST_KUBECONFIG"), os.environ.get("KUBEBUILDER_ASSETS")
    if given:
        yield Path(given)
    elif assets:
        base = tmp_path_factory.getbasetemp()
        shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
        with shared_api_server(shared / "cluster", Path(assets)) as path:
            yield path
    else:
        pytest.skip(HOW)


@pytest.fixture(scope="session")
def access(kubeconfig: Path) -> Access:
    """How the admin reaches the server."""
    return read_kubeconfig(kubeconfig)


@pytest.fixture(scope="session")
def crds_installed(access: Access) -> None:
    """The CRDs of the repository are served."""
    install_crds(access)


def install_crds(access: Access) -> None:
    """Have the CRDs of the repository served. Other workers may install them at the same time."""
    definitions = [yaml.safe_load(file.read_text()) for file in sorted((ROOT / "crds").glob("*.yaml"))]
    with httpx.Client(base_url=access.server, verify=access.tls(), headers=access.headers(), trust_env=False) as client:
        for definition in definitions:
            response = client.patch(
                f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}",
                params={"fieldManager": "tests", "force": "true"},
                headers={"content-type": "application/apply-patch+yaml"},
                json=definition,
            )
            assert response.is_success, response.json()["message"]
        for definition in definitions:
            _wait_until_served(client, definition["spec"]["names"]["plural"])


def _wait_until_served(client: httpx.Client, plural: str) -> None:
    end = time.monotonic() + 30
    while not client.get(f"/apis/angarium.dev/v1alpha1/{plural}").is_success:
        assert time.monotonic() < end, f"{plural} are not served"
        time.sleep(0.05)


@pytest.fixture
async def api(access: Access) -> AsyncIterator[Api]:
    """The admin's client."""
    async with Api(access) as client:
        yield client


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    """A fresh namespace; nothing of ours is left in it afterwards."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await api.create(manifest)
    yield name
    for kind in ("CallbackTest", "Replay", "Topic", "Provider", "Callback", "Organization", "Product"):
        ours = {"apiVersion": "angarium.dev/v1alpha1", "kind": kind, "metadata": {"namespace": name}}
        try:
            await api.request("DELETE", collection(ours))
        except Refused as refused:
            if refused.status != 404:  # the CRDs may never have been installed
                raise
    try:
        await api.delete(manifest)
    except Refused as refused:
        if refused.status != 409:  # a test has deleted it, and nobody ends namespaces here
            raise


@pytest.fixture
async def elsewhere(api: Api) -> AsyncIterator[str]:
    """Another namespace."""
    name = f"e-{uuid.uuid4().hex[:10]}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    for kind in ("Callback", "Organization", "Product"):
        ours = {"apiVersion": "angarium.dev/v1alpha1", "kind": kind, "metadata": {"namespace": name}}
        await api.request("DELETE", collection(ours))
    secrets = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": name}}
    await api.request("DELETE", collection(secrets))
    await api.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


@pytest.fixture
def kubectl(kubeconfig: Path, tmp_path: Path) -> Kubectl:
    """The real kubectl, for what only it shows: `kubectl("get", "angarium", "-n", namespace)` gives what it printed."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    binary = Path(assets) / "kubectl" if assets else Path("kubectl")

    def run(*arguments: str, stdin: str = "") -> str:
        command: list[str | Path] = [
            binary,
            f"--kubeconfig={kubeconfig}",
            f"--cache-dir={tmp_path / 'kubectl'}",
            *arguments,
        ]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    return run


@pytest.fixture
async def act_as(api: Api, namespace: str, tmp_path: Path) -> AsyncIterator[ActAs]:
    """A kubeconfig of a ServiceAccount in the fresh namespace: `await act_as("operator", rules=[...])`.

    `rules` are those of a ClusterRole, granted everywhere until the test ends; leave them out when the account's roles
    are applied by hand (as the chart's are). `in_namespace` names an account elsewhere.
    """
    granted: list[Object] = []

    async def kubeconfig_of(name: str, rules: list[Object] | None = None, in_namespace: str = namespace) -> Path:
        metadata = {"name": name, "namespace": in_namespace}
        account: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
        await api.apply(account)
        if rules is not None:
            granted.extend(grant(account, rules))
            for manifest in granted:
                await api.apply(manifest)
            await wait_until_granted(api, account, rules)
        path = tmp_path / f"{in_namespace}-{name}.kubeconfig"
        write_kubeconfig(path, api.access.with_token(await token_of(api, account)))
        return path

    yield kubeconfig_of
    for manifest in granted:
        await api.delete(manifest)


@pytest.fixture
async def stage(
    api: Api, namespace: str, crds_installed: None, act_as: ActAs, redis_settings: RedisSettings
) -> AsyncIterator["Stage"]:
    """A stage for the operator in the fresh namespace, with its account as the chart makes it."""
    from tests.cluster.operating import RULES, Stage  # imports kopf and kubernetes

    yield Stage(api, namespace, redis_settings, await act_as("operator", rules=RULES))
    secrets = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": namespace}}
    await api.request("DELETE", collection(secrets))  # nobody collects garbage here


@pytest.fixture
async def proxy(stage: "Stage") -> AsyncIterator[Proxy]:
    """Before the server; the stage's operator goes through it."""
    async with Proxy(stage.api.access) as proxy:
        access = replace(read_kubeconfig(stage.kubeconfig), server=proxy.url, authority="")
        write_kubeconfig(stage.kubeconfig, access)
        yield proxy


@pytest.fixture
async def gateway(stage: "Stage") -> AsyncIterator["Gateway"]:
    """A gateway, with a deliverer beside it."""
    from tests.cluster.callers import gateway_beside  # likewise

    async with gateway_beside(stage) as one:
        yield one
