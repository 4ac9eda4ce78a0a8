"""Objects of any shape that a CRD allows, for hypothesis: each field there or not, each list and map of some length.

Texts are only as long as they may be, since what rules say of their words is no matter of conversion.
"""

from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]
NAMES = st.from_regex(r"\A[a-z][a-z0-9]{0,7}\Z")


def shaped(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that the schema allows."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            return _objects(schema)
        case "array":
            return st.lists(shaped(schema["items"]), min_size=schema.get("minItems", 0), max_size=2)
        case "integer":
            return st.integers(schema.get("minimum", 0), schema.get("maximum", 2**31 - 1))
        case "number":
            return st.floats(0, 1000)
        case "boolean":
            return st.booleans()
        case _:
            return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 8), 8))


def _objects(schema: Schema) -> st.SearchStrategy[Any]:
    if "additionalProperties" in schema:
        return st.dictionaries(NAMES, shaped(schema["additionalProperties"]), max_size=2)
    properties = {name: shaped(each) for name, each in schema.get("properties", {}).items()}
    needed = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: each for name, each in properties.items() if name in needed},
        optional={name: each for name, each in properties.items() if name not in needed},
    )
