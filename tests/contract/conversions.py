"""Trying out how an object gets from one API version to the next and back, before there is a next one.

A conversion is a list of steps on plain objects, each of which can be taken back. The trial renames a field that people
really set; a real `v1beta1` brings its own steps, and the tests that use these hold for them as they stand.
"""

import copy
from dataclasses import dataclass
from typing import Any

from angarium.resources import API_VERSION, GROUP

Object = dict[str, Any]
BETA = f"{GROUP}/v1beta1"


@dataclass(frozen=True)
class Rename:
    """A field of a kind gets another name at the same place; `within` are the fields on the way to it."""

    kind: str
    within: tuple[str, ...]
    old: str
    new: str

    def up(self, found: Object) -> None:
        """To the newer version; where both are given (by two managers, while both are served) the new name counts."""
        _rename(found, self.within, self.old, self.new)

    def down(self, found: Object) -> None:
        """And back."""
        _rename(found, self.within, self.new, self.old)


TRIAL = (Rename("Callback", ("spec", "delivery"), "maxInFlight", "concurrency"),)


def up(found: Object, steps: tuple[Rename, ...] = TRIAL) -> Object:
    """The object as v1beta1 has it."""
    return _converted(found, BETA, [step.up for step in steps if step.kind == found["kind"]])


def down(found: Object, steps: tuple[Rename, ...] = TRIAL) -> Object:
    """The object as v1alpha1 has it."""
    return _converted(found, API_VERSION, [step.down for step in reversed(steps) if step.kind == found["kind"]])


def _converted(found: Object, version: str, steps: list[Any]) -> Object:
    converted = copy.deepcopy(found) | {"apiVersion": version}
    for step in steps:
        step(converted)
    return converted


def _rename(found: Object, within: tuple[str, ...], old: str, new: str) -> None:
    for name in within:
        found = found.get(name) or {}
    if old in found:
        value = found.pop(old)
        found.setdefault(new, value)


def schema_with(schema: Object, step: Rename, *, keep: bool) -> Object:
    """A CRD's schema with the new name, beside the old one (`keep`) or in its place."""
    changed = copy.deepcopy(schema)
    parent = changed
    for name in step.within:
        parent = parent["properties"][name]
    parent["properties"][step.new] = parent["properties"][step.old]
    if not keep:
        del parent["properties"][step.old]
    return changed
