"""From pydantic's JSON schema to the structural schema that apiextensions/v1 takes.

What differs, each learnt from a real API server's refusal: no $ref, no anyOf for optional fields, no const, no title,
no `additionalProperties: false` (the server prunes or reports unknown fields by itself). Only scalar defaults are
taken over: a default object would be written into every resource, where GitOps tools then see a difference.
"""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, NoDefault
from pydantic_core import core_schema

from angarium.resources.durations import format_duration
from angarium.resources.rules import VALIDATIONS

INT32 = 2**31 - 1
_REFERENCES = "#/$defs/"


class StructuralJsonSchema(GenerateJsonSchema):
    """Takes the turns that inlining afterwards can't."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """An optional field is one that may be left out, not one that may be null."""
        return self.generate_inner(schema["schema"])

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """The API server drops `const` silently."""
        return {"type": "string", "enum": list(schema["expected"])}

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """Say how wide it is, as the API conventions ask."""
        narrow = schema.get("le", INT32 + 1) <= INT32
        return super().int_schema(schema) | {"format": "int32" if narrow else "int64"}

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        """A list has one owner unless its field says otherwise."""
        return {"x-kubernetes-list-type": "atomic"} | super().tuple_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        """Titles only repeat the name."""
        return False

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        """Scalars only."""
        default = super().get_default_value(schema)
        if isinstance(default, timedelta):
            return format_duration(default)
        return default if isinstance(default, str | int | bool) and default != "" else NoDefault


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model as one schema without references."""
    schema = model.model_json_schema(schema_generator=StructuralJsonSchema)
    inlined = _inline(schema, schema.get("$defs", {}))
    if not isinstance(inlined, dict):
        raise TypeError(f"{model.__name__} has no object schema")
    return inlined


def _inline(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = _merge(definitions[node["$ref"].removeprefix(_REFERENCES)], node)
    return {key: _inline_properties(key, value, definitions) for key, value in node.items() if _is_wanted(key, value)}


def _inline_properties(key: str, value: Any, definitions: dict[str, Any]) -> Any:
    if key == "properties":  # its keys are names, which may well be "title" or "$ref"
        return {name: _inline(schema, definitions) for name, schema in value.items()}
    return _inline(value, definitions)


def _merge(definition: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """What a field says beside its reference wins over the definition; rules of both hold."""
    rules = [*definition.get(VALIDATIONS, []), *reference.get(VALIDATIONS, [])]
    merged = definition | {key: value for key, value in reference.items() if key != "$ref"}
    return merged | {VALIDATIONS: rules} if rules else merged


def _is_wanted(key: str, value: Any) -> bool:
    return key not in ("title", "$defs") and not (key == "additionalProperties" and value is False)
