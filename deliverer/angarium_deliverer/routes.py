"""Routes: by which providers a tenant's messages of a channel go, and what happens where one fails."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from angarium.contents import Content, read_content
from angarium.notifications import Attempt, Outcome, Result
from angarium.records import ProviderRecord
from angarium.retries import DEFAULT_SCHEDULE, RetryPolicy
from angarium_deliverer.channels import MAYBE, Message, Sender

NOBODY = Outcome(Result.RETRYABLE, "no_provider", "the product has no provider for this channel, or all are suspended")


@dataclass(frozen=True, slots=True)
class Carrier:
    """A provider, ready to send."""

    record: ProviderRecord
    sender: Sender


Wait = Callable[[ProviderRecord], Awaitable[float]]  # seconds until a provider's rate lets one more go; 0: now
Gone = Callable[[str, str], Awaitable[None]]  # of a tenant: an address that is nobody's any more


class Route:
    """The carriers of one channel of a product, the first to be tried first."""

    def __init__(self, channel: str, carriers: list[Carrier], wait: Wait, gone: Gone) -> None:
        self.channel, self._wait, self._gone = channel, wait, gone
        self._by_id = {each.record.id: each for each in carriers}
        by_key = {each.record.key: each for each in carriers if not each.record.suspended}
        self._carriers = [by_key[record.key] for record in in_turn(each.record for each in by_key.values())]
        first = self._carriers[0].record if self._carriers else None
        self.policy = RetryPolicy((first and first.retry_schedule_s) or DEFAULT_SCHEDULE)
        self.endpoint = _token([each.record for each in self._carriers])
        self.refusal: tuple[str, str] | None = None
        self.suspended = False

    async def deliver(self, attempt: Attempt) -> Outcome:
        """By the first carrier that can; what one refuses for good, none is asked again."""
        name, _, reference = attempt.reference.partition(" ")
        sent = bool(reference) and not reference.startswith(MAYBE)
        if sent and name not in self._by_id:  # nobody is left to be asked, and to send it again would be once too often
            return Outcome(Result.DELIVERED, response={"unconfirmed": True, "provider": name})
        try:
            content = read_content(self.channel, attempt.notification.body, attempt.target.content)
        except ValueError as error:
            return Outcome(Result.RETRYABLE, "unreadable_content", str(error), blameless=True)
        failed: list[str] = []
        outcome = NOBODY
        for carrier in [self._by_id[name]] if sent else self._known_first(name):
            known = reference if carrier.record.id == name else ""
            if not sent and carrier.record.rate_requests and (seconds := await self._wait(carrier.record)):
                return outcome if failed else Outcome(Result.LATER, retry_after=seconds)
            outcome = await carrier.sender.send(_message(attempt, self.channel, content, known))
            _sign(outcome, carrier.record, failed)
            if outcome.gone:
                await self._gone(attempt.notification.tenant, attempt.target.to)
            if outcome.result is not Result.RETRYABLE or outcome.reference:
                return outcome
            failed.append(f"{carrier.record.name}: {outcome.detail or outcome.reason}")
        return outcome

    def _known_first(self, first: str) -> list[Carrier]:
        """Who was handed it before is asked first."""
        return sorted(self._carriers, key=lambda each: each.record.id != first) if first else self._carriers


def in_turn(records: Iterable[ProviderRecord]) -> list[ProviderRecord]:
    """The order in which providers are tried."""
    return sorted(records, key=lambda record: (-record.priority, record.key))


def _message(attempt: Attempt, channel: str, content: Content, reference: str) -> Message:
    notification = attempt.notification
    return Message(
        attempt.delivery, channel, attempt.target.to, content, attempt.number, notification.created_ms,
        notification.expires_ms, reference, attempt.recoveries > 0,
    )  # fmt: skip


def _sign(outcome: Outcome, record: ProviderRecord, failed: list[str]) -> None:
    """Tell which provider it was, and which failed before."""
    outcome.response = {"provider": record.name, **(outcome.response or {})}
    if failed:
        outcome.response["failedOver"] = list(failed)
    if outcome.reference:
        outcome.reference = f"{record.id} {outcome.reference}"


def _token(records: list[ProviderRecord]) -> str:
    """Names the carriers as they are now: what is known of how they stand counts for these alone."""
    told = "\n".join(f"{record.key} {record.revision}" for record in records)
    return hashlib.sha256(told.encode()).hexdigest()[:12]
