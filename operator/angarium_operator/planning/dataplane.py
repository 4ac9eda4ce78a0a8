"""What the gateways and deliverers that live now have applied, and so whether an object is programmed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from angarium.config import Pod

ROLES = ("gateway", "deliverer")


@dataclass(frozen=True, slots=True)
class DataPlane:
    """One look at the data plane.

    `floors`: the lowest applied revision of the live pods of each role; a role without a pod has none. `rejected`: a
    pod that can't read a record, by record key. Until `doubted_until` what was programmed is taken to be so still: a
    pod that restarts, or Redis coming back, must not write a status into each of ten thousand objects, twice.
    """

    floors: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    doubted_until: datetime | None = None

    @classmethod
    def of(cls, pods: Iterable[Pod], epoch: str, doubted_until: datetime | None = None) -> "DataPlane":
        """From what pods say of themselves. One that has applied nothing yet is starting: it serves nobody."""
        floors: dict[str, int] = {}
        rejected: dict[str, str] = {}
        for pod in pods:
            if pod.applied.epoch:
                applied = pod.applied.revision if pod.applied.epoch == epoch else 0
                floors[pod.role] = min(applied, floors.get(pod.role, applied))
                rejected |= dict.fromkeys(pod.applied.rejected, f"{pod.role} {pod.name}")
        return cls(floors, rejected, doubted_until)

    @property
    def missing(self) -> str:
        """The role that nobody plays now, or none."""
        return next((role for role in ROLES if role not in self.floors), "")

    @property
    def floor(self) -> int:
        """The revision that all have applied; 0 where a role is missing."""
        return 0 if self.missing else min(self.floors[role] for role in ROLES)

    def gateways_have(self, revision: int) -> bool:
        """Whether there is a gateway, and each has applied the revision."""
        return self.floors.get("gateway", -1) >= revision

    def deliverers_have(self, revision: int) -> bool:
        """Likewise of deliverers."""
        return self.floors.get("deliverer", -1) >= revision

    def worse_than(self, before: "DataPlane") -> bool:
        """Whether something that was applied no longer is."""
        return self.floor < before.floor or bool(self.missing and not before.missing)
