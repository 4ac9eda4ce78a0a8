"""Channels: the kinds of transport. Each is one file; the same conformance suite runs against all.

A channel makes one attempt and says how it ended and whether another could help. It never retries, sleeps,
acknowledges or logs; what it raises is a bug in it. Webhooks go to a callback's URL; all else goes through providers,
and what sends through one is a sender.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from angarium.contents import Content
from angarium.egress import EgressPolicy
from angarium.notifications import Outcome
from angarium.queue import Report
from angarium.records import ProviderRecord
from angarium_deliverer.dialer import Dialer
from angarium_deliverer.resolver import Resolver

MAYBE = "?"  # a reference that begins so says that it may have been sent; any other, that it was


@dataclass(slots=True)
class Message:
    """One attempt to bring a content to a recipient. Times in ms.

    `id` is the delivery's, the same in all its attempts; `reference` is what an earlier one left in its outcome.
    `recovered`: a deliverer died in this very attempt, and nobody knows how far it had come.
    """

    id: str
    channel: str
    to: str
    content: Content
    number: int
    created_ms: int
    expires_ms: int = 0
    reference: str = ""
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """How senders get out: every address that they dial has to pass the guard."""

    dialer: Dialer
    resolver: Resolver
    policy: EgressPolicy
    ca_file: str | None = None
    public_url: str = ""  # where carriers reach the gateway; empty: they don't
    pod: str = ""  # this deliverer


@dataclass(frozen=True, slots=True)
class Account:
    """A provider's record with its opened credentials."""

    record: ProviderRecord
    credentials: dict[str, str] = field(repr=False)

    def api_url(self, default: str) -> str:
        """Where its API is, without a `/` at the end."""
        return str(self.record.settings.get("apiUrl", default)).rstrip("/")


class Sender(Protocol):
    """Sends through one account, any number of messages at once."""

    async def send(self, message: Message) -> Outcome:
        """Make this attempt. Cancelling it leaves nothing behind but what the recipient may have got."""
        ...

    def retire(self) -> None:
        """No more will be sent: what is under way ends, connections that are idle are closed."""
        ...


class Unproven(Exception):
    """A report that is not its carrier's, or can't be shown to be."""


@runtime_checkable
class Reporting(Protocol):
    """A sender whose carrier tells by itself what became of messages."""

    def told(self, report: Report) -> Outcome:
        """What a report says: delivered, refused for good, or nothing yet (SENT). Its `reference` is how that of a
        delivery begins that waits for this message. Raises Unproven."""
        ...


Make = Callable[[Account, Way], Sender]  # raises ValueError where settings or credentials can't be used
