"""What callers may ask about users, groups and devices; see `requests`."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from angarium.identifiers import is_user_id
from angarium.people import CHANNELS, PLATFORMS
from angarium_gateway import addresses
from angarium_gateway.requests import Request

MOST_ROWS = 10_000  # in one request
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _text(text: str) -> str:
    if _CONTROL.search(text) or text != text.strip():
        raise ValueError("must have no control characters, and no blanks at its ends")
    return text


def _group_name(text: str) -> str:
    if "/" in text or text in {".", ".."}:
        raise ValueError('must not be "." or "..", and have no "/" in it')
    return addresses.normalize_name(_text(text))


def _user_id(text: str) -> str:
    if not is_user_id(text):
        raise ValueError("must be a user's id, like usr_01K…")
    return text


def _blank_is_plus(value: Any) -> Any:
    """`?phone=+49…` arrives as ` 49…` unless it was escaped."""
    return "+" + value[1:] if isinstance(value, str) and value.startswith(" ") else value


def _each_once(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError("names one twice")
    return values


Phone = Annotated[str, AfterValidator(addresses.phone), WithJsonSchema({"type": "string", "examples": ["+4930123456"]})]
Email = Annotated[
    str, Field(max_length=254), AfterValidator(addresses.email), WithJsonSchema({"type": "string", "format": "email"})
]
Key = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_text)]
UserId = Annotated[str, AfterValidator(_user_id), WithJsonSchema({"type": "string", "pattern": "^usr_[0-9A-Z]{26}$"})]
GroupName = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_group_name)]
Token = Annotated[str, Field(pattern=r"^[!-~]{1,1024}$")]
Platform = Literal["android", "ios", "web"]
Channel = Literal["email", "sms", "whatsapp", "push", "slack", "telegram"]
assert Platform.__args__ == PLATFORMS  # type: ignore[attr-defined]  # noqa: S101
assert Channel.__args__ == CHANNELS  # type: ignore[attr-defined]  # noqa: S101


class DeviceRow(Request):
    """A device that push messages go to."""

    token: Token = Field(description="What the push service calls it; printable ASCII without blanks.")
    platform: Platform = Field(description="What it is.")


def _devices(devices: list[DeviceRow]) -> list[DeviceRow]:
    _each_once([device.token for device in devices])
    return devices


class UserPatch(Request):
    """What is to be changed of a user; null takes away, what is not named stays."""

    key: Key | None = Field(default=None, description="Your own name for the user; no other user's.")
    name: Annotated[str, Field(max_length=200), AfterValidator(_text)] | None = Field(
        default=None, description="The person's name."
    )
    phone: Phone | None = Field(default=None, description="With its country code; no other user's. Kept in E.164.")
    email: Email | None = Field(default=None, description="No other user's, whatever its capitals.")
    locale: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,3}$")] | None = Field(
        default=None, description="A language tag, like `de-CH`."
    )
    channels: Annotated[list[Channel], Field(max_length=len(CHANNELS)), AfterValidator(_each_once)] | None = Field(
        default=None, description="Which are preferred, best first."
    )
    slack: Annotated[str, Field(pattern=r"^([A-Z][A-Z0-9]{2,31}|[#@][^\s#@]{1,80})$")] | None = Field(
        default=None, description="A member's or channel's id, or `#channel`."
    )
    telegram: Annotated[str, Field(pattern=r"^(-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31})$")] | None = Field(
        default=None, description="A chat's id, as a string, or `@channel`."
    )
    devices: Annotated[list[DeviceRow], Field(max_length=100), AfterValidator(_devices)] | None = Field(
        default=None, description="All that the user has. A device that was another user's is no longer."
    )

    def row(self) -> dict[str, Any]:
        """What the registry takes."""
        return self.model_dump(exclude_unset=True)


class UserRow(UserPatch):
    """A user, new or known: found by its `id`, else by `key`, `phone` or `email`, whichever is known first."""

    id: UserId | None = Field(default=None, description="Of a user that there is.")

    def row(self) -> dict[str, Any]:
        """What the registry takes."""
        row = super().row()
        if self.id is None:
            row.pop("id", None)
        return row


class UsersRequest(Request):
    """Users to create or change."""

    users: Annotated[list[UserRow], Field(min_length=1, max_length=MOST_ROWS)] = Field(
        description="Each is taken by itself: one that is refused stops no other."
    )


class GroupRequest(Request):
    """A group to create, with its first members."""

    name: GroupName = Field(description="Of your choice, without `/`.")
    users: Annotated[list[UserRow], Field(max_length=MOST_ROWS)] = Field(
        default=[], description="Its first members: users to create or change, or known ones by one name of theirs."
    )


class DeviceTokenRequest(DeviceRow):
    """A device of a user."""

    replaces: Token | None = Field(default=None, description="The token that it had until now.")


class UsersQuery(Request):
    """A page of users, by id; or the one who has a phone number, an address or a key."""

    limit: int = Field(default=100, ge=1, le=1000, description="How many at most.")
    cursor: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="`cursor` of the page before."
    )
    phone: Annotated[Phone, BeforeValidator(_blank_is_plus)] | None = Field(
        default=None, description="Only who has this number."
    )
    email: Email | None = Field(default=None, description="Only who has this address.")
    key: Key | None = Field(default=None, description="Only who has this key.")


class PageQuery(Request):
    """A page of a list."""

    limit: int = Field(default=100, ge=1, le=1000, description="How many at most.")
    cursor: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="`cursor` of the page before."
    )
