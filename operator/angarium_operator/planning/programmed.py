"""Whether the data plane uses an object as it stands."""

from datetime import datetime

from angarium.records import Record
from angarium.resources import Resource
from angarium_operator.planning.snapshot import Key, Snapshot, spec_of
from angarium_operator.planning.status import status_of
from angarium_operator.planning.verdicts import PENDING, Verdict, no, yes

WAITING = "the live gateways and deliverers have yet to apply it"
PROGRAMMED = yes("Programmed", "all live gateways and deliverers have applied it")


def judge(
    snapshot: Snapshot, key: Key, resource: Resource, record: Record | None, now: datetime, *, settled: bool
) -> Verdict:
    """Whether each live gateway and deliverer uses this very object."""
    published, plane = snapshot.published.get(key), snapshot.plane
    before = next((c for c in status_of(resource).conditions if c.type == "Programmed"), None)
    was = before is not None and before.status == "True" and before.observed_generation == resource.metadata.generation
    if not snapshot.stored:
        return Verdict("True", "Programmed", before.message) if was and before else no(PENDING, "waits for Redis")
    if record is None:
        return no(PENDING, "waits for the other conditions")
    if published is None or (not settled and spec_of(record) != spec_of(published.record)):
        return no(PENDING, WAITING)
    if pod := plane.rejected.get(str(key)):
        return no("Rejected", f"{pod} can't read the record of this object; is it of another version?")
    verdict = _applied(snapshot, published.since)
    if verdict.good or plane.doubted_until is None or now >= plane.doubted_until:
        return verdict
    return PROGRAMMED if was else no(PENDING, WAITING)


def _applied(snapshot: Snapshot, revision: int) -> Verdict:
    if missing := snapshot.plane.missing:
        return no("DataPlaneUnavailable", f"no {missing} is alive")
    return PROGRAMMED if snapshot.plane.floor >= revision else no(PENDING, WAITING)
