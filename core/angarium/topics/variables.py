"""The variables of a topic: what may be posted, checked, and as the texts that templates get.

Numbers are put in as they were written: 19.90 stays 19.90, and 12345678901234567890123 loses no digit.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from angarium.records import VariableRecord

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS = {
    "string": "must be a string",
    "integer": "must be an integer",
    "number": "must be a number",
    "boolean": "must be true or false",
}


class Number(str):
    """A number, as it was written."""

    __slots__ = ()


class Fault(NamedTuple):
    """What is wrong, and where: the names and positions that lead there."""

    at: tuple[str | int, ...]
    detail: str


class Unfit(Exception):
    """What was given can't be rendered."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, fault.at))}: {fault.detail}" for fault in faults))
        self.faults = faults


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number)


def read_metadata(text: str) -> Any:
    """JSON that is known to be valid, with its numbers as they were written."""
    return _DECODER.decode(text)


def texts(variables: Mapping[str, VariableRecord], metadata: Mapping[str, Any]) -> dict[str, str]:
    """What templates get: a text for each variable; raises Unfit with all that is wrong, `at` the variable's name.

    One that may be left out and has no default is the empty text.
    """
    faults = [*_unknown(variables, metadata), *_wrong(variables, metadata)]
    if faults:
        raise Unfit(faults)
    return {name: _text(metadata[name]) if name in metadata else each.default for name, each in variables.items()}


def misfit(variable: VariableRecord, text: str) -> str:
    """What is wrong with the text of a default or of an enum; empty where nothing is."""
    match variable.type:
        case "integer" if not _INTEGER.fullmatch(text):
            return _WORDS["integer"]
        case "number" if not _NUMBER.fullmatch(text):
            return _WORDS["number"]
        case "boolean" if text not in ("true", "false"):
            return _WORDS["boolean"]
        case _:
            return _bounds(variable, text)


def _unknown(variables: Mapping[str, VariableRecord], metadata: Mapping[str, Any]) -> Iterator[Fault]:
    for name in metadata:
        if name not in variables:
            yield Fault((name,), "is no variable of this topic")


def _wrong(variables: Mapping[str, VariableRecord], metadata: Mapping[str, Any]) -> Iterator[Fault]:
    for name, variable in variables.items():
        if name not in metadata:
            if variable.required:
                yield Fault((name,), "is required")
        elif detail := _problem(variable, metadata[name]):
            yield Fault((name,), detail)


def _problem(variable: VariableRecord, value: Any) -> str:
    if _type_of(value) not in ((variable.type, "integer") if variable.type == "number" else (variable.type,)):
        return _WORDS[variable.type]
    return _bounds(variable, _text(value))


def _bounds(variable: VariableRecord, text: str) -> str:
    if variable.enum and text not in variable.enum:
        return f"must be one of {', '.join(variable.enum)}"
    if variable.max_length is not None and len(text) > variable.max_length:
        return f"{variable.max_length:,} characters at most"
    return ""


def _type_of(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case Number():
            return "integer" if _INTEGER.fullmatch(value) else "number"
        case str():
            return "string"
        case _:
            return "other"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
