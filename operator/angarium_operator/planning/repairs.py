"""What is said of repairs beyond an object's Secret: its status was edited, or Redis had lost what gateways knew of it.

Of the latter each Product is told, once: somebody must hear of it, and ten thousand Events would be none.
"""

from angarium_operator.planning.actions import Announcement, Plan
from angarium_operator.planning.snapshot import Key, Snapshot
from angarium_operator.planning.status import edited, status_of

STATUS = Announcement("Warning", "StatusRepaired", "the status was changed by somebody else; it is written anew")
RECORDS = Announcement("Warning", "RecordsRestored", "Redis had lost the configuration; all of it was published again")


def repairs(snapshot: Snapshot, key: Key, planned: Plan) -> tuple[Announcement, ...]:
    """What is worth an Event."""
    resource = snapshot.objects.get(key)
    if resource is None:
        return ()
    by_hand = planned.status is not None and edited(snapshot, key, status_of(resource))
    told = (STATUS,) if by_hand else ()
    return (*told, RECORDS) if key in snapshot.restored else told
