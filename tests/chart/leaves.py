"""The single values that the schema knows, by their paths."""

from collections.abc import Iterator
from typing import Any

FREE = ("resources",)  # its parts are Kubernetes's


def leaves(schema: dict[str, Any]) -> list[str]:
    """`gateway.service.port` and its like; `global` is for charts that hold this one."""
    return [path for path in _below(schema, schema) if path != "global"]


def _below(part: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, each in part["properties"].items():
        found = schema_of(each, schema)
        if "properties" in found and key not in FREE:
            yield from _below(found, schema, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def schema_of(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to."""
    while "$ref" in part:
        part = schema["definitions"][part["$ref"].rsplit("/", 1)[1]]
    return part


def at(values: dict[str, Any], path: str) -> Any:
    """The value; a KeyError where there is none."""
    found: Any = values
    for key in path.split("."):
        found = found[key]
    return found


def nested(path: str, value: Any) -> dict[str, Any]:
    """Values with nothing but this one."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


def merged(*layers: dict[str, Any]) -> dict[str, Any]:
    """Later layers win, as Helm merges them: maps by key, all else whole."""
    whole: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(whole.get(key), dict)
            whole[key] = merged(whole[key], value) if both else value
    return whole
