"""What a real API server refuses in a CRD, or drops silently, found without one.

Learnt from its answers; `kubernetes-validate` and the like let all of this pass.
"""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema

Schema = dict[str, Any]

DROPPED = ("const", "title", "uniqueItems", "definitions", "$defs", "patternProperties", "dependencies")
REFUSED_INSIDE = ("type", "description", "default", "additionalProperties", "nullable")
COMBINATORS = ("allOf", "anyOf", "oneOf")


def violations(schema: Schema, path: str = "") -> Iterator[str]:
    """Each finding as `path: what is wrong`."""
    for finding in (*_shape(schema), *_bounds(schema), *_default(schema), *_rules(schema)):
        yield f"{path or '.'}: {finding}"
    for name, child in schema.get("properties", {}).items():
        yield from violations(child, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from violations(schema[name], f"{path}[]")


def _shape(schema: Schema) -> Iterator[str]:
    if "$ref" in schema:
        yield "$ref is not resolved"
    elif "type" not in schema:
        yield "has no type"
    yield from (f"{name} is not known to structural schemas" for name in DROPPED if name in schema)
    if "properties" in schema and "additionalProperties" in schema:
        yield "properties and additionalProperties exclude each other"
    for combinator in COMBINATORS:
        for branch in schema.get(combinator, []):
            yield from (f"{name} inside {combinator}" for name in REFUSED_INSIDE if name in branch)


def _bounds(schema: Schema) -> Iterator[str]:
    """What has no bound counts as endless in the cost of CEL rules."""
    kind = schema.get("type")
    if kind == "string" and not {"maxLength", "enum"} & set(schema) and schema.get("format") != "date-time":
        yield "a string without maxLength"
    if kind == "array" and "maxItems" not in schema:
        yield "a list without maxItems"
    if kind == "array" and "x-kubernetes-list-type" not in schema:
        yield "a list without x-kubernetes-list-type"
    if "additionalProperties" in schema and "maxProperties" not in schema:
        yield "a map without maxProperties"


def _default(schema: Schema) -> Iterator[str]:
    if "default" in schema and not jsonschema.Draft7Validator(schema).is_valid(schema["default"]):
        yield f"the default {schema['default']!r} breaks its own bounds"
    asked = {name for rule in _cel(schema) for name in re.findall(r"has\(self\.(\w+)\)", rule["rule"])}
    for name, child in schema.get("properties", {}).items():
        if name in asked and "default" in child:
            yield f"{name} has a default, so that a rule which asks for its presence always finds it"


def _rules(schema: Schema) -> Iterator[str]:
    yield from (f"a rule without message: {rule['rule']}" for rule in _cel(schema) if not rule.get("message"))


def _cel(schema: Schema) -> list[dict[str, str]]:
    rules: list[dict[str, str]] = schema.get("x-kubernetes-validations", [])
    return rules
