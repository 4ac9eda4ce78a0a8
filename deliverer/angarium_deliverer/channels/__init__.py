"""Channels: the kinds of transport. Each is one file; the same conformance suite runs against all.

A channel makes one attempt and says how it ended and whether another could help. It never retries, sleeps,
acknowledges or logs; what it raises is a bug in it. Webhooks go to a callback's URL; all else goes through providers,
and what sends through one is a sender.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from angarium.contents import Content
from angarium.egress import EgressPolicy
from angarium.notifications import Outcome
from angarium.records import ProviderRecord
from angarium_deliverer.dialer import Dialer
from angarium_deliverer.resolver import Resolver


@dataclass(slots=True)
class Message:
    """One attempt to bring a content to a recipient. Times in ms.

    `id` is the delivery's, the same in all its attempts; `reference` is what an earlier one left in its outcome.
    """

    id: str
    channel: str
    to: str
    content: Content
    number: int
    created_ms: int
    expires_ms: int = 0
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """How senders get out: every address that they dial has to pass the guard."""

    dialer: Dialer
    resolver: Resolver
    policy: EgressPolicy
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A provider's record with its opened credentials."""

    record: ProviderRecord
    credentials: dict[str, str] = field(repr=False)


class Sender(Protocol):
    """Sends through one account, any number of messages at once."""

    async def send(self, message: Message) -> Outcome:
        """Make this attempt. Cancelling it leaves nothing behind but what the recipient may have got."""
        ...

    def retire(self) -> None:
        """No more will be sent: what is under way ends, connections that are idle are closed."""
        ...


Make = Callable[[Account, Way], Sender]  # raises ValueError where settings or credentials can't be used
