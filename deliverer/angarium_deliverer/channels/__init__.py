"""Channels: the kinds of transport. Each is one file and one method; the same conformance suite runs against all.

A channel makes one attempt and says how it ended and whether another could help. It never retries, sleeps,
acknowledges or logs; what it raises is a bug in it.
"""

from typing import Protocol

from angarium.notifications import Attempt, Outcome
from angarium.records import CallbackRecord
from angarium.signing import Signer


class Channel(Protocol):
    """Makes attempts, any number at once."""

    name: str  # as metrics and timelines call it

    async def deliver(self, attempt: Attempt, callback: CallbackRecord, signer: Signer) -> Outcome:
        """Make this attempt. Cancelling it leaves nothing behind but what the receiver may have got."""
        ...
