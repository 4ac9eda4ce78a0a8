"""Durations as Gateway API writes them (GEP-2257): `15s`, `1h30m`, `250ms`; hours are the largest unit."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from angarium.resources.rules import Rule, with_rules

PATTERN = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"
LONGEST_TEXT = 32
_UNITS = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


class InvalidDuration(ValueError):
    """The text is no duration like 15s or 1h30m."""


def parse_duration(text: str) -> timedelta:
    """Read `1h30m`; raises InvalidDuration."""
    if not re.fullmatch(PATTERN, text):
        raise InvalidDuration(f"{text[:60]!r} is no duration like 15s, 1h30m or 250ms")
    return sum((int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|h|m|s)", text)), timedelta())


def format_duration(duration: timedelta) -> str:
    """The shortest text that reads back as the duration, to the millisecond: `720h`, `1h30m`, `0s`."""
    left = duration // timedelta(milliseconds=1)
    parts = []
    for unit, length in _UNITS.items():
        count, left = divmod(left, length // timedelta(milliseconds=1))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


@dataclass(frozen=True, slots=True)
class Duration:
    """Annotates a timedelta that is written as text and lies within bounds, both included: `Duration("1s", "30s")`."""

    shortest: str
    longest: str

    @property
    def rule(self) -> Rule:
        """The bounds and the shape in one rule, so that a wrong value gets one message."""
        return Rule(
            cel=f"self.matches('{PATTERN}') && duration(self) >= duration('{self.shortest}')"
            f" && duration(self) <= duration('{self.longest}')",
            message=f"must be a duration from {self.shortest} to {self.longest}, like 15s, 1h30m or 250ms",
        )

    def validate(self, value: Any) -> timedelta:
        """Accept the text of a manifest, or a timedelta given in code."""
        try:
            duration = value if isinstance(value, timedelta) else parse_duration(str(value))
        except InvalidDuration:
            duration = None
        if duration is None or not parse_duration(self.shortest) <= duration <= parse_duration(self.longest):
            raise PydanticCustomError("rule", "{message}", {"message": self.rule.message})
        return duration

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read and write text in JSON and Python mode alike."""
        text = core_schema.plain_serializer_function_ser_schema(format_duration, return_schema=core_schema.str_schema())
        return core_schema.no_info_plain_validator_function(self.validate, serialization=text)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A bounded string with the rule."""
        return with_rules({"type": "string", "maxLength": LONGEST_TEXT}, (self.rule,))


Timeout = Annotated[timedelta, Duration("1s", "30s")]
Delay = Annotated[timedelta, Duration("100ms", "72h")]
Period = Annotated[timedelta, Duration("100ms", "24h")]
Patience = Annotated[timedelta, Duration("1h", "720h")]
Retention = Annotated[timedelta, Duration("1h", "2160h")]
Interval = Annotated[timedelta, Duration("1h", "17520h")]
Overlap = Annotated[timedelta, Duration("0s", "720h")]
Lookback = Annotated[timedelta, Duration("1m", "2160h")]
Deadline = Annotated[timedelta, Duration("5s", "1h")]
