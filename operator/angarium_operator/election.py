"""Who of several operators acts: decisions on a coordination.k8s.io Lease, as client-go takes them.

Clocks of two machines are never compared. Whoever waits for a Lease counts its duration by the own clock, from the
moment at which the Lease was last seen to change; whoever holds it, from before the request that renewed it. So the
holder's time is up before anybody else's begins, whatever the times say that are written into the Lease for people.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds: that a Lease lives unrenewed, after which its holder begins no more writes, between two tries."""

    lease: int = 10
    deadline: float = 6.0
    retry: float = 2.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The Lease as it stands; `holder` is empty where it was given up."""

    holder: str = ""
    duration: float = 0.0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0
    version: str = ""  # of the object; empty: there is none


@dataclass(frozen=True, slots=True)
class Sight:
    """A Lease, and when by our clock it was first seen like this."""

    lease: Lease
    at: float

    @property
    def free_at(self) -> float:
        """When it may be taken, by our clock."""
        return self.at + self.lease.duration if self.lease.holder else self.at


def read(found: Object) -> Lease:
    """What the API server has."""
    spec = found.get("spec") or {}
    return Lease(
        spec.get("holderIdentity") or "",
        float(spec.get("leaseDurationSeconds") or 0),
        spec.get("acquireTime") or "",
        spec.get("renewTime") or "",
        spec.get("leaseTransitions") or 0,
        found["metadata"]["resourceVersion"],
    )


def seen(before: Sight | None, found: Lease, now: float) -> Sight:
    """The same Lease, or another one from now on; who touches no more than its metadata doesn't renew it."""
    if before is not None and replace(found, version=before.lease.version) == before.lease:
        return Sight(found, before.at)
    return Sight(found, now)


def taken(found: Lease, me: str, durations: Durations, wall: datetime) -> Lease:
    """The Lease as we would have it: acquired, or renewed."""
    mine, at = found.holder == me, wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    anew = bool(found.version) and not mine
    acquired = found.acquired if mine else at
    return Lease(me, durations.lease, acquired, at, found.transitions + anew, found.version)


def given_up(held: Lease) -> Lease:
    """Free for the next."""
    return replace(held, holder="", duration=1)


def manifest(lease: Lease, namespace: str, name: str) -> Object:
    """The object; the version that it names must be the one that stands there."""
    spec: Object = {"leaseDurationSeconds": int(lease.duration), "leaseTransitions": lease.transitions}
    spec |= {"acquireTime": lease.acquired, "renewTime": lease.renewed}
    spec |= {"holderIdentity": lease.holder} if lease.holder else {}
    metadata = {"name": name, "namespace": namespace} | ({"resourceVersion": lease.version} if lease.version else {})
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
