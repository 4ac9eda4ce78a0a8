"""Beside GitOps tools and people: several managers of one spec, nothing that differs for ever, and tools that wait."""

import asyncio
import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.api import Api, Object
from tests.cluster.conftest import Kubectl
from tests.cluster.operating import PATIENCE, Stage, condition
from tests.contract.kstatus import kstatus
from tests.contract.refusals import MINIMAL, manifest

EXAMPLES = Path(__file__).parents[2] / "examples"
TOOL = ("--server-side", "--field-manager=argocd-controller")


def quickstart(stage: Stage) -> str:
    """The objects of the quick start, as one file for the stage's namespace."""
    documents = [
        document
        for file in sorted((EXAMPLES / "quickstart").glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
    ]
    for document in documents:
        document["metadata"]["namespace"] = stage.namespace
    return yaml.safe_dump_all(documents)


def managers(found: Object) -> dict[str, list[str]]:
    """By manager: which parts of an object it has set."""
    return {
        f"{entry['manager']}{'/' + entry['subresource'] if 'subresource' in entry else ''}": sorted(
            name for name in entry["fieldsV1"]
        )
        for entry in found["metadata"]["managedFields"]
    }


async def run(kubectl: Kubectl, *arguments: str, stdin: str = "") -> str:
    """What kubectl printed; the operator goes on meanwhile."""
    return await asyncio.to_thread(kubectl, *arguments, stdin=stdin)


@pytest.mark.parametrize("how", [(), ("--server-side",), TOOL], ids=["kubectl", "server side", "a tool"])
async def test_what_was_applied_never_differs(stage: Stage, kubectl: Kubectl, how: tuple[str, ...]) -> None:
    files = quickstart(stage)
    async with stage.data_plane(), stage.operator():
        await run(kubectl, "apply", *how, "-f", "-", stdin=files)
        await stage.ready("Product", "shop")
        await stage.ready("Callback", "warehouse")
        assert await run(kubectl, "diff", *how, "-f", "-", stdin=files) == ""
        await stage.annotate("Product", "shop", rotate_requested_at="now")
        await stage.event("KeyRotated", "shop")
        assert await run(kubectl, "diff", *how, "-f", "-", stdin=files) == ""
        again = await run(kubectl, "apply", *how, "-f", "-", stdin=files)
    assert [line.split()[-1] for line in again.splitlines()] == (
        ["serverside-applied"] * 2 if how else ["unchanged"] * 2
    )


async def test_a_person_and_a_tool_share_a_spec(stage: Stage, kubectl: Kubectl) -> None:
    theirs: Object = {"productRef": {"name": "shop"}, "events": ["order.*"], "url": "https://warehouse.example.com"}
    tools = yaml.safe_dump(stage.named("Callback", "warehouse") | {"spec": theirs})
    persons = yaml.safe_dump(stage.named("Callback", "warehouse") | {"spec": {"delivery": {"maxInFlight": 3}}})
    async with stage.data_plane(), stage.operator():
        await stage.product()
        await run(kubectl, "apply", *TOOL, "-f", "-", stdin=tools)
        await stage.ready("Callback", "warehouse")
        await run(kubectl, "apply", "--server-side", "--field-manager=jane", "-f", "-", stdin=persons)
        found = await stage.ready("Callback", "warehouse")
        for manager, file in (("argocd-controller", tools), ("jane", persons)):
            as_manager = ("--server-side", f"--field-manager={manager}", "-f", "-")
            assert await run(kubectl, "diff", *as_manager, stdin=file) == ""
        other = persons.replace("delivery:", "url: https://other.example.com\n  delivery:")
        with pytest.raises(AssertionError, match=r"conflict with .argocd-controller.: \.spec\.url"):
            await run(kubectl, "apply", "--server-side", "--field-manager=jane", "-f", "-", stdin=other)
    assert found["spec"]["delivery"]["maxInFlight"] == 3
    assert found["spec"]["url"] == theirs["url"]
    assert managers(found) == {
        "argocd-controller": ["f:spec"],
        "jane": ["f:spec"],
        "angarium-operator/status": ["f:status"],
    }


@pytest.mark.parametrize("kind", list(MINIMAL))
async def test_what_nobody_has_looked_at_is_not_taken_for_done(
    crds_installed: None, api: Api, namespace: str, kind: str
) -> None:
    await api.create(manifest(kind, MINIMAL[kind], namespace=namespace))
    found = await api.get(manifest(kind, None, namespace=namespace))
    assert found["status"] == {"observedGeneration": -1}
    assert kstatus(found) == "InProgress"


async def test_kubectl_wait_returns_for_this_very_spec(stage: Stage, kubectl: Kubectl) -> None:
    wait = ("wait", "--for=condition=Ready", "callback/warehouse", "-n", stage.namespace)
    async with stage.data_plane():
        async with stage.operator():
            await stage.product()
            await stage.callback()
            await run(kubectl, *wait, f"--timeout={PATIENCE}s")
        change = {"spec": {"url": "https://other.example.com"}}
        edited = await stage.api.patch(stage.named("Callback", "warehouse"), change)
        assert condition(edited, "Ready")["status"] == "True"  # of the former generation
        assert kstatus(edited) == "InProgress"
        with pytest.raises(AssertionError, match="timed out"):
            await run(kubectl, *wait, "--timeout=1s")
        async with stage.operator():
            await run(kubectl, *wait, f"--timeout={PATIENCE}s")
            assert kstatus(await stage.api.get(stage.named("Callback", "warehouse"))) == "Current"


async def test_kubectl_wait_knows_what_is_stuck_and_what_may_come(stage: Stage, kubectl: Kubectl) -> None:
    async with stage.data_plane(), stage.operator():
        await stage.callback("early")
        await stage.callback("private", url="http://10.0.0.7/hooks")
        of = ("-n", stage.namespace, f"--timeout={PATIENCE}s")
        await run(kubectl, "wait", "--for=condition=Reconciling", "callback/early", *of)
        await run(kubectl, "wait", "--for=condition=Stalled", "callback/private", *of)
        await stage.product()
        early = await stage.ready("Callback", "early")
        private = await stage.verdict("Callback", "private", "Stalled", "AddressRefused")
    assert {each["type"] for each in early["status"]["conditions"]} & {"Reconciling", "Stalled"} == set()
    assert private.startswith("10.0.0.7 is a private address")


async def test_kubectl_get_shows_the_way_to_ready(stage: Stage, kubeconfig: Path) -> None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    command = [Path(assets) / "kubectl" if assets else "kubectl", f"--kubeconfig={kubeconfig}", "get", "aprod", "-w"]
    async with stage.data_plane(), stage.operator():
        process = await asyncio.create_subprocess_exec(
            *command, "-n", stage.namespace, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            await stage.product()
            rows = await rows_until(process, "True")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    assert rows[0][:2] == ["NAME", "READY"]
    assert [row[:2] for row in rows[-1:]] == [["shop", "True"]]
    assert {row[0] for row in rows[1:]} == {"shop"}


async def rows_until(process: Any, ready: str) -> list[list[str]]:
    """What kubectl printed until a row has this in its second column."""
    rows: list[list[str]] = []
    async with asyncio.timeout(PATIENCE):
        while line := (await process.stdout.readline()).decode():
            rows.append(line.split())
            if rows[-1][1:2] == [ready]:
                break
    return rows
