"""How the data plane learns what the operator knows: records in Redis, each with a revision, and a log of changes.

The operator writes through `ConfigStore`; gateways and deliverers follow with `ConfigTail`, which keeps the last good
record of each object, and say by `Presence` that they live and what they have applied.
"""

from angarium.config.presence import DEAD_AFTER, Applied, Pod, Presence, read_live
from angarium.config.store import ConfigStore, RecordsLost, StoreState, Superseded
from angarium.config.tail import ConfigTail

__all__ = [
    "DEAD_AFTER",
    "Applied",
    "ConfigStore",
    "ConfigTail",
    "Pod",
    "Presence",
    "RecordsLost",
    "StoreState",
    "Superseded",
    "read_live",
]
