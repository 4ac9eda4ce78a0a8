"""A trial of the first new version on a real API server: both served, no conversion webhook, nothing lost on the way.

With the strategy None the server changes nothing but `apiVersion`, and prunes what the version that is asked for does
not know. So a field gets its new name beside the old one in both schemas, and who reads takes either.
"""

import asyncio
import copy
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.cluster.api import Api, Object, Refused
from tests.contract.conversions import TRIAL, down, schema_with, up
from tests.contract.refusals import MINIMAL

from angarium.resources.crds import KINDS, crd

[RENAME] = TRIAL
OLD, NEW = {"delivery": {"maxInFlight": 7}}, {"delivery": {"concurrency": 9}}


@dataclass
class Trial:
    """Callbacks in a group of their own, whose definition can be changed."""

    api: Api
    namespace: str
    group: str

    @property
    def name(self) -> str:
        """Of the definition."""
        return f"callbacks.{self.group}"

    def definition(self, versions: list[Object]) -> Object:
        """With these versions."""
        made = copy.deepcopy(crd(next(kind for kind in KINDS if kind.name == "Callback")))
        made["metadata"] = {"name": self.name}
        made["spec"] |= {"group": self.group, "versions": versions, "conversion": {"strategy": "None"}}
        made["spec"]["names"] |= {"shortNames": [], "categories": []}
        return made

    async def serve(self, *versions: Object) -> None:
        """Install, and wait until each version answers, or no longer does."""
        await self.api.apply(self.definition(list(versions)))
        for version in versions:
            while await self._served(version["name"]) != version["served"]:
                await asyncio.sleep(0.05)

    async def _served(self, version: str) -> bool:
        return (await self.api.client.get(self.path(version, ""))).is_success

    def path(self, version: str, name: str) -> str:
        """Of an object, or of all."""
        return f"/apis/{self.group}/{version}/namespaces/{self.namespace}/callbacks/{name}".rstrip("/")

    def manifest(self, version: str, name: str, spec: Object) -> Object:
        """A callback in a version."""
        metadata = {"name": name, "namespace": self.namespace}
        whole = MINIMAL["Callback"] | spec
        return {"apiVersion": f"{self.group}/{version}", "kind": "Callback", "metadata": metadata, "spec": whole}

    async def apply(self, version: str, name: str, spec: Object) -> Object:
        """As a GitOps tool does it."""
        return await self.api.apply(self.manifest(version, name, spec), manager="tool")

    async def read(self, version: str, name: str) -> Object:
        """Its spec's delivery, as that version shows it."""
        found = await self.api.request("GET", self.path(version, name))
        assert found["apiVersion"] == f"{self.group}/{version}"
        delivery: Object = found["spec"].get("delivery", {})
        return delivery


def version(name: str, *, both: bool, storage: bool, served: bool = True) -> Object:
    """Of the definition; `both` names are in its schema, or else the one of that version alone."""
    [entry] = copy.deepcopy(crd(next(kind for kind in KINDS if kind.name == "Callback")))["spec"]["versions"]
    schema = entry["schema"]["openAPIV3Schema"]
    if both or name == "v1beta1":
        entry["schema"]["openAPIV3Schema"] = schema_with(schema, RENAME, keep=both)
    if not both and name == "v1beta1":
        del entry["selectableFields"]  # 1.36 refuses versions that have the same of these and different schemas
    made: Object = entry | {"name": name, "served": served, "storage": storage}
    return made


@pytest.fixture
async def trial(api: Api, namespace: str) -> AsyncIterator[Trial]:
    """With today's version alone."""
    one = Trial(api, namespace, f"trial-{uuid.uuid4().hex[:8]}.example.com")
    await one.serve(version("v1alpha1", both=False, storage=True))
    yield one
    await api.delete(one.definition([]))


async def test_a_field_gets_another_name_step_by_step(trial: Trial) -> None:
    await trial.apply("v1alpha1", "old", OLD)

    # 1: the new version is served beside the old one, both know both names, the old one is stored
    await trial.serve(version("v1alpha1", both=True, storage=True), version("v1beta1", both=True, storage=False))
    await trial.apply("v1beta1", "new", NEW)
    for served in ("v1alpha1", "v1beta1"):
        assert await trial.read(served, "old") == OLD["delivery"]
        assert await trial.read(served, "new") == NEW["delivery"]

    # 2: the new one is stored; what is stored in the old one is read on, and written anew object by object
    await trial.serve(version("v1alpha1", both=True, storage=False), version("v1beta1", both=True, storage=True))
    assert await trial.read("v1beta1", "old") == OLD["delivery"]
    for name in ("old", "new"):
        found = await trial.api.request("GET", trial.path("v1beta1", name))
        again = await trial.api.request("PUT", trial.path("v1beta1", name), json=found)
        assert (again["spec"], again["metadata"]["generation"]) == (found["spec"], 1)
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    kept = await trial.api.request("GET", f"{crds}/{trial.name}")
    assert kept["status"]["storedVersions"] == ["v1alpha1", "v1beta1"]
    kept["status"]["storedVersions"] = ["v1beta1"]
    await trial.api.request("PUT", f"{crds}/{trial.name}/status", json=kept)

    # 3: manifests are converted in Git, and their tool takes the old name back with the apply that sets the new one
    converted = up({"apiVersion": "angarium.dev/v1alpha1", "kind": "Callback", "spec": MINIMAL["Callback"] | OLD})
    applied = await trial.apply("v1beta1", "old", {"delivery": converted["spec"]["delivery"]})
    assert applied["spec"]["delivery"] == {"concurrency": 7}

    # 4: the old one is no longer served; its managers' entries do not stand in the way
    await trial.serve(version("v1alpha1", both=True, storage=False, served=False), stored_beta())
    with pytest.raises(Refused):
        await trial.read("v1alpha1", "old")
    again = await trial.apply("v1beta1", "old", {"delivery": {"concurrency": 8}})
    assert again["spec"]["delivery"] == {"concurrency": 8}


def stored_beta() -> Object:
    """The new version, served and stored."""
    return version("v1beta1", both=True, storage=True)


async def test_a_name_that_is_simply_changed_would_lose_what_was_written(trial: Trial) -> None:
    """Why the steps are needed: the strategy None prunes what the other version does not know."""
    await trial.apply("v1alpha1", "old", OLD)
    await trial.serve(version("v1alpha1", both=False, storage=True), version("v1beta1", both=False, storage=False))
    assert await trial.read("v1beta1", "old") == {}
    found = await trial.api.request("GET", trial.path("v1beta1", "old"))
    await trial.api.request("PUT", trial.path("v1beta1", "old"), json=found)
    assert await trial.read("v1alpha1", "old") == {}


async def test_what_the_server_gives_back_is_what_was_converted(trial: Trial) -> None:
    await trial.serve(version("v1alpha1", both=True, storage=True), version("v1beta1", both=True, storage=False))
    old: dict[str, Any] = {"apiVersion": "angarium.dev/v1alpha1", "kind": "Callback", "spec": MINIMAL["Callback"] | OLD}
    await trial.apply("v1beta1", "there", {"delivery": up(old)["spec"]["delivery"]})
    there = await trial.api.request("GET", trial.path("v1alpha1", "there"))
    assert down(there)["spec"]["delivery"] == OLD["delivery"]
