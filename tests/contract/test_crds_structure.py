"""The CRDs are ones that an API server takes as they are: checked where there is no server."""

from typing import Any

import pytest
import yaml
from tests.contract.structure import Schema, violations

from angarium.resources.crds import KINDS, crd, documents

NAMES = [kind.name for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_schema_is_structural_and_bounded(kind: Any) -> None:
    """No finding at all, apart from the two fields that the server knows by itself."""
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["apiVersion"], schema["properties"]["kind"]
    assert list(violations(schema)) == []


@pytest.mark.parametrize(
    ("schema", "finding"),
    [
        ({"$ref": "#/$defs/X"}, "$ref is not resolved"),
        ({}, "has no type"),
        ({"type": "string", "maxLength": 1, "const": "a"}, "const is not known to structural schemas"),
        ({"type": "string", "maxLength": 1, "title": "a"}, "title is not known to structural schemas"),
        ({"type": "integer", "anyOf": [{"type": "integer"}]}, "type inside anyOf"),
        ({"type": "object", "oneOf": [{"default": 1}]}, "default inside oneOf"),
        ({"type": "string"}, "a string without maxLength"),
        ({"type": "array", "x-kubernetes-list-type": "atomic"}, "a list without maxItems"),
        ({"type": "array", "maxItems": 1}, "a list without x-kubernetes-list-type"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "a map without maxProperties"),
        (
            {"type": "object", "properties": {}, "additionalProperties": False},
            "properties and additionalProperties exclude each other",
        ),
        ({"type": "string", "maxLength": 2, "default": "abc"}, "the default 'abc' breaks its own bounds"),
        ({"type": "string", "enum": ["a"], "default": "b"}, "the default 'b' breaks its own bounds"),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1"}]}, "a rule without message: self > 1"),
        (
            {
                "type": "object",
                "properties": {"smtp": {"type": "integer", "default": 587}, "slack": {"type": "integer"}},
                "x-kubernetes-validations": [{"rule": "has(self.smtp) != has(self.slack)", "message": "one of them"}],
            },
            "smtp has a default, so that a rule which asks for its presence always finds it",
        ),
    ],
)
def test_check_finds_what_a_server_refuses(schema: Schema, finding: str) -> None:
    """Each finding can be found, below as well as at the top."""
    assert f".: {finding}" in violations(schema)
    assert f".spec: {finding}" in violations({"type": "object", "properties": {"spec": schema}})


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_everything_is_described(kind: Any) -> None:
    """`kubectl explain` has an answer for each field of spec and status."""
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert [path for name in ("spec", "status") for path in _undescribed(schema[name], name)] == []


def _undescribed(schema: Schema, path: str) -> list[str]:
    own = [] if schema.get("description", "").endswith(".") else [path]
    inner = (schema, schema.get("items", {}), schema.get("additionalProperties", {}))
    children = {name: child for each in inner for name, child in each.get("properties", {}).items()}
    return own + [found for name, child in children.items() for found in _undescribed(child, f"{path}.{name}")]


def test_what_lacks_a_description_is_found_in_lists_and_maps() -> None:
    """As deep as it goes."""
    bare: Schema = {"type": "object", "properties": {"a": {"type": "string"}}, "description": "Told."}
    listed: Schema = {"type": "array", "items": bare, "description": "Told."}
    mapped: Schema = {"type": "object", "additionalProperties": bare, "description": "Told."}
    whole: Schema = {"type": "object", "properties": {"l": listed, "m": mapped}, "description": "Told."}
    assert _undescribed(whole, "spec") == ["spec.l.a", "spec.m.a"]


def test_yaml_reads_back() -> None:
    """What is written is what was meant, and twice the same."""
    assert [yaml.safe_load(text) for text in documents().values()] == [crd(kind) for kind in KINDS]
    assert documents() == documents()
