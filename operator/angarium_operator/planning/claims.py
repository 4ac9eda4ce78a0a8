"""What one object alone may have goes to the oldest that asks for it; the younger are told, and looked at again when it
changes or goes.
"""

from datetime import UTC, datetime

from angarium.resources import Resource
from angarium_operator.planning.snapshot import Key, Snapshot, claim_of

LAST = datetime.max.replace(tzinfo=UTC)


def holder(snapshot: Snapshot, resource: Resource) -> Key | None:
    """Who else has what the object claims; None where it may have it."""
    claim = claim_of(resource)
    if claim is None:
        return None
    own = resource.metadata.uid
    others = [snapshot.objects[key] for key in snapshot.claimants(claim)]
    older = [other for other in others if other.metadata.uid != own and _age(other) < _age(resource)]
    return Key.of(min(older, key=_age)) if older else None


def _age(resource: Resource) -> tuple[datetime, str]:
    return resource.metadata.creation_timestamp or LAST, resource.metadata.uid
