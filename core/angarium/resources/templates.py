"""What a topic says to the recipients of an integration: the fields of all channels' contents, each with $variables.

Which of them a channel has, and what each may hold, is said by the contents themselves (angarium.contents), to which
the operator renders a topic's examples.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from angarium.resources.rules import SpecModel

Line = Annotated[str, StringConstraints(max_length=998)]
Body = Annotated[str, StringConstraints(max_length=131_072)]
Short = Annotated[str, StringConstraints(max_length=4096)]
MOST_LEVELS = 32


def _shallow(value: dict[str, Any]) -> dict[str, Any]:
    """What is walked later may not be endlessly deep."""
    level: list[Any] = [value]
    for _ in range(MOST_LEVELS):
        level = [each for one in level for each in _inside(one)]
        if not level:
            return value
    raise ValueError(f"must not be nested more than {MOST_LEVELS} levels deep")


def _inside(value: Any) -> Iterable[Any]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
        case _:
            return ()


Anything = Annotated[
    dict[str, Any],
    AfterValidator(_shallow),
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True, "maxProperties": 64}),
]


class Approved(SpecModel):
    """A message that the carrier has approved."""

    id: Short = Field(description="Content SID of Twilio's.")
    variables: Annotated[dict[str, Short], Field(max_length=64)] = Field(
        default={}, description="What goes into it, by its own names."
    )


class Template(SpecModel):
    """What recipients get. Which fields there are depends on the channel; $name stands for a variable, $$ for $."""

    subject: Line | None = Field(default=None, description="Of an e-mail.")
    text: Body | None = Field(default=None, description="Of an e-mail, or a message in Slack or Telegram.")
    html: Body | None = Field(default=None, description="Of an e-mail; variables are escaped.")
    headers: Annotated[dict[str, Line], Field(max_length=32)] | None = Field(
        default=None, description="Further headers of an e-mail, like X-Ticket."
    )
    reply_to: Line | None = Field(default=None, description="Whom answers to an e-mail go to.")
    list_unsubscribe: Line | None = Field(
        default=None, description="https:// or mailto: URL by which recipients of an e-mail leave the list."
    )
    receipt: Literal["delivery", "read"] | None = Field(default=None, description="Notice back of an e-mail.")
    body: Short | None = Field(default=None, description="Of an SMS, a WhatsApp message or a push message.")
    template: Approved | None = Field(default=None, description="Of an SMS or a WhatsApp message, instead of body.")
    title: Short | None = Field(default=None, description="Of a push message.")
    image: Short | None = Field(default=None, description="https:// URL of a push message's picture.")
    data: Annotated[dict[str, Short], Field(max_length=64)] | None = Field(
        default=None, description="What the application gets with a push message."
    )
    blocks: Annotated[tuple[Anything, ...], Field(max_length=50)] | None = Field(
        default=None, description="Blocks of a message in Slack; variables are escaped."
    )
    parse_mode: Literal["HTML", "MarkdownV2"] | None = Field(
        default=None, description="Markup of a message in Telegram; variables are escaped accordingly."
    )
    silent: bool | None = Field(default=None, strict=True, description="Whether a message in Telegram makes no sound.")
