"""What ServiceAccounts asked of the API server, from its own audit log: `Audit(kubeconfig)`.

Only a server that these tests have started writes one.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.cluster.apiserver import AUDIT_LOG

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class Right(NamedTuple):
    """What a rule of a Role grants, and what a request needs."""

    group: str
    resource: str  # with its subresource: products/status
    verb: str


@dataclass(frozen=True)
class Request:
    """One request, as it was answered."""

    user: str
    right: Right
    namespace: str
    name: str
    status: int
    content: str  # of a write, as JSON
    received: datetime
    answered: datetime

    @property
    def object(self) -> str:
        """Whom it is about."""
        return f"{self.right.resource}/{self.namespace}/{self.name}"


class Audit:
    """Reads the log anew each time."""

    def __init__(self, kubeconfig: Path) -> None:
        self._path = kubeconfig.parent / AUDIT_LOG
        if not self._path.exists():
            raise FileNotFoundError(f"{self._path}: not a server of ours")

    def requests(self, *users: str) -> list[Request]:
        """Of these users, in the order in which they came in."""
        return sorted((each for each in self._read() if each.user in users), key=lambda each: each.received)

    def writes(self, *users: str) -> list[Request]:
        """What of it was a write that took place; not of Leases, by which nothing is decided but who writes."""
        found = self.requests(*users)
        return [
            each
            for each in found
            if each.right.verb in WRITES and each.status < 300 and each.right.resource != "leases"
        ]

    def _read(self) -> Iterator[Request]:
        seen = set()
        with self._path.open() as lines:
            for line in lines:
                if not line.endswith("\n"):
                    return  # it is being written
                event = json.loads(line)
                if event["auditID"] not in seen and "objectRef" in event:  # a watch is told of twice
                    seen.add(event["auditID"])
                    yield _request(event)


def _request(event: dict[str, Any]) -> Request:
    about = event["objectRef"]
    parts = (about["resource"], about.get("subresource"))
    return Request(
        event["user"]["username"],
        Right(about.get("apiGroup", ""), "/".join(filter(None, parts)), event["verb"]),
        about.get("namespace", ""),
        about.get("name", ""),
        event["responseStatus"]["code"],
        json.dumps(event.get("requestObject"), sort_keys=True),
        datetime.fromisoformat(event["requestReceivedTimestamp"]),
        datetime.fromisoformat(event["stageTimestamp"]),
    )
