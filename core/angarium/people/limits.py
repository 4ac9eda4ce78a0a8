"""How many of each there may be. What would exceed a limit is refused; what is there stays."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of one tenant."""

    users: int = 1_000_000
    devices: int = 20  # of one user
    groups: int = 10_000
    members: int = 1_000_000  # of one group
