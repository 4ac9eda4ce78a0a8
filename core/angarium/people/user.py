"""A user as the store has it. Plain data; the checks of numbers and addresses are made where they come in.

Nothing of a person shows in a repr: it could end in a log.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from angarium.identifiers import is_user_id

CHANNELS = ("email", "sms", "whatsapp", "push", "slack", "telegram")
PLATFORMS = ("android", "ios", "web")
By = Literal["id", "key", "phone", "email", "token"]


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class Device:
    """Where push messages go; a token is one user's."""

    token: str = field(repr=False)
    platform: str
    updated_ms: int


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class User:
    """Empty is what is not known. `channels`: the preferred ones, best first; `key`: the tenant's own name for it."""

    id: str
    key: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)  # E.164
    email: str = field(default="", repr=False)
    locale: str = field(default="", repr=False)
    channels: tuple[str, ...] = field(default=(), repr=False)
    slack: str = field(default="", repr=False)
    telegram: str = field(default="", repr=False)
    devices: tuple[Device, ...] = field(default=(), repr=False)
    created_ms: int = 0
    changed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Reference:
    """How a user is named: by what, and its value."""

    by: By
    value: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> "Reference":
        """By the look of it: an id, a phone number in E.164, an e-mail address; else the tenant's own key."""
        if is_user_id(text):
            return cls("id", text)
        if text.startswith("+"):
            return cls("phone", text)
        return cls("email" if "@" in text else "key", text)

    @property
    def arguments(self) -> tuple[str, str]:
        """For scripts; e-mail addresses are the same in capitals (of ASCII, as Lua has it)."""
        return self.by, self.value


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class Page:
    """By id; `cursor` is None at the end. `number` is the group's: another group of the same name has another."""

    users: list[User]
    cursor: str | None
    number: int = 0


def read_user(id_: bytes, doc: bytes) -> User:
    """From what the scripts keep."""
    read: dict[str, Any] = orjson.loads(doc)
    get = read.get
    return User(
        id_.decode("ascii"),
        get("key", ""),
        get("name", ""),
        get("phone", ""),
        get("email", ""),
        get("locale", ""),
        tuple(get("channels", ())),
        get("slack", ""),
        get("telegram", ""),
        tuple([Device(each["token"], each["platform"], int(each["updated"])) for each in get("devices", ())]),
        int(read["created"]),
        int(read["changed"]),
    )
