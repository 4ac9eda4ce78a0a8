"""What recipients get, by channel: the shapes that callers post, deliverers send and topics are rendered to.

The body of a notification for recipients is a JSON list of contents, of which each target names one; or an object with
a content for each channel, where who is reached by which is found user by user.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

_OURS = {
    "bcc", "cc", "content-transfer-encoding", "content-type", "date", "disposition-notification-to", "from",
    "list-unsubscribe", "list-unsubscribe-post", "message-id", "mime-version", "reply-to", "return-path", "sender",
    "subject", "to",
}  # fmt: skip
_OURS_BEGIN = ("content-", "orig-", "resent-")  # of the body's form, and of what is sent on by people
_HEADER = re.compile(r"[!-9;-~]{1,64}")
_BREAK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # what anybody may take for the end of a line among them
_ENCODED = re.compile(r"=\?[^?]*\?[bq]\?", re.IGNORECASE)  # RFC 2047
_TYPE = r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$"
_ADDRESS = re.compile(r"[^\s<>@,;:\"()\[\]\\]+@[^\s<>@,;:\"()\[\]\\]+")
MOST_LEVELS = 32  # of blocks
LARGEST_PUSH = 4096  # bytes: FCM and APNs take no more


def _one_line(text: str) -> str:
    if _BREAK.search(text):
        raise ValueError("must be one line, without control characters")
    if _ENCODED.search(text):  # which could hide a line's end, and with it further headers
        raise ValueError("must be plain text: encoded words (=?utf-8?q?…?=) are made of it where they are needed")
    return text


def _plain(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if not _HEADER.fullmatch(name) or name.lower() in _OURS or name.lower().startswith(_OURS_BEGIN):
            raise ValueError(f"{name[:64]!r} can't be set here")
    return headers


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("must be base64") from error
    return text


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be an address, like jane@example.com")
    return text


def _way_out(text: str) -> str:
    if not text.startswith(("https://", "mailto:")) or any(character in text for character in "<> "):
        raise ValueError("must be an https:// or mailto: URL")
    return text


def _single(kind: str) -> str:
    if kind.lower().startswith(("message/", "multipart/")):
        raise ValueError("must be that of a file: send a message as application/octet-stream")
    return kind


Line = Annotated[str, StringConstraints(min_length=1, max_length=998), AfterValidator(_one_line)]
Address = Annotated[str, StringConstraints(max_length=254), AfterValidator(_one_line), AfterValidator(_address)]


def _shallow(blocks: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """What is written again may not be endlessly deep."""
    level: list[Any] = [*blocks]
    for _ in range(MOST_LEVELS):
        level = [each for one in level if isinstance(one, dict | list) for each in _inside(one)]
        if not level:
            return blocks
    raise ValueError(f"must not be nested more than {MOST_LEVELS} levels deep")


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


FileType = Annotated[str, StringConstraints(max_length=127, pattern=_TYPE), AfterValidator(_single)]
WayOut = Annotated[str, StringConstraints(max_length=998), AfterValidator(_one_line), AfterValidator(_way_out)]


class Content(BaseModel):
    """Names are camelCase outside; what is unknown is refused, since it may be a typing error that matters."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)

    def stored(self) -> dict[str, Any]:
        """As it is stored."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


class Attachment(Content):
    """A file of an e-mail."""

    filename: Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_one_line)]
    content_type: FileType = "application/octet-stream"
    content: Annotated[str, AfterValidator(_base64)] = Field(description="The file in base64.", repr=False)


class Email(Content):
    """An e-mail."""

    subject: Line
    text: str = Field(default="", description="Plain text; at least one of text and html.")
    html: str = ""
    attachments: tuple[Attachment, ...] = Field(default=(), max_length=32)
    headers: Annotated[dict[str, Line], AfterValidator(_plain)] = Field(
        default_factory=dict, description="Further headers, like X-Ticket."
    )
    reply_to: Address | None = None
    list_unsubscribe: WayOut | None = Field(
        default=None, description="https:// (one click, RFC 8058) or mailto: URL by which recipients leave the list."
    )
    receipt: Literal["delivery", "read"] | None = Field(
        default=None,
        description="Notice back to replyTo or the sender, by the recipient's server (DSN) or its reader (MDN).",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.text and not self.html:
            raise ValueError("needs text or html")
        return self


class Template(Content):
    """A message that the carrier has approved, with what goes into it."""

    id: Annotated[str, StringConstraints(pattern=r"^HX[0-9a-f]{32}$")] = Field(description="Content SID.")
    variables: dict[str, str] = Field(default_factory=dict)


class Text(Content):
    """An SMS or a WhatsApp message: a body, or an approved template."""

    body: Annotated[str, StringConstraints(max_length=1600)] = ""
    template: Template | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if bool(self.body) == bool(self.template):
            raise ValueError("needs exactly one of body and template")
        return self


class Push(Content):
    """A push message: what is shown, and what the application gets."""

    title: str = ""
    body: str = ""
    image: Annotated[str, StringConstraints(max_length=2048, pattern="^https://")] | None = None
    data: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not (self.title or self.body or self.data):
            raise ValueError("needs title, body or data")
        if len(orjson.dumps(self.stored())) > LARGEST_PUSH:
            raise ValueError(f"{LARGEST_PUSH:,} bytes at most")
        return self


class Slack(Content):
    """A message to a Slack channel; with blocks, `text` is what notifications show."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=40_000)]
    blocks: Annotated[tuple[dict[str, Any], ...], AfterValidator(_shallow)] = Field(default=(), max_length=50)


class Telegram(Content):
    """A message of a bot to a chat."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    parse_mode: Literal["HTML", "MarkdownV2"] | None = None
    silent: bool = False


class Apprise(Content):
    """A message to what a URL of a provider's Secret names, as the service behind it shows it."""

    title: Annotated[str, StringConstraints(max_length=998), AfterValidator(_one_line)] = ""
    body: Annotated[str, StringConstraints(min_length=1, max_length=40_000)]
    type: Literal["info", "success", "warning", "failure"] = "info"
    format: Literal["text", "markdown", "html"] = Field(
        default="text", description="Of the body; it is converted to what the service takes."
    )


CONTENTS: dict[str, type[Content]] = {
    "email": Email,
    "sms": Text,
    "whatsapp": Text,
    "push": Push,
    "slack": Slack,
    "telegram": Telegram,
    "apprise": Apprise,
}


def write_contents(contents: list[Content]) -> bytes:
    """The body of a notification for recipients."""
    return orjson.dumps([content.stored() for content in contents])


def write_by_channel(contents: Mapping[str, Content]) -> bytes:
    """The same with a content for each channel."""
    return orjson.dumps({channel: content.stored() for channel, content in contents.items()})


def channels_of(body: bytes) -> tuple[str, ...]:
    """The channels that a body has a content for, where it says so."""
    read = orjson.loads(body)
    return tuple(read) if isinstance(read, dict) else ()


def read_content(channel: str, body: bytes, number: int) -> Content:
    """One of them; raises ValueError where an older or newer version wrote what this one can't read."""
    try:
        read = orjson.loads(body)
        return CONTENTS[channel].model_validate(read[channel if isinstance(read, dict) else number])
    except (KeyError, IndexError) as error:
        raise ValueError(f"there is no content {number} for {channel}") from error
