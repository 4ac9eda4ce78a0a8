"""What can go wrong below the services, in their own words; who catches them decides what it means there."""


class StorageUnavailable(Exception):
    """Redis did not answer in time; whether what was asked has happened is unknown, and asking again is safe."""


class NotReplicated(StorageUnavailable):
    """Redis did what was asked, or may have; but too few replicas have confirmed it, so a failover may lose it."""


class StorageFull(Exception):
    """Redis refuses writes (maxmemory); nothing was stored."""


class StorageRefused(Exception):
    """Redis answered with an error that trying again won't mend (ACL, wrong type, a script's bug)."""


class NoScript(StorageRefused):
    """The server has forgotten a script; nothing was done."""
