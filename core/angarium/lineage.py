"""Whether Redis is still the server that we knew.

Redis answers before its replicas have a write, and mostly before its disk has it. So a failover or a restart may lose
what was answered; it is told once for each process, and counted.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself."""

    address: str
    run_id: str  # new for each process
    replid: str  # of its history of writes
    former: str = ""  # the history that it has gone on from
    taken_over_at: int = -1  # the offset up to which it has that
    offset: int = 0  # of its last write
    replica: bool = False
    replicas: int = 0  # that are in touch with it


class Change(StrEnum):
    """How the server came to be another."""

    FAILOVER = "failover"
    RESTART = "restart"
    REPLACED = "replaced"


MEANS = {
    Change.FAILOVER: "redis has failed over: what the former master had not replicated yet is lost",
    Change.RESTART: "redis has restarted: what it had not written to disk yet is lost",
    Change.REPLACED: "redis is another server now, which shares no history with the former",
}


def read_server(address: str, info: bytes) -> Server:
    """From the sections `server` and `replication` of INFO."""
    facts = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    return Server(
        address,
        facts.get("run_id", ""),
        facts.get("master_replid", ""),
        facts.get("master_replid2", ""),
        int(facts.get("second_repl_offset", -1)),
        int(facts.get("master_repl_offset", 0)),
        facts.get("role") == "slave",
        sum(name.startswith("slave") and "state=online" in value for name, value in facts.items()),
    )


class Lineage:
    """The servers that were met as masters. `alone`: there is one at a time, as there is not in a Cluster."""

    def __init__(self, alone: bool) -> None:
        self._alone = alone
        self._histories: dict[str, Server] = {}
        self._processes: dict[str, str] = {}  # address → run id

    def meet(self, server: Server) -> Change | None:
        """What has happened since, where something has."""
        change = self._change(server)
        self._histories[server.replid] = server
        self._processes[server.address] = server.run_id
        return change

    def _change(self, server: Server) -> Change | None:
        restarted = self._processes.get(server.address, server.run_id) != server.run_id
        if known := self._histories.get(server.replid):
            return Change.RESTART if known.run_id != server.run_id else None
        former = self._histories.get(server.former)
        if former and (former.address != server.address or not restarted):
            return Change.FAILOVER
        if restarted:
            return Change.RESTART
        return Change.REPLACED if self._alone and self._histories else None


_KNOWN: dict[str, Lineage] = {}


def lineage_of(url: str, alone: bool) -> Lineage:
    """All connections of a process to one Redis share what they have met, so that each change is told once."""
    return _KNOWN.setdefault(url, Lineage(alone))
