"""Who hears: users with their addresses and devices, and groups of them, kept for each tenant.

`People` reads them (whoever sends); `Registry` writes users and devices, `Groups` keeps groups (the gateway does).
All that a tenant has is one slot, and each script is one transition: no index ever disagrees with the users.

What sending needs::

    user = await people.user(tenant, "usr_01K…")  # or a phone number, or an address; None: there is none
    several = await people.users(tenant, [Reference("key", "crm-17"), …])  # in one round trip

    page = await people.page(tenant, "night-shift")  # up to 500, by id
    while page.cursor:  # keep it, and go on after a kill
        page = await people.page(tenant, "night-shift", page.cursor)

    await people.drop_device(tenant, token)  # FCM said UNREGISTERED

Who is in the group from the first page to the last is on exactly one page, whoever else comes and goes meanwhile.
Calls of many tasks share round trips, as all that goes through a `Link` does.
"""

from angarium.people.groups import Group, GroupExists, GroupPage, Groups, TooManyGroups
from angarium.people.limits import Limits
from angarium.people.people import NoSuchGroup, People
from angarium.people.reaching import targets_of
from angarium.people.registry import Erased, Registry, Saved, TooManyDevices
from angarium.people.user import CHANNELS, PLATFORMS, Device, Page, Reference, User

__all__ = [
    "CHANNELS",
    "PLATFORMS",
    "Device",
    "Erased",
    "Group",
    "GroupExists",
    "GroupPage",
    "Groups",
    "Limits",
    "NoSuchGroup",
    "Page",
    "People",
    "Reference",
    "Registry",
    "Saved",
    "TooManyDevices",
    "TooManyGroups",
    "User",
    "targets_of",
]
