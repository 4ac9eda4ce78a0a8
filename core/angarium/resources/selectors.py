"""Which namespaces a Product admits."""

from collections.abc import Mapping
from typing import Annotated, Literal, assert_never

from pydantic import ConfigDict, Field, StringConstraints

from angarium.resources.meta import ATOMIC
from angarium.resources.rules import Rule, SpecModel

LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=317)]
LabelValue = Annotated[str, StringConstraints(max_length=63)]


class Requirement(SpecModel):
    """One expression over a label."""

    rules = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
            message="In and NotIn need values; Exists and DoesNotExist take none",
            check=lambda self: (self.operator in ("In", "NotIn")) == bool(self.values),
            at=".values",
        ),
    )

    key: LabelKey = Field(description="The label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How it is compared.")
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] = Field(
        default=(),
        description="The values, for In and NotIn.",
    )

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy it; an absent label is NotIn anything."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case other:
                assert_never(other)


class LabelSelector(SpecModel):
    """Selects by labels; all parts must hold, and an empty selector takes all."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=32)] = Field(
        default={}, description="Labels and the values they must have."
    )
    match_expressions: Annotated[tuple[Requirement, ...], Field(max_length=32)] = Field(
        default=(),
        description="Expressions over labels.",
    )

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels are selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.holds(labels) for requirement in self.match_expressions
        )


class AllowedNamespaces(SpecModel):
    """The namespaces whose Organizations and Callbacks may refer to a Product."""

    rules = (
        Rule(
            cel="(self.from == 'Selector') == has(self.selector)",
            message="from: Selector needs a selector; Same and All take none",
            check=lambda self: (self.from_ == "Selector") == (self.selector is not None),
            at=".selector",
        ),
    )

    from_: Literal["Same", "All", "Selector"] = Field(
        default="Same", alias="from", description="Same: the product's own; All; Selector: those with these labels."
    )
    selector: LabelSelector | None = Field(default=None, description="Selects namespaces by their labels.")

    def admits(self, own: str, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether a Product in namespace `own` admits `namespace`, which has these labels."""
        if namespace == own or self.from_ == "All":
            return True
        return self.selector is not None and self.selector.matches(labels)
