"""Deciding, without I/O: from what is known of the world to what should be written. `angarium dev` uses it too.

`plan(snapshot, key, now)` looks at one object and what it refers to, and answers with a `Plan`: the Secret, the config
record, the status and the Events that are due, and when to look again. Whoever carries it out puts what was written
back into the snapshot, so that the next plan for the same world is empty.
"""

from angarium_operator.planning.actions import Announcement, OwnerReference, Plan, SecretContent
from angarium_operator.planning.dataplane import DataPlane
from angarium_operator.planning.plan import plan
from angarium_operator.planning.probes import Finding, Probe
from angarium_operator.planning.snapshot import Broken, Key, ManagedSecret, Policy, Published, Snapshot

__all__ = [
    "Announcement",
    "Broken",
    "DataPlane",
    "Finding",
    "Key",
    "ManagedSecret",
    "OwnerReference",
    "Plan",
    "Policy",
    "Probe",
    "Published",
    "SecretContent",
    "Snapshot",
    "plan",
]
