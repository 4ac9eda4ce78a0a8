"""From a topic and its variables to what each integration sends."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from pydantic import ValidationError

from angarium.contents import CONTENTS, Content, Text
from angarium.records import IntegrationRecord, TopicRecord
from angarium.topics.escaping import escape
from angarium.topics.segments import is_gsm, segments
from angarium.topics.variables import Fault, Unfit, misfit, texts

_ANYTHING = re.compile(r"\S"), "must not be empty"
_PHONE = re.compile(r"\+[0-9 ()./-]{3,}$"), "must be a phone number with its country code, like +4930123456"
_SHAPES = {  # roughly: the gateway, which has the libraries for it, looks closer
    "email": (re.compile(r"[^\s@]+@[^\s@]+$"), "must be an address, like jane@example.com"),
    "sms": _PHONE,
    "whatsapp": _PHONE,
}
LARGEST_TEXT = 262_144  # characters of variables in a text: as many as may be posted at all
DOLLAR = "a $ must be followed by the name of a variable; write $$ for the sign itself"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What an integration sends; a callback gets the topic's payload, which is the same for all: no content."""

    integration: IntegrationRecord
    to: tuple[str, ...] = ()
    content: Content | None = None


def render(topic: TopicRecord, metadata: Mapping[str, Any]) -> tuple[Rendered, ...]:
    """One for each integration; raises Unfit: `at` begins with "metadata" or "integrations"."""
    try:
        values = texts(topic.variables, metadata)
    except Unfit as unfit:
        raise Unfit([Fault(("metadata", *fault.at), fault.detail) for fault in unfit.faults]) from None
    rendered, faults = [], []
    for number, integration in enumerate(topic.integrations):
        try:
            rendered.append(_integration(integration, values))
        except Unfit as unfit:
            faults += [Fault(("integrations", number, *fault.at), fault.detail) for fault in unfit.faults]
    if faults:
        raise Unfit(faults)
    return tuple(rendered)


def mistakes(topic: TopicRecord) -> Iterator[Fault]:
    """What is wrong with a topic whatever its variables hold."""
    for name, variable in topic.variables.items():
        for number, text in enumerate(variable.enum):
            if detail := misfit(variable, text):
                yield Fault(("variables", name, "enum", number), detail)
        if variable.default and (detail := misfit(variable, variable.default)):
            yield Fault(("variables", name, "default"), detail)
    for number, integration in enumerate(topic.integrations):
        for at, text in _texts(integration):
            if detail := _mistake(text, topic):
                yield Fault(("integrations", number, *at), detail)


def _mistake(text: str, topic: TopicRecord) -> str:
    template = Template(text)
    if not template.is_valid():
        return DOLLAR
    unknown = [name for name in template.get_identifiers() if name not in topic.variables]
    return f"${unknown[0]} is not among spec.variables" if unknown else ""


def _texts(integration: IntegrationRecord) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield from ((("to", number), text) for number, text in enumerate(integration.to))
    yield from _below(integration.template, ("template",))


def _below(value: Any, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    match value:
        case str():
            yield at, value
        case dict():
            for name, each in value.items():
                yield from _below(each, (*at, name))
        case list():
            for number, each in enumerate(value):
                yield from _below(each, (*at, number))
        case _:
            pass  # a number or a boolean


def _integration(integration: IntegrationRecord, values: Mapping[str, str]) -> Rendered:
    if not integration.channel:
        return Rendered(integration)
    to = [_substituted(text, values, str, ("to", number)).strip() for number, text in enumerate(integration.to)]
    shape, words = _SHAPES.get(integration.channel, _ANYTHING)
    if faults := [Fault(("to", number), words) for number, text in enumerate(to) if not shape.match(text)]:
        raise Unfit(faults)
    return Rendered(integration, tuple(dict.fromkeys(to)), _content(integration, values))


def _content(integration: IntegrationRecord, values: Mapping[str, str]) -> Content:
    channel, template = integration.channel, integration.template
    mode = template.get("parseMode")
    filled = {name: _fill(value, values, _escaping(channel, name, mode)) for name, value in template.items()}
    try:
        content = CONTENTS[channel].model_validate(filled)
    except ValidationError as error:
        raise Unfit([_fault(each) for each in error.errors(include_url=False, include_context=False)]) from None
    if channel == "sms" and isinstance(content, Text):
        _require_few(content.body, integration.max_segments)
    return content


def _escaping(channel: str, field: str, mode: str | None) -> Callable[[str], str]:
    return lambda text: escape(channel, field, mode, text)


def _fill(value: Any, values: Mapping[str, str], escaped: Callable[[str], str]) -> Any:
    match value:
        case str():
            return _substituted(value, values, escaped, ("template",))
        case dict():
            return {name: _fill(each, values, escaped) for name, each in value.items()}
        case list():
            return [_fill(each, values, escaped) for each in value]
        case _:
            return value


def _substituted(text: str, values: Mapping[str, str], escaped: Callable[[str], str], at: tuple[str | int, ...]) -> str:
    """Only what stands in the text is looked at; a variable that stands there often may make a lot of a small post."""
    names = [found["named"] or found["braced"] for found in Template.pattern.finditer(text)]
    if sum(len(values[name]) for name in names if name in values) > LARGEST_TEXT:
        raise Unfit([Fault(at, f"{LARGEST_TEXT:,} characters at most with its variables")])
    return Template(text).substitute({name: escaped(values[name]) for name in {*names} if name in values})


def _require_few(body: str, most: int) -> None:
    count = segments(body)
    if count > most:
        encoding = "GSM 7-bit" if is_gsm(body) else "UCS-2, since a character is outside of GSM 7-bit"
        raise Unfit([Fault(("template", "body"), f"{count} SMS segments ({encoding}); {most} at most")])


def _fault(error: Any) -> Fault:
    if error["type"] == "missing":
        return Fault(("template", *error["loc"]), "is required")
    if error["type"] == "extra_forbidden":
        return Fault(("template", *error["loc"]), "is not a field of this channel")
    text = error["msg"].removeprefix("Value error, ")
    return Fault(("template", *error["loc"]), text[:1].lower() + text[1:])
