"""One rule, two enforcers, one message: CEL in the API server, Python in `angarium dev` and the operator.

A rule that only shows when old and new are compared (immutability) has no Python check; the API server alone sees both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold of a value: `cel` for the API server, `check` the same in Python, `message` for people.

    Stands in `Annotated[...]` for a field, or in a model's `rules`; `at` points below the value (`.productRef`).
    """

    cel: str
    message: str
    check: Callable[[Any], bool] | None = None
    at: str = ""

    def enforce(self, value: Any) -> Any:
        """Return the value, or raise the message as a validation error."""
        if self.check is not None and not self.check(value):
            raise PydanticCustomError("rule", "{message}", {"message": self.message, "at": self.at})
        return value

    def as_json(self) -> dict[str, str]:
        """The entry in x-kubernetes-validations."""
        entry = {"rule": self.cel, "message": self.message}
        return entry | {"fieldPath": self.at} if self.at else entry

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check after the type's own validation."""
        return core_schema.no_info_after_validator_function(self.enforce, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Hand the CEL form to the generator of the CRDs."""
        return with_rules(handler(schema), (self,))


class Distinct:
    """A list without repetitions, to which several appliers may each add (`x-kubernetes-list-type: set`)."""

    @staticmethod
    def enforce(values: Any) -> Any:
        """Return the values, or raise."""
        if len(set(values)) != len(values):
            raise PydanticCustomError("rule", "must not hold the same value twice")
        return values

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check after the list's own validation."""
        return core_schema.no_info_after_validator_function(self.enforce, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The API server checks it by itself."""
        return handler(schema) | {"x-kubernetes-list-type": "set"}


def with_rules(schema: JsonSchemaValue, rules: tuple[Rule, ...]) -> JsonSchemaValue:
    """The schema with the rules added to those it has."""
    if not rules:
        return schema
    return schema | {VALIDATIONS: [*schema.get(VALIDATIONS, []), *(rule.as_json() for rule in rules)]}


class Model(BaseModel):
    """Part of a resource: camelCase outside, snake_case inside, immutable."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True)

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, value: Any) -> Any:
        """As in the API server: `labels:` with nothing after it means the default."""
        if not isinstance(value, dict):
            return value
        return {name: given for name, given in value.items() if given is not None}

    @model_validator(mode="after")
    def _enforce_rules(self) -> Self:
        for rule in self.rules:
            rule.enforce(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the model's rules to the definition that its references point to."""
        reference = handler(schema)
        definition = handler.resolve_ref_schema(reference)
        definition.update(with_rules(definition, cls.rules))
        return reference


class SpecModel(Model):
    """Part of a spec: a field we don't know is a mistake, and is reported."""

    model_config = ConfigDict(extra="forbid")


class StatusModel(Model):
    """Part of a status or of metadata: what others add is none of our business."""

    model_config = ConfigDict(extra="ignore")
