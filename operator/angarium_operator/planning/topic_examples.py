"""Whether a topic can be rendered: its templates are looked at, and each example is rendered as a post would be.

So what is wrong shows when the topic is applied, with the field named, and not when the first service posts.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from angarium.contents import Content, Text
from angarium.records import TopicRecord
from angarium.resources import Topic
from angarium.resources.topic import Example, RenderedExample, RenderedIntegration
from angarium.topics import Fault, Rendered, Unfit, mistakes, read_metadata, render, segments
from angarium_operator.planning.verdicts import Verdict, no

MOST_FAULTS = 3  # that a condition names
LONGEST = 160  # characters of a summary's beginning
PLAIN = (Example(name="no variables"),)  # what is rendered where no example is needed


class Trial(NamedTuple):
    """What came of it; `problem` is None where all went well."""

    problem: Verdict | None
    examples: tuple[RenderedExample, ...] = ()


def try_out(topic: Topic, record: TopicRecord) -> Trial:
    """Render all examples."""
    if faults := list(mistakes(record)):
        return Trial(no("TemplateInvalid", _words(faults)))
    rendered = []
    for number, example in enumerate(topic.spec.examples or PLAIN):
        metadata = read_metadata(json.dumps(example.metadata, default=str))
        try:
            rendered.append((example.name, render(record, metadata)))
        except Unfit as unfit:
            return Trial(no("ExampleFails", _words(_placed(unfit.faults, number), f' (example "{example.name}")')))
    told = rendered if topic.spec.examples else []
    return Trial(None, tuple(_told(name, made, record) for name, made in told))


def _placed(faults: Sequence[Fault], number: int) -> list[Fault]:
    """What is wrong with the variables stands in the example itself."""
    return [
        Fault(("examples", number, *fault.at), fault.detail) if fault.at[0] == "metadata" else fault for fault in faults
    ]


def _words(faults: Sequence[Fault], after: str = "") -> str:
    """`spec.integrations[1].template.subject: is required`."""
    return "; ".join(f"{_field(fault)}: {fault.detail}" for fault in faults[:MOST_FAULTS]) + after


def _field(fault: Fault) -> str:
    return "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault.at)


def _told(name: str, made: tuple[Rendered, ...], record: TopicRecord) -> RenderedExample:
    summaries = tuple(RenderedIntegration(name=each.integration.name, summary=_summary(each, record)) for each in made)
    return RenderedExample(name=name, integrations=summaries)


def _summary(rendered: Rendered, record: TopicRecord) -> str:
    content, channel = rendered.content, rendered.integration.channel
    if content is None:
        return f"event {record.path.replace('/', '.')}"
    if channel == "sms" and isinstance(content, Text) and content.body:
        count = segments(content.body)
        size = f"{count} segment{'s' if count > 1 else ''}"
    else:
        size = f"{len(orjson.dumps(content.stored())):,} bytes"
    beginning = " ".join(_beginning(content).split())
    return f"{channel}, {size}: {beginning if len(beginning) <= LONGEST else beginning[: LONGEST - 1] + '…'}"


def _beginning(content: Content) -> str:
    shown = (getattr(content, name, "") for name in ("subject", "title", "body", "text"))
    return next((text for text in shown if text), "")
