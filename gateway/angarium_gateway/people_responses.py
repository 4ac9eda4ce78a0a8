"""What callers are answered about users, groups and devices; see `responses`."""

from typing import Literal

from pydantic import AwareDatetime, Field

from angarium_gateway.responses import ProblemDocument, ProblemError, Response


class DeviceView(Response):
    """A device that push messages go to."""

    token: str
    platform: str
    updated_at: AwareDatetime = Field(description="When it was told last.")


class UserView(Response):
    """A user; what is not known is left out."""

    id: str
    key: str | None = Field(default=None, description="The tenant's own name for the user.")
    name: str | None = None
    phone: str | None = Field(default=None, description="In E.164.")
    email: str | None = None
    locale: str | None = None
    channels: list[str] = Field(description="The preferred ones, best first.")
    slack: str | None = None
    telegram: str | None = None
    devices: list[DeviceView]
    created_at: AwareDatetime
    changed_at: AwareDatetime


class UserDetails(UserView):
    """A user, and the groups that hold it."""

    groups: list[str]


class UserPage(Response):
    """By id."""

    users: list[UserView]
    cursor: str | None = Field(description="For the next page, with the same filters; null at the end.")


class UsersTaken(Response):
    """What became of a list of users. Where some were refused the status is 207, and `errors` tells why."""

    created: int
    updated: int
    failed: int = Field(description="Rows that were refused; nothing of these was stored.")
    errors: list[ProblemError] = Field(description="At least one for each row that failed.")
    ids: list[str | None] = Field(description="The id of each row's user, in the order of the rows; null: it failed.")


class GroupTaken(UsersTaken):
    """A group, and what became of the list of users that are to be its members."""

    group: str


class TakenSoFar(Response):
    """A line of progress; `errors` and `ids` tell of the rows since the line before. The last has `done` = `of`; where
    storage was away or full it has the `problem`, and each row that was left is among the errors."""

    group: str | None = None
    done: int = Field(description="Rows that have been looked at.")
    of: int
    created: int
    updated: int
    failed: int
    errors: list[ProblemError]
    ids: list[str | None]
    problem: ProblemDocument | None = None


class Erased(Response):
    """What was erased of a person."""

    id: str
    erased: list[str] = Field(description="Names of the members of the user that held something.")
    devices: int
    groups: list[str] = Field(description="The groups that held it.")


class DeviceTaken(Response):
    """A device of a user."""

    user: str
    result: Literal["added", "refreshed"]


class GroupView(Response):
    """A group."""

    name: str
    members: int
    created_at: AwareDatetime


class GroupPage(Response):
    """By name."""

    groups: list[GroupView]
    cursor: str | None = Field(description="For the next page; null at the end.")


class GroupDeleted(Response):
    """A group that is no more; its members stay users."""

    name: str
    members: int = Field(description="How many it had.")


class MemberRemoved(Response):
    """A user who is no longer in a group."""

    group: str
    user: str
