"""Who wants to hear of the ends of notifications: callbacks with a pattern that begins with `notification`.

No other pattern takes these events, not even `**`: who wants all that services post wants no echo of it.
"""

from collections import defaultdict

from angarium.notifications import Notification, Target
from angarium.patterns import RESERVED, matches
from angarium.records import CallbackRecord


class Hearers:
    """By tenant."""

    def __init__(self) -> None:
        self._patterns: dict[str, dict[str, tuple[Target, tuple[str, ...]]]] = defaultdict(dict)  # and by record key

    def want(self, notification: Notification) -> bool:
        """Whether somebody is to hear of its end: nobody of a test's, nor of one that itself tells of an end."""
        if notification.tenant not in self._patterns or notification.test:
            return False
        return notification.event.partition(".")[0] != RESERVED

    def put(self, record: CallbackRecord) -> None:
        """It is there, as it says."""
        patterns = tuple(pattern for pattern in record.events if pattern.partition(".")[0] == RESERVED)
        if patterns and not record.disabled:
            target = Target(record.id, record.key.partition("/")[2])
            self._patterns[record.tenant][record.key] = target, patterns

    def drop(self, record: CallbackRecord) -> None:
        """It is there no more."""
        if record.tenant in self._patterns:
            self._patterns[record.tenant].pop(record.key, None)
            if not self._patterns[record.tenant]:
                del self._patterns[record.tenant]

    def of(self, tenant: str, event: str) -> tuple[Target, ...]:
        """The callbacks that hear of an event."""
        found = self._patterns[tenant].values() if tenant in self._patterns else ()
        return tuple(target for target, patterns in found if any(matches(pattern, event) for pattern in patterns))
