"""How a user is reached: by which channel, and where. Decided alike for a user who is named and for one of a group."""

from collections.abc import Container

from angarium.identifiers import route_id
from angarium.notifications import NOBODY, Target
from angarium.people.user import User

ORDER = ("push", "email", "sms", "whatsapp", "slack", "telegram")  # after what the user prefers


def addresses(user: User, channel: str) -> tuple[str, ...]:
    """Where a channel leads to for a user: one address at most, but all devices."""
    match channel:
        case "push":
            return tuple([device.token for device in user.devices])
        case "sms" | "whatsapp":
            known = user.phone
        case "email":
            known = user.email
        case "slack":
            known = user.slack
        case _:
            known = user.telegram
    return (known,) if known else ()


def targets_of(tenant: str, user: User, offered: Container[str]) -> list[Target]:
    """What a user gets by the first channel, preferred ones first, that is offered and that there is an address for.

    Where there is none, the one target says so: it is refused with the reason no_address.
    """
    for channel in (*user.channels, *ORDER):
        if channel in offered and (found := addresses(user, channel)):
            route = route_id(tenant, channel)
            return [Target(route, channel, address) for address in found]
    return [Target(route_id(tenant, NOBODY), NOBODY, user.id)]
