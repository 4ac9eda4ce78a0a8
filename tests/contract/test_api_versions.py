"""From v1alpha1 to v1beta1 and back nothing is lost: every example, and whatever else the CRDs allow."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.conversions import BETA, TRIAL, Rename, down, schema_with, up
from tests.contract.shapes import shaped

from angarium.resources import API_VERSION
from angarium.resources.crds import KINDS, crd

Object = dict[str, Any]
EXAMPLES = Path(__file__).parents[2] / "examples"
METADATA = {"name": "x", "namespace": "shop", "annotations": {"example.com/of": "theirs"}, "labels": {"a": "b"}}
SCHEMAS = {kind.name: crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for kind in KINDS}


def examples() -> list[Object]:
    """All of our kinds under examples/."""
    documents = [
        document for file in sorted(EXAMPLES.rglob("*.yaml")) for document in yaml.safe_load_all(file.read_text())
    ]
    return [document for document in documents if document and document.get("apiVersion") == API_VERSION]


def objects(kind: str, schema: Object, version: str) -> st.SearchStrategy[Object]:
    """Of a kind, in a version."""
    parts = {name: shaped(schema["properties"][name]) for name in ("spec", "status")}
    fixed = {"apiVersion": st.just(version), "kind": st.just(kind), "metadata": st.just(METADATA)}
    return st.fixed_dictionaries({**fixed, **parts})


@pytest.mark.parametrize("found", examples(), ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_examples_go_there_and_back(found: Object) -> None:
    there = up(found)
    assert there["apiVersion"] == BETA
    assert down(there) == found


@pytest.mark.parametrize("kind", SCHEMAS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_whatever_the_crds_allow_goes_there_and_back(kind: str, data: st.DataObject) -> None:
    old = data.draw(objects(kind, SCHEMAS[kind], API_VERSION))
    assert down(up(old)) == old
    schema = SCHEMAS[kind]
    for step in TRIAL:
        schema = schema_with(schema, step, keep=False) if step.kind == kind else schema
    new = data.draw(objects(kind, schema, BETA))
    assert up(down(new)) == new


def test_the_trial_renames_something() -> None:
    found = {"apiVersion": API_VERSION, "kind": "Callback", "metadata": METADATA}
    there = up(found | {"spec": {"delivery": {"maxInFlight": 7}}})
    assert there["spec"] == {"delivery": {"concurrency": 7}}
    both = found | {"spec": {"delivery": {"maxInFlight": 7, "concurrency": 9}}}
    assert up(both)["spec"] == {"delivery": {"concurrency": 9}}


def test_a_conversion_that_loses_something_is_found() -> None:
    """Two names that become one."""
    careless = (Rename("Callback", ("spec",), "url", "events"),)
    found = {"apiVersion": API_VERSION, "kind": "Callback", "metadata": METADATA, "spec": {"url": "u", "events": ["e"]}}
    assert down(up(found, careless), careless) != found


def test_there_are_examples_of_most_kinds() -> None:
    assert {each["kind"] for each in examples()} >= {"Product", "Callback", "Provider", "Topic"}
