"""Hears what carriers tell of messages, checks that it is theirs, and ends the deliveries that it is about.

It goes past the lines: what a carrier tells is no attempt, so no rate, no limit and no open circuit holds it up. What
is heard twice does nothing the second time; what can't be dealt with now is heard again.
"""

import logging
from collections.abc import Callable

from angarium.notifications import Attempt, Notification, Outcome, Result, Target
from angarium.queue import Duplicates, Ending, Heard, Queue, Report, Reports, Told
from angarium.retries import Move
from angarium.telemetry import metrics
from angarium_deliverer import journal
from angarium_deliverer.channels import MAYBE, Reporting, Unproven
from angarium_deliverer.directory import Directory
from angarium_deliverer.routes import Carrier

log = logging.getLogger(__name__)
PAUSE = 1.0  # s
AT_ONCE = 64  # reports of a shard
KEPT = frozenset({"busy", "unknown"})  # after these a report is heard again
MOVES = {Result.DELIVERED: Move.DELIVERED, Result.PERMANENT: Move.REFUSED}


class Listener:
    """`public`: whether carriers are told where to report at all; who doesn't know can't check what they say."""

    def __init__(
        self,
        queue: Queue,
        directory: Directory,
        duplicates: Duplicates,
        *,
        public: bool,
        ended: Callable[[Ending], None],
    ) -> None:
        self._queue, self._directory, self._duplicates = queue, directory, duplicates
        self._reports, self._public = Reports(queue), public
        self._reports.ended = ended

    async def step(self) -> float:
        """One round of `forever`; nobody is asked where no carrier tells anything."""
        most = 0
        if self._public and self._directory.reported_to:
            for keys in self._queue.reachable:
                heard = await self._reports.hear(keys, AT_ONCE)
                most = max(most, len(heard))
                for each in heard:
                    await self._deal_with(each)
        return 0.0 if most == AT_ONCE else PAUSE

    async def _deal_with(self, heard: Heard) -> None:
        result = await self._result(heard)
        metrics.REPORTS.labels(result).inc()
        if result not in KEPT:
            await self._reports.drop(heard)

    async def _result(self, heard: Heard) -> str:
        report = heard.report
        if report is None:
            return "unreadable"
        notification = await self._reports.about(heard)
        if notification is None:
            return "over"
        carrier = self._directory.carrier(report.provider)
        if carrier is None or not isinstance(carrier.sender, Reporting):
            return "unknown"  # here: its record may be late, or sealed with a newer key
        try:
            outcome = carrier.sender.told(report)
        except Unproven:
            return _unproven(report)
        if outcome.result not in MOVES:
            return "no_news"
        target = self._target(carrier, notification, heard.delivery.index)
        if target is None:
            return _unproven(report)
        return await self._settle(heard, carrier, notification, target, outcome)

    def _target(self, carrier: Carrier, notification: Notification, index: int) -> Target | None:
        """Whom it is for, if this carrier may speak of it: one account could else end the deliveries of another's."""
        target = notification.targets[index] if index < len(notification.targets) else None
        own = self._directory.product_of(notification.tenant) == carrier.record.product_id
        return target if own and target and target.to and target.name in carrier.record.channels else None

    async def _settle(
        self, heard: Heard, carrier: Carrier, notification: Notification, target: Target, outcome: Outcome
    ) -> str:
        delivery = heard.report.delivery if heard.report else ""
        move, own = MOVES[outcome.result], carrier.record
        outcome.response = {"provider": own.name, **(outcome.response or {})}
        entry = journal.report_entry(delivery, move, outcome)
        told = Told(
            move,
            outcome.reason,
            entry,
            f"{own.id} {outcome.reference}",
            f"{own.id} {MAYBE}",
            self._directory.hearers.want(notification),
        )
        result = await self._reports.settle(heard, notification, told)
        if result == "settled":
            journal.reported(notification, target, delivery, move, outcome.reason)
            if notification.dedup and move is Move.REFUSED:  # then another with the same key may be sent
                await self._duplicates.give_back(Attempt(delivery, notification, target, 0))
        return result


def _unproven(report: Report) -> str:
    log.warning("a report was not its carrier's", extra={"provider": report.provider, "delivery": report.delivery})
    return "unproven"
