"""Who a message is for: addresses as they are, users as the store has them now, groups by name.

Users are looked up when a message is accepted, all in one round trip; the members of groups are left to the deliverers.
"""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from angarium.identifiers import route_id
from angarium.notifications import GROUP, Target
from angarium.people import Reference, User, targets_of
from angarium_gateway import addresses
from angarium_gateway.appkeys import DIRECTORY, GROUPS, PEOPLE
from angarium_gateway.directory import Tenant
from angarium_gateway.problems import INVALID, NO_PROVIDER, Problem, invalid
from angarium_gateway.requests import MOST_ERRORS, Asked, Recipient

MOST_TARGETS = 5000  # with all devices of the users; each costs Redis some µs at once


async def addressed(app: web.Application, tenant: Tenant, asked: Asked) -> tuple[Target, ...]:
    """A target for each address, each once; raises a Problem where a user or a group is not known."""
    offered = app[DIRECTORY].channels(tenant).intersection(asked.channels)
    if not offered:
        detail = f"product {tenant.product} has no provider that carries {', '.join(asked.channels)}:"
        raise Problem(NO_PROVIDER, f"{detail} apply one (kind Provider)")
    users = await _users(app, tenant, asked.to)
    targets: dict[tuple[str, str], Target] = {}
    for each in asked.to:
        for target in _targets(tenant.id, each, users, offered):
            targets.setdefault((target.name, target.to), target)
    if len(targets) > MOST_TARGETS:
        raise invalid("/to", f"stands for {len(targets):,} addresses, {MOST_TARGETS:,} at most: make a group of them")
    return tuple(targets.values())


async def _users(app: web.Application, tenant: Tenant, to: Iterable[Recipient]) -> dict[str, User | None]:
    """Those who are named, by what names them; raises a Problem where one of them or a group is not known."""
    named = {each.value: _reference(each.value) for each in to if each.kind == "user"}
    names = {each.value for each in to if each.kind == "group"}
    if not named and not names:
        return {}
    found, groups = await asyncio.gather(
        app[PEOPLE].users(tenant.id, named.values()),
        asyncio.gather(*[app[GROUPS].one(tenant.id, name) for name in names]),
    )
    users = dict(zip(named, found, strict=True))
    known = {group.name for group in groups if group}
    errors = [
        {"pointer": f"{each.pointer}/{each.kind}", "detail": f"there is no such {each.kind}"}
        for each in to
        if (each.kind == "user" and users[each.value] is None) or (each.kind == "group" and each.value not in known)
    ]
    if errors:
        raise Problem(INVALID, errors=errors[:MOST_ERRORS])
    return users


def _reference(text: str) -> Reference:
    """By the look of it, written as users have it."""
    reference = Reference.of(text)
    try:
        match reference.by:
            case "phone":
                return Reference("phone", addresses.phone(text))
            case "email":
                return Reference("email", addresses.email(text))
            case _:
                return reference
    except ValueError:
        return Reference("key", text)


def _targets(tenant: str, each: Recipient, users: dict[str, User | None], offered: set[str]) -> list[Target]:
    if each.kind == "group":
        return [Target(route_id(tenant, GROUP), GROUP, each.value)]
    user = users.get(each.value) if each.kind == "user" else None
    if user is not None:
        return targets_of(tenant, user, offered)
    return [Target(route_id(tenant, each.channel), each.channel, each.value)]
