"""Users and groups as callers see them; their shapes are in `people_responses`."""

from typing import Any

from angarium.payload import instant
from angarium.people import Erased, Group, User

Document = dict[str, Any]
MEMBERS = ("key", "name", "phone", "email", "locale", "slack", "telegram")


def user(one: User) -> Document:
    """What is known of a user."""
    known = {name: value for name in MEMBERS if (value := getattr(one, name))}
    devices = [
        {"token": device.token, "platform": device.platform, "updatedAt": instant(device.updated_ms)}
        for device in one.devices
    ]
    times = {"createdAt": instant(one.created_ms), "changedAt": instant(one.changed_ms)}
    return {"id": one.id} | known | {"channels": list(one.channels), "devices": devices} | times


def erased(what: Erased) -> Document:
    """What was erased, without saying it."""
    held = [name for name in (*MEMBERS, "channels", "devices") if getattr(what.user, name)]
    return {"id": what.user.id, "erased": held, "devices": len(what.user.devices), "groups": list(what.groups)}


def group(one: Group) -> Document:
    """A group."""
    return {"name": one.name, "members": one.members, "createdAt": instant(one.created_ms)}
