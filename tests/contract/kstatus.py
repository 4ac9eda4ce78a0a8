"""What tools that wait for anybody's objects make of one: kstatus, as sigs.k8s.io/cli-utils computes it.

Flux and Config Sync use that Go library; this is its part for custom kinds, step by step.
"""

from typing import Any

Object = dict[str, Any]


def kstatus(found: Object) -> str:
    """`Current`, `InProgress`, `Failed` or `Terminating`."""
    metadata, status = found["metadata"], found.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    conditions = status.get("conditions") or []
    for condition in conditions:
        if condition["status"] == "True" and condition["type"] in ("Reconciling", "Stalled"):
            return "InProgress" if condition["type"] == "Reconciling" else "Failed"
    ready = next((each for each in conditions if each["type"] == "Ready"), None)
    return "Current" if ready is None or ready["status"] == "True" else "InProgress"
