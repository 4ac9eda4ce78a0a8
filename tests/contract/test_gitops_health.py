"""What the shipped Argo CD script and Flux expressions make of our objects: run by a real Lua and a real CEL."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import celpy
import celpy.adapter
import lupa.lua54
import pytest
import yaml
from tests.contract.kstatus import kstatus
from tests.operator.circumstances import CIRCUMSTANCES, Circumstance, manifest
from tests.operator.worlds import World, product

from angarium.resources import API_VERSION
from angarium.resources.crds import KINDS

Object = dict[str, Any]
EXAMPLES = Path(__file__).parents[2] / "examples/gitops"
DELETED = "Terminating"  # both tools look at the time of deletion before they ask a script


def argo() -> Callable[[Object], tuple[str, str]]:
    """The script as Argo CD runs it: the global `obj`, and a table as the answer."""
    settings = yaml.safe_load((EXAMPLES / "argocd-cm.yaml").read_text())["data"]["resource.customizations"]
    script = yaml.safe_load(settings)["angarium.dev/*"]["health.lua"]
    lua = lupa.lua54.LuaRuntime(unpack_returned_tuples=True)

    def health(found: Object) -> tuple[str, str]:
        lua.globals().obj = lua.table_from(found, recursive=True)
        answer = lua.execute(script)
        return answer["status"], answer["message"]

    return health


def flux() -> dict[str, Callable[[Object], str]]:
    """By kind: what fluxcd/pkg's StatusEvaluator says, in the order in which it asks."""
    spec = yaml.safe_load((EXAMPLES / "flux-kustomization.yaml").read_text())["spec"]
    environment = celpy.Environment()

    def evaluator(said: Object) -> Callable[[Object], str]:
        programs = {
            state: environment.program(environment.compile(said[name]))
            for name, state in (("inProgress", "InProgress"), ("failed", "Failed"), ("current", "Current"))
        }

        def evaluate(found: Object) -> str:
            given = {name: celpy.adapter.json_to_cel(found[name]) for name in ("metadata", "spec", "status")}
            return next((state for state, program in programs.items() if program.evaluate(given)), "InProgress")

        return evaluate

    assert {said["apiVersion"] for said in spec["healthCheckExprs"]} == {API_VERSION}
    return {said["kind"]: evaluator(said) for said in spec["healthCheckExprs"]}


def waiting() -> list[Circumstance]:
    """All that a tool asks its script about."""
    return [case for case in CIRCUMSTANCES if case.kstatus != DELETED]


@pytest.mark.parametrize("case", waiting(), ids=str)
def test_argo_cd(case: Circumstance) -> None:
    found = case.object()
    status, message = argo()(found)
    assert status == case.argo
    assert message


@pytest.mark.parametrize("case", waiting(), ids=str)
def test_flux_says_what_kstatus_says(case: Circumstance) -> None:
    found = case.object()
    assert flux()[found["kind"]](found) == case.kstatus == kstatus(found)


def test_flux_is_told_of_every_kind() -> None:
    assert flux().keys() >= {kind.name for kind in KINDS}


def test_argo_cd_shows_the_reason() -> None:
    [refused] = [case for case in CIRCUMSTANCES if case.name == "address refused"]
    assert argo()(refused.object())[1].startswith("AddressRefused: 10.0.0.7 is a private address")


def test_without_a_status_nothing_is_healthy() -> None:
    """A cluster whose CRDs are older than the default status."""
    found = manifest(World(product()), "product", "shop")
    del found["status"]
    assert argo()(found)[0] == "Progressing"
